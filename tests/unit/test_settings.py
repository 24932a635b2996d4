"""Settings are checked once, and what is wrong is named without its value."""

import pytest

from routing_weights.errors import ConfigurationInvalid
from routing_weights.settings import Audited, PlansSettings, ProjectSettings, Settings, TokenSettings, VerifySettings

ENVIRONMENT = {
    "AUDIT_TABLE": "audit",
    "CREDENTIALS_SECRET": "credentials",
    "DEFAULT_PROJECTED_LOAD": "1.5",
    "DOCUMENTS_BUCKET": "documents",
    "FORECAST_TABLE": "forecasts",
    "GENESYS_BASE_URL": "https://genesys.example.com/",
    "GENESYS_CONTRACT": "score",
    "GENESYS_LOGIN_URL": "",
    "MAX_RETRY_AFTER_S": "5",
    "SATURATION_LIMIT": "0.95",
    "STATE_MACHINE_ARN": "arn:machine",
    "TOKEN_FUNCTION": "token-function",
    "TOKEN_SECRET": "token",
    "VERIFY_TIMEOUT_S": "15",
}
ALL = [Audited, PlansSettings, ProjectSettings, TokenSettings, VerifySettings]


@pytest.fixture
def load(monkeypatch):
    """Load settings from ENVIRONMENT with changes; None takes a variable away."""

    def load(model, **changes):
        for name, value in (ENVIRONMENT | changes).items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        forget()
        return model.load()

    yield load
    forget()


def forget():
    Settings.load.__func__.cache_clear()


@pytest.mark.parametrize("model", ALL)
def test_a_whole_environment_is_accepted(load, model):
    assert load(model)


def test_numbers_and_addresses_are_read_from_text(load):
    settings = load(ProjectSettings)
    assert (settings.saturation_limit, settings.default_projected_load, settings.max_retry_after_s) == (0.95, 1.5, 5.0)
    assert settings.genesys_base_url == "https://genesys.example.com"


@pytest.mark.parametrize("value", ["", None])
def test_without_a_default_load_there_is_none(load, value):
    assert load(ProjectSettings, DEFAULT_PROJECTED_LOAD=value).default_projected_load is None


def test_a_default_load_of_zero_is_a_load(load):
    assert load(ProjectSettings, DEFAULT_PROJECTED_LOAD="0").default_projected_load == 0.0


@pytest.mark.parametrize("model", ALL)
def test_every_variable_that_is_missing_is_named(load, model):
    required = {name.upper() for name, field in model.model_fields.items() if field.is_required()}
    with pytest.raises(ConfigurationInvalid) as caught:
        load(model, **dict.fromkeys(ENVIRONMENT))
    assert all(f"{name} (" in caught.value.message for name in required)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GENESYS_CONTRACT", "s3cret-dialect"),
        ("GENESYS_BASE_URL", "https://user:s3cret@genesys.example.com"),
        ("GENESYS_BASE_URL", "ftp://s3cret"),
        ("GENESYS_BASE_URL", "https://genesys.example.com/?token=s3cret"),
        ("GENESYS_BASE_URL", "https://genesys.example.com/#s3cret"),
        ("GENESYS_BASE_URL", ""),
        ("MAX_RETRY_AFTER_S", "s3cret"),
        ("MAX_RETRY_AFTER_S", "-1"),
        ("SATURATION_LIMIT", "0"),
        ("SATURATION_LIMIT", "1.01"),
        ("DEFAULT_PROJECTED_LOAD", "s3cret"),
    ],
)
def test_a_variable_that_is_wrong_is_named_without_its_value(load, name, value):
    with pytest.raises(ConfigurationInvalid) as caught:
        load(ProjectSettings, **{name: value})
    assert f"{name} (" in caught.value.message
    assert "s3cret" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_all_wrong_variables_are_named_at_once(load):
    with pytest.raises(ConfigurationInvalid, match=r"SATURATION_LIMIT .*|MAX_RETRY_AFTER_S .*") as caught:
        load(ProjectSettings, SATURATION_LIMIT="2", MAX_RETRY_AFTER_S="-1", TOKEN_SECRET=None)
    assert all(name in caught.value.message for name in ("SATURATION_LIMIT", "MAX_RETRY_AFTER_S", "TOKEN_SECRET"))


def test_settings_are_read_once_per_process_and_model(load, monkeypatch):
    first = load(Audited)
    monkeypatch.setenv("AUDIT_TABLE", "another")
    assert Audited.load() is first
    assert PlansSettings.load().audit_table == "another"


@pytest.mark.parametrize(
    ("login", "url"),
    [
        ("", "https://genesys.example.com"),
        (None, "https://genesys.example.com"),
        ("https://login.example.com/", "https://login.example.com"),
    ],
)
def test_tokens_are_issued_at_the_login_address_or_else_at_the_base(load, login, url):
    assert load(TokenSettings, GENESYS_LOGIN_URL=login).login_url == url


def test_client_credentials_are_taken_from_the_secret(load):
    secret = {"client_id": "id", "client_secret": "s", "note": "x"}
    assert load(TokenSettings).credentials(secret) == ("id", "s")


@pytest.mark.parametrize(
    "secret",
    [
        {},
        {"client_id": "id-1"},
        {"client_secret": "s3cret"},
        {"client_id": "", "client_secret": "s3cret"},
        {"client_id": "id-1", "client_secret": ""},
        {"client_id": 7, "client_secret": "s3cret"},
        {"client_id": "id-1", "client_secret": ["s3cret"]},
    ],
)
def test_a_secret_without_client_credentials_says_what_to_put_into_it(load, secret):
    with pytest.raises(ConfigurationInvalid, match=r"CredentialsSecret holds no client credentials\. Put ") as caught:
        load(TokenSettings).credentials(secret)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("url", ["login.example.com", "ftp://login.example.com", "https://user:s3cret@example.com"])
def test_a_login_address_is_checked_like_the_base_and_not_shown(load, url):
    with pytest.raises(ConfigurationInvalid, match="GENESYS_LOGIN_URL") as caught:
        load(TokenSettings, GENESYS_LOGIN_URL=url)
    assert url not in caught.value.message


@pytest.mark.parametrize("erlangs", ["-1", "nan", "inf"])
def test_a_default_load_is_a_finite_number_of_at_least_0(load, erlangs):
    with pytest.raises(ConfigurationInvalid, match="DEFAULT_PROJECTED_LOAD"):
        load(ProjectSettings, DEFAULT_PROJECTED_LOAD=erlangs)
