"""Settings are checked once. An error names the wrong variable, but not its value."""

import pytest

from routing_weights.domain.actuators import names_for
from routing_weights.domain.regions import DOMAINS
from routing_weights.errors import ConfigurationInvalid
from routing_weights.projection.checks import Limits
from routing_weights.settings import (
    Audited,
    CalibrateSettings,
    DriftSettings,
    Genesys,
    OutcomesSettings,
    OutgoingSettings,
    PatchSettings,
    PlansSettings,
    ProjectSettings,
    RecoverSettings,
    RestoreSettings,
    RotateSettings,
    Settings,
    SweepSettings,
    TokenSettings,
    ValidateSettings,
    VerifySettings,
    WebhookSettings,
)
from tests.support.deployment import DEFAULTS

ENVIRONMENT = DEFAULTS | {
    "ACCESS_TABLE": "access",
    "AUDIT_TABLE": "audit",
    "CHAINS_TABLE": "chains",
    "BASELINES_TABLE": "baselines",
    "PLANS_TABLE": "plans",
    "BUDGET_TABLE": "budget",
    "CREDENTIALS_SECRET": "credentials",
    "DEFAULT_PROJECTED_LOAD": "1.5",
    "DELIVERIES_TABLE": "deliveries",
    "DOCUMENTS_BUCKET": "documents",
    "DRIFT_TABLE": "drift",
    "FORECAST_MAX_AGE_S": "3600",
    "FORECAST_SOURCES": "plan,pushed,default",
    "FORECAST_TABLE": "forecasts",
    "GENESYS_BASE_URL": "https://genesys.example.com/",
    "GENESYS_CONTRACT": "score",
    "LOCKS_TABLE": "locks",
    "ONE_TIME_GROUP": "one-time",
    "RECOVER_STATE_MACHINE_ARN": "arn:recover",
    "OUTCOME_DEAD_LETTERS": "https://sqs.example/dead",
    "OUTGOING_BUS": "outgoing",
    "OUTGOING_DEAD_LETTERS": "https://sqs.example/dead",
    "OUTGOING_QUEUE": "https://sqs.example/queue",
    "OUTGOING_SECRET": "outgoing",
    "REQUIRED_GATES": "service_level,occupancy",
    "SHARES_TABLE": "shares",
    "SKILLS_TABLE": "skills",
    "STATE_MACHINE_ARN": "arn:machine",
    "TOKEN_FUNCTION": "token-function",
    "TOKEN_SECRET": "token",
    "WEBHOOK_QUEUE": "https://sqs.example/queue",
    "WEBHOOK_SECRET": "webhooks",
    "WFM_BUSINESS_UNIT": "unit-1",
    "APPROVALS_TABLE": "approvals",
    "APPROVAL_TIMEOUT_S": "14400",
    "APPROVAL_POLICY": "[]",
    "CONSOLE_MAY_APPROVE": "false",
}
PLATFORM = {"GENESYS_CONTRACT": "platform", "GENESYS_BASE_URL": "", "GENESYS_REGION": "eu-central-1"}
ALL = [
    *(Audited, PatchSettings, PlansSettings, ProjectSettings, TokenSettings, ValidateSettings, VerifySettings),
    *(CalibrateSettings, RestoreSettings, RecoverSettings, RotateSettings, SweepSettings),
    *(DriftSettings, OutcomesSettings, OutgoingSettings, WebhookSettings),
]
CALLERS = [model for model in ALL if issubclass(model, Genesys)]


@pytest.fixture
def load(monkeypatch):
    """Load settings from ENVIRONMENT with changes. None removes a variable."""

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
def test_a_complete_environment_is_accepted(load, model):
    assert load(model)


def test_numbers_and_addresses_are_read_from_text(load):
    settings = load(ProjectSettings)
    assert (settings.saturation_limit, settings.default_projected_load, settings.max_retry_after_s) == (0.95, 1.5, 5.0)
    assert settings.genesys_base_url == "https://genesys.example.com"


def test_each_limit_has_a_variable_of_its_own(load):
    settings = load(ProjectSettings, SATURATION_LIMIT="0.91", MAX_ABANDONMENT="0.12", REQUIRED_GATES="occupancy")
    assert settings.limits == Limits(saturation=0.91, max_abandonment=0.12, required=frozenset({"occupancy"}))


@pytest.mark.parametrize("value", ["", None])
def test_without_a_default_load_there_is_none(load, value):
    assert load(ProjectSettings, DEFAULT_PROJECTED_LOAD=value).default_projected_load is None


def test_a_default_load_of_zero_is_a_load(load):
    assert load(ProjectSettings, DEFAULT_PROJECTED_LOAD="0").default_projected_load == 0.0


