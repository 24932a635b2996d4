"""Wires the use cases: settings and the invocation's context in, a use case with its adapters out.

Every builder imports what it wires, so a function loads the adapters of its own use case and no others.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.adapters.aws.budget_table import RequestBudget
    from routing_weights.adapters.genesys.analytics import Analytics
    from routing_weights.adapters.genesys.tokens import StoredTokens, TokenIssuer, TokenRequest
    from routing_weights.adapters.genesys.transport import Deadline, Transport
    from routing_weights.application.answer_drift import AnswerDrift
    from routing_weights.application.close import Close
    from routing_weights.application.deliver import DeliverOutcomes
    from routing_weights.application.detect_drift import DetectDrift
    from routing_weights.application.expire import CancelExpiry
    from routing_weights.application.measure import Measure
    from routing_weights.application.patch import PatchMembers, PatchQueue
    from routing_weights.application.patrol import Patrol
    from routing_weights.application.ports import (
        Baselines,
        ChangeQueue,
        Documents,
        DriftEntries,
        Executions,
        Forecasts,
        Genesys,
        OneTimeSchedules,
        Receiver,
        Reconnect,
        Schedules,
        Trail,
        WebhookSecrets,
    )
    from routing_weights.application.project import Project, Projector
    from routing_weights.application.publish import PublishOutcomes, RepublishOutcomes
    from routing_weights.application.receive_webhook import ReceiveWebhook
    from routing_weights.application.recover import Recover, Sweep, Unblock
    from routing_weights.application.restore import Restore
    from routing_weights.application.revert import RevertDistribution, RevertToBaseline
    from routing_weights.application.schedule import PutSchedule, SchedulePlan
    from routing_weights.application.set_baseline import SetBaseline
    from routing_weights.application.submit import Submit
    from routing_weights.application.suggest import Suggest
    from routing_weights.application.validate import Validate
    from routing_weights.application.verify import Verify
    from routing_weights.domain.actuation import Actuation
    from routing_weights.domain.decision import Decision
    from routing_weights.domain.run import Run
    from routing_weights.domain.verify import Settling
    from routing_weights.settings import (
        Audited,
        AuditSettings,
        CalibrateSettings,
        Documented,
        Door,
        DriftSettings,
        GenesysCaller,
        OutcomesSettings,
        OutgoingSettings,
        PatchSettings,
        PatrolSettings,
        PlansSettings,
        ProjectionSettings,
        ProjectSettings,
        RecoverSettings,
        RestoreSettings,
        SchedulesSettings,
        SweepSettings,
        TokenSettings,
        ValidateSettings,
        VerifySettings,
        WebhookSettings,
    )

RESERVE_S = 12.0
"""The part of its time that a function reserves for one more answer (read time-out 10 s) and for its own end."""
ANALYTICS_S = 30.0
"""The time for all requests about a queue's load, with retries."""
MAX_RUN_S = 5400.0
"""How long a run may wait for Genesys: half of the state machine's time-out."""
MAX_RESTORE_S = 9900.0
"""How long a run that restores may wait: 75 minutes more, until 15 minutes before the state machine's time-out."""

# ---- stores ----------------------------------------------------------------------------------------------------------


def documents(settings: Documented) -> Documents:
    from routing_weights.adapters.aws.documents import Documents

    return Documents(settings.documents_bucket)


def trail(settings: Audited, locks_table: str = "") -> Trail:
    """`locks_table` is for whoever writes records under the lock of a queue."""
    from routing_weights.adapters.aws.audit_table import AuditTrail
    from routing_weights.adapters.aws.documents import Documents

    return AuditTrail(settings.audit_table, Documents(settings.documents_bucket), locks_table)


def baselines(table: str) -> Baselines:
    from routing_weights.adapters.aws.baselines_table import BaselineStore

    return BaselineStore(table)


def forecasts(table: str) -> Forecasts:
    from routing_weights.adapters.aws.forecast_table import Forecasts

    return Forecasts(table)


def drift_entries(table: str) -> DriftEntries:
    from routing_weights.adapters.aws.drift_table import DriftEntries

    return DriftEntries(table)


def one_time_schedules(group: str) -> OneTimeSchedules:
    from routing_weights.adapters.aws.schedule_group import Group

    return Group(group)


def executions(state_machine_arn: str) -> Executions:
    from routing_weights.adapters.aws.state_machine import Executions

    return Executions(state_machine_arn)


