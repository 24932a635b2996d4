"""One settings model per function, read from its environment once per process. template.yaml sets every variable."""

import os
from functools import cache
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from routing_weights.domain import regions
from routing_weights.domain.actuators import ActuatorName, names_for
from routing_weights.domain.regions import DOMAINS
from routing_weights.domain.run import LONGEST_APPROVAL
from routing_weights.errors import ConfigurationInvalid
from routing_weights.projection.checks import GateName, Limits

OptionalErlangs = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, BeforeValidator(lambda value: value or None)
]
"""A number, or None for an empty variable (CloudFormation has no absent parameters)."""
RequiredGates = Annotated[
    frozenset[GateName],
    BeforeValidator(lambda value: frozenset(filter(None, value.split(","))) if isinstance(value, str) else value),
]
"""Comma-separated, and empty for none."""
ForecastSource = Literal["plan", "pushed", "genesys_wfm", "history", "default"]


def _each_once(sources: tuple[ForecastSource, ...]) -> tuple[ForecastSource, ...]:
    if len(set(sources)) < len(sources):
        raise ValueError("a source is named twice")
    if "plan" not in sources:
        raise ValueError("plan must be among the sources, or the forecast of a plan would be ignored")
    return sources


ForecastSources = Annotated[
    tuple[ForecastSource, ...],
    BeforeValidator(lambda value: tuple(value.split(",")) if isinstance(value, str) else value),
    AfterValidator(_each_once),
]
BaseUrl = Annotated[
    str,
    BeforeValidator(lambda value: str(value).rstrip("/")),
    Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^\s@?#]*)?$"),
]
WebhookUrl = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[^\s@?#]*)?$")]


class Settings(BaseModel):
    # A function builds the validators of its own model, with its first use, and not those of all functions.
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    @classmethod
    @cache
    def load(cls) -> Self:
        """Read the settings from the environment.

        Raises ConfigurationInvalid, which names each variable that is wrong, but never its value.
        """
        try:
            return cls.model_validate({name.lower(): value for name, value in os.environ.items()})
        except ValidationError as error:
            wrong = ", ".join(
                (f"{e['loc'][0]} ".upper() if e["loc"] else "") + f"({e['msg'].removeprefix('Value error, ')})"
                for e in error.errors(include_input=False)
            )
            raise ConfigurationInvalid(f"The function's environment is wrong: {wrong}.") from None


class Documented(Settings):
    documents_bucket: str


class Audited(Documented):
    audit_table: str


class Recording(Audited):
    """Writes audit records."""

    chains_table: str


class Guarded(Settings):
    """Behind the API: who calls."""

    access_table: str
    jwt_roles_claim: str = "roles"


class Genesys(Settings):
    genesys_contract: Literal["platform", "score"]
    genesys_region: Literal["", *DOMAINS] = ""  # type: ignore[valid-type]  # the keys are known at run time only
    genesys_base_url: BaseUrl | Literal[""] = ""
    max_retry_after_s: float = Field(ge=0)
    token_secret: str

    @model_validator(mode="after")
    def _credentials_go_to_genesys_only(self) -> Self:
        """Under `platform` they go to Genesys only. A URL is for a Genesys on this machine, or for contract `score`."""
        urls = [url for url in self._urls() if url]
        if self.genesys_contract == "platform":
            if not all(map(_is_loopback, urls)):
                raise ValueError("under contract platform, a URL can only name this machine: set GenesysRegion")
            if not (self.genesys_region or self.genesys_base_url):
                raise ValueError("set GenesysRegion")
        elif not self.genesys_base_url:
            raise ValueError("contract score needs GenesysBaseUrl")
        elif not all(url.startswith("https://") or _is_loopback(url) for url in urls):
            raise ValueError("use https: credentials are sent unencrypted only to this machine")
        return self

    @property
    def api_url(self) -> str:
        return self.genesys_base_url or regions.api_url(self.genesys_region)

    def _urls(self) -> tuple[str, ...]:
        return (self.genesys_base_url,)


class Granted(Settings):
    """What Genesys grants to the deployment."""

    requests_per_minute: float = Field(ge=0, allow_inf_nan=False)
    token_pool: int = Field(ge=1, le=10)
    reserved_for_others: float = Field(ge=0, le=0.9)

    @property
    def our_requests_per_minute(self) -> float:
        """With all tokens together. 0: requests are not paced."""
        return self.requests_per_minute * self.token_pool * (1 - self.reserved_for_others)


class GenesysCaller(Genesys, Granted):
    token_function: str
    budget_table: str


class EvidenceSettings(Recording):
    """Verifies the audit trail, or makes checkpoints."""

    evidence_bucket: str
    checkpoint_key: str


class AuditorSettings(EvidenceSettings, Guarded):
    """Verifies the audit trail, and exports it."""


class Accounting(Recording):
    aws_region: str
    """Lambda sets it."""


class QueueCaller(GenesysCaller):
    """Reads queues with their members, or writes them."""

    max_concurrent_writes: int = Field(ge=1, le=64)
    shares_table: str


class ValidateSettings(Accounting):
    baselines_table: str


class Door(Recording):
    """What a door needs to submit a plan."""

    state_machine_arn: str


class PlansSettings(Door, Guarded):
    genesys_contract: Literal["platform", "score"]
    baselines_table: str
    plans_table: str
    forecast_table: str
    drift_table: str
    one_time_group: str


class WebhookSettings(Settings):
    deliveries_table: str
    webhook_queue: str
    webhook_secret: str
    webhook_bearer: Literal["off", "on"] = "off"


class DriftSettings(Door, QueueCaller):
    drift_table: str
    locks_table: str
    webhook_queue: str
    max_repairs_per_hour: int = Field(ge=0)
    repair_after_s: float = Field(ge=0, allow_inf_nan=False)
    outgoing_bus: str


class PatrolSettings(Granted):
    drift_table: str
    webhook_queue: str
    drift_patrol_minutes: float = Field(gt=0, allow_inf_nan=False)


class DrawSettings(Settings):
    shares_table: str
    standings_function: str
    standings_read_seconds: float = Field(ge=0, allow_inf_nan=False)
    draw_limit: int = Field(ge=1, le=100)
    draw_patience_s: float = Field(gt=0, allow_inf_nan=False)


class SchedulesSettings(Documented, Guarded):
    baselines_table: str
    state_machine_arn: str
    schedule_group: str
    one_time_group: str
    schedule_role_arn: str
    schedule_dead_letters_arn: str


class SkillSettings(Documented, QueueCaller):
    skills_table: str


class PatchSettings(SkillSettings):
    locks_table: str
    verify_timeout_s: float = Field(ge=0)


class RestoreSettings(Documented, QueueCaller):
    locks_table: str
    verify_timeout_s: float = Field(ge=0)


class AuditSettings(Accounting):
    approvals_table: str
    drift_table: str
    fleets_table: str
    locks_table: str
    one_time_group: str


class OutcomesSettings(Audited):
    outgoing_bus: str
    outcome_dead_letters: str


class OutgoingSettings(Settings):
    outgoing_webhook_url: WebhookUrl | Literal[""] = ""
    outgoing_secret: str
    outgoing_queue: str
    outgoing_dead_letters: str

    @model_validator(mode="after")
    def _webhooks_go_over_https(self) -> Self:
        url = self.outgoing_webhook_url
        if url and not (url.startswith("https://") or _is_loopback(url)):
            raise ValueError("OutgoingWebhookUrl must be https, except on this machine")
        return self


class NotifySettings(Settings):
    notify_slack: Literal["off", "webhook", "bot"] = "off"
    notify_teams: Literal["off", "on"] = "off"
    notify_topic_arn: str = ""
    notify_secret: str
    notify_queue: str
    notify_dead_letters: str
    notifications_table: str
    link_base_url: BaseUrl | Literal[""] = ""


def _is_of_the_platform(actuator: ActuatorName) -> ActuatorName:
    if actuator not in (names := names_for("platform")):
        raise ValueError(f"Actuator must be one of {', '.join(names)}")
    return actuator


PlatformActuator = Annotated[ActuatorName, AfterValidator(_is_of_the_platform)]


class RecoverSettings(Audited):
    locks_table: str


class CalibrateSettings(Recording, GenesysCaller):
    state_machine_arn: str
    shares_table: str


class SharesSettings(Audited, GenesysCaller, Guarded):
    shares_table: str


class StandingsSettings(GenesysCaller):
    shares_table: str
    standings_read_seconds: float = Field(ge=0, le=600)


class CorrectSettings(GenesysCaller):
    shares_table: str


class SweepSettings(RecoverSettings):
    approvals_table: str
    state_machine_arn: str
    recover_state_machine_arn: str


class Actuated(Settings):
    genesys_contract: Literal["platform", "score"]
    actuator: PlatformActuator = "ring"

    @property
    def deployed_actuator(self) -> ActuatorName:
        """The actuator of a plan that names none, and whose strategy names none."""
        return "score" if self.genesys_contract == "score" else self.actuator


class DirectorySettings(Audited, Actuated, QueueCaller, Guarded):
    approvals_table: str
    drift_table: str


class AdvanceSettings(Documented, Actuated, GenesysCaller):
    fleets_table: str
    outgoing_bus: str
    fleet_concurrency: int = Field(ge=1, le=1000)
    state_machine_arn: str


class FleetsSettings(Documented, Actuated, Granted, Guarded):
    fleets_table: str
    fleet_state_machine_arn: str


class ProjectionSettings(Actuated, QueueCaller):
    aws_region: str
    forecast_table: str
    saturation_limit: float = Field(gt=0, le=1)
    default_projected_load: OptionalErlangs = None
    max_abandonment: float = Field(gt=0, le=1)
    required_gates: RequiredGates
    forecast_sources: ForecastSources = ("plan", "pushed", "genesys_wfm", "history", "default")
    forecast_max_age_s: float = Field(default=604_800, ge=60, allow_inf_nan=False)
    wfm_business_unit: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,64}$")] = ""
    partner_event_bus: str = ""
    standings_read_seconds: float = Field(default=5, ge=0, le=600)
    draw_limit: int = Field(default=20, ge=1, le=100)

    @property
    def standings_s(self) -> float | None:
        """How old a reading of agents' standings may be. 0: events of the partner bus say each change. None: none."""
        return 0.0 if self.partner_event_bus else self.standings_read_seconds or None

    @property
    def limits(self) -> Limits:
        return Limits(
            saturation=self.saturation_limit, max_abandonment=self.max_abandonment, required=self.required_gates
        )


