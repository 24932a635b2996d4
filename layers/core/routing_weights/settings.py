"""One settings model per function, read from its environment once per process. template.yaml sets every variable."""

import os
from functools import cache
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from routing_weights.errors import ConfigurationInvalid

OptionalErlangs = Annotated[
    Annotated[float, Field(ge=0, allow_inf_nan=False)] | None, BeforeValidator(lambda value: value or None)
]
"""A number, or None for an empty variable (CloudFormation has no absent parameters)."""
BaseUrl = Annotated[str, BeforeValidator(lambda value: str(value).rstrip("/")), Field(pattern=r"^https?://[^\s@?#]+$")]


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    @cache
    def load(cls) -> Self:
        """From the environment; raises ConfigurationInvalid naming each variable that is wrong, never its value."""
        try:
            return cls.model_validate({name.lower(): value for name, value in os.environ.items()})
        except ValidationError as error:
            wrong = ", ".join(f"{e['loc'][0]}".upper() + f" ({e['msg']})" for e in error.errors(include_input=False))
            raise ConfigurationInvalid(f"The function's environment is wrong: {wrong}.") from None


class Documented(Settings):
    documents_bucket: str


class Audited(Documented):
    audit_table: str


class Genesys(Settings):
    genesys_contract: Literal["score"]
    genesys_base_url: BaseUrl
    max_retry_after_s: float = Field(ge=0)
    token_secret: str


class GenesysCaller(Documented, Genesys):
    token_function: str


class PlansSettings(Audited):
    state_machine_arn: str


class ProjectSettings(GenesysCaller):
    forecast_table: str
    saturation_limit: float = Field(gt=0, le=1)
    default_projected_load: OptionalErlangs = None


class VerifySettings(GenesysCaller):
    verify_timeout_s: float = Field(ge=0)


class TokenSettings(Genesys):
    genesys_login_url: BaseUrl | Literal[""] = ""
    credentials_secret: str

    @property
    def login_url(self) -> str:
        return self.genesys_login_url or self.genesys_base_url

    def credentials(self, secret: dict[str, Any]) -> tuple[str, str]:
        """(client id, client secret) from the secret's value."""
        client_id, client_secret = secret.get("client_id"), secret.get("client_secret")
        if not (isinstance(client_id, str) and client_id and isinstance(client_secret, str) and client_secret):
            raise ConfigurationInvalid(
                'CredentialsSecret holds no client credentials. Put {"client_id": ..., "client_secret": ...} into it.'
            )
        return client_id, client_secret