# ---- how a plan comes in ---------------------------------------------------------------------------------------------


def submit(settings: Door) -> Submit:
    from routing_weights.application.submit import Submit

    return Submit(documents(settings), trail(settings), executions(settings.state_machine_arn))


def revert_distribution(settings: PlansSettings) -> RevertDistribution:
    from routing_weights.application.revert import RevertDistribution

    return RevertDistribution(trail(settings), documents(settings), submit(settings))


def revert_to_baseline(settings: PlansSettings) -> RevertToBaseline:
    from routing_weights.application.revert import RevertToBaseline

    return RevertToBaseline(baselines(settings.baselines_table), documents(settings), submit(settings))


def schedules(settings: SchedulesSettings) -> Schedules:
    from routing_weights.adapters.aws.scheduler import Schedules

    return Schedules(
        settings.schedule_group,
        settings.one_time_group,
        settings.state_machine_arn,
        settings.schedule_role_arn,
        settings.schedule_dead_letters_arn,
    )


def put_schedule(settings: SchedulesSettings) -> PutSchedule:
    from routing_weights.application.schedule import PutSchedule

    return PutSchedule(schedules(settings), documents(settings), baselines(settings.baselines_table))


def schedule_plan(settings: SchedulesSettings) -> SchedulePlan:
    from routing_weights.application.schedule import SchedulePlan

    return SchedulePlan(documents(settings), baselines(settings.baselines_table))


def set_baseline(settings: PlansSettings) -> SetBaseline:
    from routing_weights.application.set_baseline import SetBaseline

    return SetBaseline(trail(settings), baselines(settings.baselines_table))


def cancel_expiry(settings: PlansSettings) -> CancelExpiry:
    from routing_weights.application.expire import CancelExpiry

    return CancelExpiry(trail(settings), one_time_schedules(settings.one_time_group))


# ---- projections -----------------------------------------------------------------------------------------------------


def project(settings: ProjectSettings, context: LambdaContext, run: Run) -> Project:
    from routing_weights.adapters.aws.skills_table import SkillOwners
    from routing_weights.application.project import Project

    return Project(
        documents(settings),
        trail(settings),
        SkillOwners(settings.skills_table),
        partial(contract, settings, context, run),
        _projector(settings, context, run),
        settings.genesys_contract,
        partial(datetime.now, UTC),
    )


def suggest(settings: ProjectionSettings, context: LambdaContext, run: Run) -> Suggest:
    from routing_weights.application.suggest import Suggest

    return Suggest(_projector(settings, context, run), partial(contract, settings, context, run))


def _projector(settings: ProjectionSettings, context: LambdaContext, run: Run) -> Projector:
    from routing_weights.application.forecast import Forecasting
    from routing_weights.application.project import Projector

    def forecasting() -> Forecasting:
        return Forecasting(
            settings.forecast_sources,
            forecasts(settings.forecast_table),
            analytics(settings, context, run),
            settings.wfm_business_unit,
            settings.forecast_max_age_s,
            settings.default_projected_load,
            time.time,
        )

    return Projector(
        forecasting,
        partial(analytics, settings, context, run),
        settings.limits,
        settings.deployed_actuator,
        settings.requests_per_minute * (1 - settings.reserved_for_others),
        time.time,
    )


# ---- the states of a run ---------------------------------------------------------------------------------------------


def validate(settings: ValidateSettings) -> Validate:
    from routing_weights.application.validate import Validate

    return Validate(documents(settings), trail(settings), baselines(settings.baselines_table))


def patch_queue(settings: PatchSettings, context: LambdaContext, run: Run) -> PatchQueue:
    from routing_weights.adapters.aws.skills_table import SkillOwners
    from routing_weights.application.patch import PatchQueue

    connect = _reconnect(settings, context, run, settings.locks_table, run.execution_arn)
    return PatchQueue(documents(settings), SkillOwners(settings.skills_table), connect, _settling(settings))


def patch_members(settings: PatchSettings, context: LambdaContext, run: Run) -> PatchMembers:
    from routing_weights.application.patch import PatchMembers

    connect = _reconnect(settings, context, run, settings.locks_table, run.execution_arn)
    return PatchMembers(documents(settings), connect, partial(has_time, context))


def verify(settings: VerifySettings, context: LambdaContext, run: Run) -> Verify:
    from routing_weights.application.verify import Verify

    return Verify(documents(settings), _reconnect(settings, context, run), _settling(settings))


