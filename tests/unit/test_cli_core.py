"""The command line's core: where the API is, who calls it, what an error says, names, local times and output."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from routing_weights_cli import config, times
from routing_weights_cli.api import Api
from routing_weights_cli.app import Session
from routing_weights_cli.errors import CliError, Exit, ProblemError
from routing_weights_cli.main import main
from routing_weights_cli.names import AmbiguousNameError, Names, Near, UnknownNameError
from routing_weights_cli.out import Out, escaped, plain, unescaped
from tests.support.cli import FakeApi, answer

DEPLOYED = "https://abc.execute-api.eu-central-1.amazonaws.com"
SIGNING_KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example"}


def listens(*addresses):
    return lambda address: address in addresses


# ---- where, and who --------------------------------------------------------------------------------------------------


def test_an_option_wins_over_a_variable_and_the_variable_over_the_embedded_stack():
    environ = {config.API: "https://variable.example/"}
    assert config.resolve("https://option.example", None, environ).api == "https://option.example"
    assert config.resolve(None, None, environ).api == "https://variable.example"
    embedded = config.resolve(None, None, {}, listens(config.EMBEDDED))
    assert (embedded.api, embedded.auth) == (config.EMBEDDED, "none")


def test_without_any_api_the_error_says_what_to_set():
    with pytest.raises(CliError) as refused:
        config.resolve(None, None, {}, listens())
    assert config.API in refused.value.remedy


def test_a_genesys_token_goes_to_the_api_for_people_and_a_profile_wins_over_it():
    environ = {config.GENESYS_TOKEN: "secret"}
    people = config.resolve(None, None, environ, listens(config.EMBEDDED, config.EMBEDDED_FOR_PEOPLE))
    assert (people.api, people.auth, people.token) == (config.EMBEDDED_FOR_PEOPLE, "token", "secret")
    assert "secret" not in repr(people)
    assert config.resolve(DEPLOYED, "planner", environ).auth == "aws"


@pytest.mark.parametrize(
    "address", ["http://api.example", "ftp://api.example", "api.example", "https://u:p@api.example"]
)
def test_credentials_are_not_sent_to_an_unsafe_address(address):
    with pytest.raises(CliError):
        config.resolve(address, None, {config.TOKEN: "secret"})


def test_requests_are_signed_for_execute_api_in_the_region_of_the_host(monkeypatch):
    for name, value in SIGNING_KEYS.items():
        monkeypatch.setenv(name, value)
    fake = FakeApi(lambda _: answer(200, {"items": []}))
    Api(config.resolve(DEPLOYED, None, {}), session=fake.session).get("/queues", name="a b&c")
    sent = fake.requests[0]
    assert "/eu-central-1/execute-api/aws4_request" in sent.headers["Authorization"]
    assert sent.url == f"{DEPLOYED}/queues?name=a%20b%26c"


def test_a_token_is_sent_as_bearer_and_a_redirect_does_not_take_it_elsewhere():
    fake = FakeApi(lambda _: answer(302, {}, Location="https://elsewhere.example/"))
    api = Api(config.Config(DEPLOYED, "token", "secret"), session=fake.session)
    with pytest.raises(ProblemError):
        api.get("/queues")
    assert [(r.url, r.headers["Authorization"]) for r in fake.requests] == [(f"{DEPLOYED}/queues", "Bearer secret")]


# ---- requests --------------------------------------------------------------------------------------------------------


def api_that(*answers):
    """A client whose requests get these answers, and the pauses that it makes."""
    script, pauses = list(answers), []
    fake = FakeApi(lambda _: script.pop(0) if len(script) > 1 else script[0])
    return Api(config.Config("http://127.0.0.1:3000", "none"), fake.session, pauses.append), fake, pauses


def test_a_repeated_post_has_the_same_key_and_waits_as_long_as_it_is_told():
    api, fake, pauses = api_that(answer(429, {}, **{"Retry-After": "7"}), answer(503, {}), answer(202, {"a": 1}))
    assert api.post("/plans", {"queue_id": "q"}) == {"a": 1}
    assert len({request.headers["Idempotency-Key"] for request in fake.requests}) == 1
    assert pauses == [7.0, 1.0]


def test_a_request_that_nobody_answers_is_given_up_with_a_sentence():
    api, _, pauses = api_that(requests.ConnectionError("no"))
    with pytest.raises(CliError, match="does not answer") as refused:
        api.get("/queues")
    assert "make up" in refused.value.remedy
    assert len(pauses) == 4


def test_a_problem_keeps_every_error_and_the_words_of_the_api():
    errors = [{"path": "member_weights.a", "message": "is not a member", "type": "member_unknown"}]
    problem = {"type": "/problems/plan-invalid", "title": "t", "status": 422, "detail": "No.", "errors": errors}
    api, _, _ = api_that(answer(422, problem))
    with pytest.raises(ProblemError) as refused:
        api.post("/plans", {})
    assert (refused.value.message, refused.value.remedy, refused.value.errors) == ("No.", "", errors)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_of_the_gateway_itself_says_what_to_do(status):
    api, _, _ = api_that(answer(status, {"message": "Forbidden"}))
    with pytest.raises(ProblemError) as refused:
        api.get("/queues")
    assert refused.value.remedy


def test_an_address_that_is_something_else_is_named():
    page = answer(200, {})
    page._content = b"<html>"
    api, _, _ = api_that(page)
    with pytest.raises(CliError, match="is not this API"):
        api.get("/queues")


def test_pages_are_read_to_the_end_or_to_the_limit():
    def page(request):
        return answer(200, {"items": [1, 2], "next": "more"} if "next=" not in request.url else {"items": [3]})

    fake = FakeApi(page)
    api = Api(config.Config("http://127.0.0.1:3000", "none"), fake.session)
    assert list(api.pages("/queues")) == [1, 2, 3]
    assert list(api.pages("/queues", most=1)) == [1]


def test_a_distribution_is_followed_until_it_ends_or_waits_for_a_person():
    begun = {"terminal": False, "approval": None}
    api, _, pauses = api_that(answer(200, begun), answer(200, begun), answer(200, begun | {"terminal": True}))
    assert [record["terminal"] for record in api.follow("d")] == [False, False, True]
    assert len(pauses) == 2
    api, _, _ = api_that(answer(200, begun), answer(200, begun | {"approval": {"state": "waiting"}}))
    assert [bool(record["approval"]) for record in api.follow("d")] == [False, True]


# ---- names -----------------------------------------------------------------------------------------------------------


MEMBERS = [
    {"user_id": "agent-001", "name": "Ana Ruiz", "email": "ana.ruiz@example.com"},
    {"user_id": "agent-002", "name": "Bo Lind", "email": "bo.lind@example.com"},
    {"user_id": "agent-003", "name": "Bo Lind", "email": "bo.lind2@example.com"},
]


def names_of(*lines, members=MEMBERS):
    def reply(request):
        path, _, query = request.url.removeprefix("http://127.0.0.1:3000").partition("?")
        if path == "/queues":
            part = dict(item.split("=") for item in query.split("&")).get("name", "").replace("%20", " ").casefold()
            return answer(200, {"items": [line for line in lines if part in line["name"].casefold()], "next": None})
        if path.endswith("/members"):
            return answer(200, {"items": members})
        line = next((line for line in lines if path == f"/queues/{line['queue_id']}"), None)
        return answer(200, line) if line else answer(404, {"detail": "none"})

    fake = FakeApi(reply)
    return Names(Api(config.Config("http://127.0.0.1:3000", "none"), fake.session)), fake


SUPPORT, SALES = {"queue_id": "q-1", "name": "Support"}, {"queue_id": "q-2", "name": "Support sales"}


def test_a_queue_is_found_by_its_name_in_any_case_or_by_its_id_and_asked_for_once():
    names, fake = names_of(SUPPORT, SALES)
    assert [names.queue(text)["queue_id"] for text in ("support", " Support ", "q-2")] == ["q-1", "q-1", "q-2"]
    asked = len(fake.requests)
    names.queue("SUPPORT")
    assert len(fake.requests) == asked


def test_a_name_of_two_queues_needs_a_person():
    names, _ = names_of(SUPPORT, SUPPORT | {"queue_id": "q-9", "division": "North"})
    with pytest.raises(AmbiguousNameError) as refused:
        names.queue("Support")
    assert refused.value.exit_code == Exit.NEEDS_A_PERSON
    assert "q-9 (North)" in refused.value.remedy


def test_an_unknown_queue_has_near_names():
    names, _ = names_of(SUPPORT, SALES)
    with pytest.raises(UnknownNameError) as refused:
        names.queue("Suport")
    assert refused.value.remedy == "Did you mean Support?"


def test_a_member_is_found_by_address_name_or_id_and_two_of_one_name_are_an_error():
    names, _ = names_of(SUPPORT)
    found = [names.member(SUPPORT, text)["user_id"] for text in ("ANA.RUIZ@example.com", "ana  ruiz", "agent-003")]
    assert found == ["agent-001", "agent-001", "agent-003"]
    with pytest.raises(AmbiguousNameError, match="2 members of Support have the name Bo Lind") as refused:
        names.member(SUPPORT, "Bo Lind")
    assert "bo.lind2@example.com" in refused.value.remedy
    with pytest.raises(UnknownNameError) as unknown:
        names.member(SUPPORT, "anna.ruiz@example.com")
    assert unknown.value.suggestions == ("ana.ruiz@example.com",)


def test_ids_in_sentences_become_names_and_paths_stay():
    names, _ = names_of(SUPPORT)
    names.queue("Support")
    names.members("q-1")
    text = "Queue q-1: agent-001, agent-0011, /queues/q-1/members/agent-001."
    assert names.in_words(text) == "Queue Support: Ana Ruiz, agent-0011, /queues/q-1/members/agent-001."


def test_names_that_share_nothing_are_not_suggested():
    assert Near(["Support", "Sales"]).to("Wombat") == []


# ---- times -----------------------------------------------------------------------------------------------------------


BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 3, 28, 11, tzinfo=UTC)
"""12:00 in Berlin, the day before the clocks go forward."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18:00", "2026-03-28T17:00:00Z"),
        ("2026-03-29 18:00", "2026-03-29T16:00:00Z"),
        ("2026-03-29T18:00+02:00", "2026-03-29T16:00:00Z"),
        ("90m", "2026-03-28T12:30:00Z"),
        ("2h30m", "2026-03-28T13:30:00Z"),
    ],
)
def test_a_local_time_is_an_instant(text, expected):
    assert times.sent(times.instant(text, BERLIN, NOON)) == expected