class SuggestSettings(ProjectionSettings, Guarded):
    pass


class Approving(Settings):
    approvals_table: str
    console_may_approve: bool
    """A start in the console has no verified caller."""


class ApprovalsSettings(Recording, Approving, Guarded):
    outgoing_bus: str


class ProjectSettings(ProjectionSettings, SkillSettings, Audited, Approving):
    approval_timeout_s: int = Field(ge=0, le=int(LONGEST_APPROVAL.total_seconds()))
    """0: nobody can approve anything."""
    approval_policy: str
    """See domain.approval.Policy."""


class VerifySettings(Documented, QueueCaller):
    verify_timeout_s: float = Field(ge=0)


class PersonsToken(Settings):
    """A person's own token goes to Genesys only, or to a Genesys on this machine."""

    genesys_region: Literal["", *DOMAINS] = ""  # type: ignore[valid-type]  # as in Genesys
    genesys_base_url: BaseUrl | Literal[""] = ""

    @model_validator(mode="after")
    def _tokens_go_to_genesys_only(self) -> Self:
        if self.genesys_base_url and not _is_loopback(self.genesys_base_url):
            raise ValueError("a URL can only name this machine: set GenesysRegion")
        if not (self.genesys_region or self.genesys_base_url):
            raise ValueError("set GenesysRegion")
        return self

    @property
    def api_url(self) -> str:
        return self.genesys_base_url or regions.api_url(self.genesys_region)


class AuthorizeSettings(PersonsToken):
    access_table: str
    genesys_organisation_id: str
    approver_role: str
    operator_role: str
    sign_in_cache_s: int = Field(ge=0, le=3600)


class DeskSettings(PersonsToken):
    sessions_table: str
    desk_client_id: str

    @property
    def login_url(self) -> str:
        return self.genesys_base_url or regions.login_url(self.genesys_region)


class GenesysLogin(Genesys):
    genesys_login_url: BaseUrl | Literal[""] = ""

    @property
    def login_url(self) -> str:
        return self.genesys_login_url or self.genesys_base_url or regions.login_url(self.genesys_region)

    def _urls(self) -> tuple[str, ...]:
        return (self.genesys_base_url, self.genesys_login_url)


class RotateSettings(GenesysLogin):
    credentials_secret: str


class TokenSettings(RotateSettings):
    budget_table: str


def _is_loopback(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "localhost"}