def restore(settings: RestoreSettings, context: LambdaContext, run: Run, holder: str) -> Restore:
    from routing_weights.application.restore import Restore

    return Restore(
        documents(settings),
        _reconnect(settings, context, run, settings.locks_table, holder, restoring=True),
        _settling(settings),
        partial(has_time, context),
        context.aws_request_id,
    )


def close(settings: AuditSettings) -> Close:
    from routing_weights.adapters.aws.patrol_table import Patrols
    from routing_weights.application.close import Close

    return Close(
        documents(settings),
        trail(settings, settings.locks_table),
        Patrols(settings.drift_table),
        one_time_schedules(settings.one_time_group),
    )


def unblock(settings: RecoverSettings, recover_state_machine_arn: str) -> Unblock:
    from routing_weights.adapters.aws.locks_table import Locks
    from routing_weights.adapters.aws.recoveries import EndedExecutions, Recoveries
    from routing_weights.application.recover import Unblock

    return Unblock(Locks(settings.locks_table), EndedExecutions(), Recoveries(recover_state_machine_arn))


def recover(settings: RecoverSettings, recover_state_machine_arn: str) -> Recover:
    from routing_weights.adapters.aws.locks_table import Locks
    from routing_weights.adapters.aws.recoveries import EndedExecutions, Recoveries
    from routing_weights.application.recover import Recover

    return Recover(
        trail(settings), Locks(settings.locks_table), EndedExecutions(), Recoveries(recover_state_machine_arn)
    )


def sweep(settings: SweepSettings) -> Sweep:
    from routing_weights.adapters.aws.locks_table import Locks
    from routing_weights.adapters.aws.recoveries import EndedExecutions, Recoveries
    from routing_weights.application.recover import Sweep

    return Sweep(
        trail(settings),
        Locks(settings.locks_table),
        EndedExecutions(settings.state_machine_arn),
        Recoveries(settings.recover_state_machine_arn),
    )


def _settling(settings: VerifySettings | PatchSettings | RestoreSettings) -> Settling:
    from routing_weights.domain.verify import Settling

    return Settling(settings.verify_timeout_s, time.monotonic, time.sleep)


def _reconnect(
    settings: GenesysCaller,
    context: LambdaContext,
    run: Run,
    locks_table: str = "",
    holder: str = "",
    *,
    restoring: bool = False,
) -> Reconnect:
    """Opens Genesys for what was decided. With a `holder`, it writes only while that execution holds the lock."""
    from routing_weights.adapters.aws.locks_table import fence

    guard = fence(locks_table, run.queue_id, holder) if holder else None
    return partial(decided, settings, context, run, fence=guard, restoring=restoring)


# ---- drift, and messages in and out ----------------------------------------------------------------------------------


def detect_drift(settings: DriftSettings, context: LambdaContext) -> DetectDrift:
    from routing_weights.adapters.aws.locks_table import Locks
    from routing_weights.adapters.aws.patrol_table import Patrols
    from routing_weights.application.detect_drift import PATROL_PATIENCE_S, CompareQueue, DetectDrift

    compare = CompareQueue(
        trail(settings),
        Locks(settings.locks_table),
        drift_entries(settings.drift_table),
        documents(settings),
        partial(decided, settings, context),
        answer_drift(settings).answer,
    )
    on_patrol = replace(compare, connect=partial(decided, settings, context, patience_s=PATROL_PATIENCE_S))
    return DetectDrift(
        compare.compare,
        on_patrol.compare,
        Patrols(settings.drift_table),
        change_queue(settings.webhook_queue),
        _readings_ms(),
        partial(has_time, context),
        partial(datetime.now, UTC),
    )


def answer_drift(settings: DriftSettings) -> AnswerDrift:
    from routing_weights.adapters.aws.event_bus import Bus
    from routing_weights.application.answer_drift import AnswerDrift

    return AnswerDrift(
        drift_entries(settings.drift_table),
        documents(settings),
        submit(settings),
        change_queue(settings.webhook_queue),
        Bus(settings.outgoing_bus),
        settings.max_repairs_per_hour,
        settings.repair_after_s,
    )


@cache
def _readings_ms() -> dict[str, int]:
    """Of the process: see DetectDrift."""
    return {}


def patrol(settings: PatrolSettings) -> Patrol:
    from routing_weights.adapters.aws.patrol_table import Patrols
    from routing_weights.application.patrol import Patrol

    return Patrol(
        Patrols(settings.drift_table),
        change_queue(settings.webhook_queue),
        settings.drift_patrol_minutes,
        settings.requests_per_minute * (1 - settings.reserved_for_others),
    )