@pytest.mark.parametrize(
    ("text", "sentence", "remedy"),
    [
        ("2026-03-29 02:30", "never", "2026-03-29T01:30+01:00 or 2026-03-29T03:30+02:00"),
        ("2026-10-25 02:30", "twice", "2026-10-25T02:30+02:00 or 2026-10-25T02:30+01:00"),
        ("11:00", "is over", "2026-03-29 11:00"),
        ("25:00", "not a time", "18:00"),
        ("2026-03-29", "without a time", "18:00"),
        ("soon", "not a time", "18:00"),
        ("", "not a time", "18:00"),
    ],
)
def test_a_time_that_is_over_or_that_clocks_show_twice_or_never_is_refused(text, sentence, remedy):
    with pytest.raises(CliError, match=sentence) as refused:
        times.instant(text, BERLIN, NOON)
    assert remedy in refused.value.remedy


def test_the_zone_is_named_by_option_variable_or_machine(tmp_path):
    folder = tmp_path / "zoneinfo" / "Asia"
    folder.mkdir(parents=True)
    (folder / "Tokyo").touch()
    (tmp_path / "localtime").symlink_to(folder / "Tokyo")
    machine = tmp_path / "localtime"
    assert times.zone_of("Europe/Berlin", {"TZ": "UTC"}, machine).key == "Europe/Berlin"
    assert times.zone_of(None, {config.ZONE: "America/Lima", "TZ": "UTC"}, machine).key == "America/Lima"
    assert times.zone_of(None, {"TZ": ":UTC"}, machine).key == "UTC"
    assert times.zone_of(None, {}, machine).key == "Asia/Tokyo"
    with pytest.raises(CliError):
        times.zone_of("Mars/Base", {}, machine)