def test_forecast_sources_are_read_in_their_order(load):
    assert load(ProjectSettings, FORECAST_SOURCES="genesys_wfm,plan").forecast_sources == ("genesys_wfm", "plan")
    assert load(ProjectSettings, FORECAST_SOURCES=None).forecast_sources[0] == "plan"


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        ("plan,s3cret", "Input should be"),
        ("", "Input should be"),
        ("plan, default", "Input should be"),
        ("plan,pushed,plan", "named twice"),
        ("pushed,default", "plan must be among the sources"),
    ],
)
def test_unknown_forecast_sources_are_refused_and_not_shown(load, sources, why):
    with pytest.raises(ConfigurationInvalid, match=rf"FORECAST_SOURCES \(.*{why}") as caught:
        load(ProjectSettings, FORECAST_SOURCES=sources)
    assert "s3cret" not in repr(caught.value)


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
        ("GENESYS_REGION", "s3cret-1"),
        ("ACTUATOR", "score"),
        ("ACTUATOR", "s3cret"),
        ("SKILLS_TABLE", None),
        ("MAX_RETRY_AFTER_S", "s3cret"),
        ("MAX_RETRY_AFTER_S", "-1"),
        ("BUDGET_TABLE", None),
        ("REQUESTS_PER_MINUTE", "s3cret"),
        ("REQUESTS_PER_MINUTE", "-1"),
        ("REQUESTS_PER_MINUTE", "inf"),
        ("TOKEN_POOL", "0"),
        ("TOKEN_POOL", "11"),
        ("RESERVED_FOR_OTHERS", "-0.1"),
        ("RESERVED_FOR_OTHERS", "0.91"),
        ("SATURATION_LIMIT", "0"),
        ("SATURATION_LIMIT", "1.01"),
        ("DEFAULT_PROJECTED_LOAD", "s3cret"),
        ("FORECAST_MAX_AGE_S", "59"),
        ("FORECAST_MAX_AGE_S", "s3cret"),
        ("WFM_BUSINESS_UNIT", "s3cret/../x"),
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
def test_tokens_come_from_the_login_url_or_else_from_the_base_url(load, login, url):
    assert load(TokenSettings, GENESYS_LOGIN_URL=login).login_url == url


@pytest.mark.parametrize("url", ["login.example.com", "ftp://login.example.com", "https://user:s3cret@example.com"])
def test_a_wrong_login_url_is_refused_and_not_shown(load, url):
    with pytest.raises(ConfigurationInvalid, match="GENESYS_LOGIN_URL") as caught:
        load(TokenSettings, GENESYS_LOGIN_URL=url)
    assert url not in caught.value.message


@pytest.mark.parametrize("erlangs", ["-1", "nan", "inf"])
def test_a_default_load_is_a_finite_number_of_at_least_0(load, erlangs):
    with pytest.raises(ConfigurationInvalid, match="DEFAULT_PROJECTED_LOAD"):
        load(ProjectSettings, DEFAULT_PROJECTED_LOAD=erlangs)


# ---- where credentials and tokens go ---------------------------------------------------------------------------------

REGIONS = {
    "us-east-1": "mypurecloud.com",
    "us-east-2": "use2.us-gov-pure.cloud",
    "us-west-2": "usw2.pure.cloud",
    "ca-central-1": "cac1.pure.cloud",
    "mx-central-1": "mxc1.pure.cloud",
    "sa-east-1": "sae1.pure.cloud",
    "eu-west-1": "mypurecloud.ie",
    "eu-west-2": "euw2.pure.cloud",
    "eu-central-1": "mypurecloud.de",
    "eu-central-2": "euc2.pure.cloud",
    "eusc-de-east-1": "edee1.eusc-pure.cloud",
    "me-central-1": "mec1.pure.cloud",
    "ap-south-1": "aps1.pure.cloud",
    "ap-northeast-1": "mypurecloud.jp",
    "ap-northeast-2": "apne2.pure.cloud",
    "ap-northeast-3": "apne3.pure.cloud",
    "ap-southeast-1": "apse1.pure.cloud",
    "ap-southeast-2": "mypurecloud.com.au",
}
LOOPBACK = ["http://127.0.0.1:8080", "http://localhost:8080", "https://localhost"]
ELSEWHERE = [
    "https://s3cret.example.com",
    "https://api.mypurecloud.de.s3cret.example.com",
    "http://127.0.0.1.s3cret.example.com",
    "http://localhost.s3cret.example.com",
    "http://s3cret.localhost",
    "http://10.0.0.1/s3cret",
    "http://0.0.0.0/s3cret",
    "https://s3cret.example.com/127.0.0.1",
]


@pytest.mark.parametrize(("region", "domain"), REGIONS.items(), ids=REGIONS)
def test_a_region_has_its_hosts_for_the_api_and_for_tokens(load, region, domain):
    settings = load(TokenSettings, **PLATFORM | {"GENESYS_REGION": region})
    assert (settings.api_url, settings.login_url) == (f"https://api.{domain}", f"https://login.{domain}")


def test_every_region_is_one_of_genesys():
    assert DOMAINS.keys() == REGIONS.keys()


@pytest.mark.parametrize("region", ["eu-central-3", "EU-CENTRAL-1", " eu-central-1", "mypurecloud.de"])
def test_any_other_region_is_refused(load, region):
    with pytest.raises(ConfigurationInvalid, match=r"GENESYS_REGION \("):
        load(TokenSettings, **PLATFORM | {"GENESYS_REGION": region})