def change_queue(url: str) -> ChangeQueue:
    from routing_weights.adapters.aws.queues import ChangeQueue

    return ChangeQueue(url)


def receive_webhook(settings: WebhookSettings) -> ReceiveWebhook:
    from routing_weights.adapters.aws.webhook_inbox import Deliveries
    from routing_weights.application.receive_webhook import ReceiveWebhook

    return ReceiveWebhook(
        _webhook_secrets(settings.webhook_secret),
        Deliveries(settings.deliveries_table),
        change_queue(settings.webhook_queue),
        settings.webhook_bearer == "on",
    )


@cache
def _webhook_secrets(secret_id: str) -> WebhookSecrets:
    from routing_weights.adapters.aws.secrets import JsonSecret, WebhookSecrets

    return WebhookSecrets(JsonSecret(secret_id))


def publish_outcomes(settings: OutcomesSettings) -> PublishOutcomes:
    from routing_weights.adapters.aws.audit_table import AuditTrail
    from routing_weights.adapters.aws.documents import Documents
    from routing_weights.adapters.aws.event_bus import Bus
    from routing_weights.adapters.aws.queues import DeadLetters
    from routing_weights.application.publish import PublishOutcomes

    stream = AuditTrail(settings.audit_table, Documents(settings.documents_bucket))
    return PublishOutcomes(stream, Bus(settings.outgoing_bus), DeadLetters(settings.outcome_dead_letters))


def republish_outcomes(settings: OutcomesSettings) -> RepublishOutcomes:
    from routing_weights.adapters.aws.event_bus import Bus
    from routing_weights.application.publish import RepublishOutcomes

    return RepublishOutcomes(trail(settings), Bus(settings.outgoing_bus))


def deliver_outcomes(settings: OutgoingSettings) -> DeliverOutcomes:
    from routing_weights.adapters.aws.queues import DeadLetters, Queue
    from routing_weights.application.deliver import DeliverOutcomes

    return DeliverOutcomes(
        _receiver(settings.outgoing_webhook_url) if settings.outgoing_webhook_url else None,
        _webhook_secrets(settings.outgoing_secret),
        Queue(settings.outgoing_queue),
        DeadLetters(settings.outgoing_dead_letters),
    )


@cache
def _receiver(url: str) -> Receiver:
    from routing_weights.adapters.http.webhook_sender import Receiver

    return Receiver(url, _session())


def measure(settings: CalibrateSettings, context: LambdaContext) -> Measure:
    from routing_weights.application.measure import Measure

    return Measure(
        trail(settings),
        executions(settings.state_machine_arn),
        analytics(settings, context),
        partial(has_time, context),
    )


# ---- Genesys ---------------------------------------------------------------------------------------------------------


@cache
def _session() -> requests.Session:
    """One connection pool per process."""
    from routing_weights.adapters.genesys.transport import new_session

    return new_session()


@cache
def _tokens(settings: GenesysCaller) -> StoredTokens:
    from routing_weights.adapters.aws.secrets import JsonSecret, TokenFunction
    from routing_weights.adapters.genesys.tokens import StoredTokens

    return StoredTokens(JsonSecret(settings.token_secret), TokenFunction(settings.token_function).refresh)


def _tokens_for(settings: GenesysCaller, transport: Transport) -> StoredTokens:
    """The process's tokens, waited for no longer than this invocation may work."""
    tokens = _tokens(settings)
    tokens.until = transport.deadline.at
    return tokens


@cache
def _budget(settings: GenesysCaller) -> RequestBudget | None:
    """Named by the token's secret: a deployment has one OAuth client, and one secret for its token."""
    if not settings.requests_per_minute:
        return None
    from routing_weights.adapters.aws.budget_table import RequestBudget

    return RequestBudget(
        settings.budget_table, settings.token_secret, settings.requests_per_minute, settings.reserved_for_others
    )


def remaining_s(context: LambdaContext) -> float:
    return context.get_remaining_time_in_millis() / 1000


def deadline(context: LambdaContext, run: Run | None = None, *, restoring: bool = False) -> Deadline:
    from routing_weights.adapters.genesys.transport import Deadline

    at = time.monotonic() + remaining_s(context) - RESERVE_S
    if run is None:
        return Deadline(at)
    since = run.started_at.timestamp()
    return Deadline(at, since + (MAX_RESTORE_S if restoring else MAX_RUN_S), since, insists=restoring)