# ---- output ----------------------------------------------------------------------------------------------------------


@given(st.text())
def test_an_escaped_cell_is_no_formula_and_gives_its_text_back(text):
    assert not escaped(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unescaped(escaped(text)) == text


def test_control_characters_never_reach_the_terminal(capsys):
    assert plain("a\x1b[31mred\u202e\x9b") == "a\ufffd[31mred\ufffd\ufffd"
    Out().table([{"name": "[red]x[/red]\x1b]0;t\x07"}], ["name"])
    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    assert "\x1b" not in shown


def test_a_table_is_also_json_with_whole_rows_and_csv_with_escaped_cells(capsys):
    rows = [{"name": "=1+1", "n": 3, "more": [1]}]
    Out("json").table(rows, ["name"])
    assert json.loads(capsys.readouterr().out) == rows
    Out("csv").table(rows, ["name", "n", "more"])
    assert capsys.readouterr().out == "name,n,more\r\n'=1+1,3,[1]\r\n"


# ---- the program -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["queues", "--no"], ["nothing"], ["queues", "--output", "xml"], ["-o", "json", "x"]]
)
def test_wrong_usage_is_refused_with_a_sentence(arguments, capsys):
    assert main(arguments, Session(environ={})) == Exit.REFUSED
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert "Traceback" not in error


def test_options_of_every_command_may_stand_before_and_after_its_name(capsys, monkeypatch):
    fake = FakeApi(lambda _: answer(200, {"items": [], "next": None}))
    monkeypatch.setattr(requests, "Session", lambda: fake.session)
    for arguments in (["-o", "json", "queues"], ["queues", "-o", "json"]):
        assert main([*arguments, "--api", "http://127.0.0.1:9"], Session(environ={})) == 0
        assert json.loads(capsys.readouterr().out) == []