@pytest.mark.parametrize("url", LOOPBACK)
@pytest.mark.parametrize("region", ["", "eu-central-1"])
def test_under_platform_a_url_may_name_this_machine(load, url, region):
    settings = load(TokenSettings, **PLATFORM | {"GENESYS_REGION": region, "GENESYS_BASE_URL": url})
    assert (settings.api_url, settings.login_url) == (url, url)


@pytest.mark.parametrize("url", ELSEWHERE)
@pytest.mark.parametrize(
    ("model", "name"), [*((model, "GENESYS_BASE_URL") for model in CALLERS), (TokenSettings, "GENESYS_LOGIN_URL")]
)
def test_under_platform_any_other_url_is_refused_and_not_shown(load, model, name, url):
    with pytest.raises(ConfigurationInvalid, match="set GenesysRegion") as caught:
        load(model, **PLATFORM | {name: url})
    assert "s3cret" not in repr(caught.value)


@pytest.mark.parametrize("contract", ["platform", "score"])
@pytest.mark.parametrize("name", ["GENESYS_BASE_URL", "GENESYS_LOGIN_URL"])
@pytest.mark.parametrize(
    "url",
    [
        "http://[s3cret]",
        "http://[::1]:8080/s3cret",
        "http://127.0.0.1%2f.s3cret.example.com",
        "http://127.0.0.1\\.s3cret.example.com",
        "http://s3cret.example.com:port",
        "http://:8080/s3cret",
        "http:///s3cret",
        "http://127.0.0.1/s3cret\nx",
    ],
)
def test_a_url_without_a_plain_host_is_refused_and_not_shown(load, contract, name, url):
    with pytest.raises(ConfigurationInvalid, match=rf"{name} \(") as caught:
        load(TokenSettings, **PLATFORM | {"GENESYS_CONTRACT": contract, name: url})
    assert "s3cret" not in repr(caught.value)


def test_under_platform_one_wrong_url_is_enough_to_refuse_both(load):
    urls = {"GENESYS_BASE_URL": "http://127.0.0.1:8080", "GENESYS_LOGIN_URL": "https://login.example.com"}
    with pytest.raises(ConfigurationInvalid, match="set GenesysRegion"):
        load(TokenSettings, **PLATFORM | urls)


@pytest.mark.parametrize("empty", ["", None])
@pytest.mark.parametrize("login", ["", "http://127.0.0.1:8080"])
def test_under_platform_a_region_or_a_url_is_needed(load, empty, login):
    nowhere = {"GENESYS_REGION": empty, "GENESYS_BASE_URL": empty, "GENESYS_LOGIN_URL": login}
    with pytest.raises(ConfigurationInvalid, match=r"\(set GenesysRegion\)"):
        load(TokenSettings, **PLATFORM | nowhere)


@pytest.mark.parametrize("region", ["", "eu-central-1"])
@pytest.mark.parametrize("model", CALLERS)
def test_contract_score_needs_a_url_and_has_no_regions(load, model, region):
    with pytest.raises(ConfigurationInvalid, match=r"\(contract score needs GenesysBaseUrl\)"):
        load(model, GENESYS_BASE_URL="", GENESYS_REGION=region)


@pytest.mark.parametrize("name", ["GENESYS_BASE_URL", "GENESYS_LOGIN_URL"])
@pytest.mark.parametrize("url", ["http://s3cret.example.com", "http://127.0.0.1.s3cret.example.com"])
def test_under_score_credentials_are_sent_over_https_only(load, name, url):
    with pytest.raises(ConfigurationInvalid, match="use https") as caught:
        load(TokenSettings, **{name: url})
    assert "s3cret" not in repr(caught.value)


@pytest.mark.parametrize("url", LOOPBACK)
def test_under_score_this_machine_may_be_reached_without_https(load, url):
    assert load(TokenSettings, GENESYS_BASE_URL=url).api_url == url


# ---- the actuator of a deployment ------------------------------------------------------------------------------------


@pytest.mark.parametrize("actuator", names_for("platform"))
def test_the_parameter_names_the_deployments_actuator(load, actuator):
    assert load(ProjectSettings, **PLATFORM, ACTUATOR=actuator).deployed_actuator == actuator


def test_the_default_actuator_is_ring(load):
    assert load(ProjectSettings, **PLATFORM, ACTUATOR=None).deployed_actuator == "ring"


def test_under_score_the_actuator_is_always_score(load):
    assert load(ProjectSettings, ACTUATOR="joined").deployed_actuator == "score"


# ---- our own webhooks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "https://wfm.example.com/hooks/", *LOOPBACK])
def test_a_webhook_url_is_https_or_this_machine(load, url):
    assert load(OutgoingSettings, OUTGOING_WEBHOOK_URL=url).outgoing_webhook_url == url


@pytest.mark.parametrize("url", ["http://wfm.s3cret.com", "https://me:s3cret@wfm.com", "https://wfm.com?key=s3cret"])
def test_any_other_webhook_url_is_refused_and_not_shown(load, url):
    with pytest.raises(ConfigurationInvalid) as caught:
        load(OutgoingSettings, OUTGOING_WEBHOOK_URL=url)
    assert "s3cret" not in str(caught.value)