def has_time(context: LambdaContext) -> bool:
    """True while this invocation can begin one more write and still finish it in order."""
    return remaining_s(context) > 2 * RESERVE_S


def contract(
    settings: GenesysCaller,
    context: LambdaContext,
    run: Run,
    actuation: Actuation,
    fence: Callable[[], None] | None = None,
    *,
    restoring: bool = False,
    patience_s: float | None = None,
) -> Genesys:
    """The deployment's contract for one plan, authorised, with the time that `context` and `run` leave.

    `fence` raises when the run must not write any more: see Transport. `patience_s` replaces the deployment's longest
    pause that is slept.
    """
    from routing_weights.adapters.genesys.client import GenesysClient
    from routing_weights.adapters.genesys.transport import Transport

    until = deadline(context, run, restoring=restoring)
    patience = settings.max_retry_after_s if patience_s is None else patience_s
    transport = Transport(_session(), until, patience, budget=_budget(settings), fence=fence)
    if settings.genesys_contract == "platform":
        from routing_weights.adapters.genesys.contracts import platform

        client = GenesysClient(settings.api_url, _tokens_for(settings, transport), transport, platform.needs)
        return platform.PlatformContract(client, actuation)
    from routing_weights.adapters.genesys.contracts import score

    client = GenesysClient(settings.api_url, _tokens_for(settings, transport), transport, score.needs)
    return score.ScoreContract(client, actuation)


def decided(
    settings: GenesysCaller,
    context: LambdaContext,
    run: Run,
    decision: Decision,
    fence: Callable[[], None] | None = None,
    *,
    restoring: bool = False,
    patience_s: float | None = None,
) -> Genesys:
    """The contract for what was decided before.

    Raises:
        PlanNotApplicable: the deployment speaks another contract by now.
    """
    decision.require_contract(settings.genesys_contract)
    return contract(settings, context, run, decision.actuation, fence, restoring=restoring, patience_s=patience_s)


def analytics(settings: GenesysCaller, context: LambdaContext, run: Run | None = None) -> Analytics | None:
    """What Genesys knows of a queue's load; None under contract `score`, which knows nothing of it.

    It gets some seconds and no more: a projection goes on without it.
    """
    if settings.genesys_contract != "platform":
        return None
    from routing_weights.adapters.genesys.analytics import Analytics
    from routing_weights.adapters.genesys.client import GenesysClient
    from routing_weights.adapters.genesys.contracts import platform
    from routing_weights.adapters.genesys.transport import Transport

    until = deadline(context, run)
    until = replace(until, at=min(until.at, time.monotonic() + ANALYTICS_S))
    transport = Transport(_session(), until, settings.max_retry_after_s, budget=_budget(settings))
    return Analytics(GenesysClient(settings.api_url, _tokens_for(settings, transport), transport, platform.needs))


def teardown(context: LambdaContext) -> Callable[[dict[str, Any]], bool]:
    """Answers CloudFormation. The settings are read when they are needed: it gets an answer even if they are wrong."""
    from routing_weights.adapters.genesys.teardown import answer
    from routing_weights.settings import TokenSettings

    return partial(answer, revoke=lambda: issuer(TokenSettings.load(), context).tear_down())


def issuer(settings: TokenSettings, context: LambdaContext) -> TokenIssuer:
    from routing_weights.adapters.aws.login_lock import LoginLock
    from routing_weights.adapters.aws.secrets import JsonSecret
    from routing_weights.adapters.genesys.contracts import platform, score
    from routing_weights.adapters.genesys.tokens import TokenIssuer
    from routing_weights.adapters.genesys.transport import Transport

    ask = platform.token_request if settings.genesys_contract == "platform" else score.token_request

    def token_request() -> TokenRequest:
        return ask(settings.login_url, *settings.credentials(JsonSecret(settings.credentials_secret).read()))

    return TokenIssuer(
        secret=JsonSecret(settings.token_secret),
        transport=Transport(_session(), deadline(context), settings.max_retry_after_s),
        token_request=token_request,
        revoke_url=f"{settings.api_url}/api/v2/tokens/me",
        revoke_refused=settings.genesys_contract == "score",
        lock=LoginLock(settings.budget_table, f"login:{settings.token_secret}", remaining_s(context)),
    )
