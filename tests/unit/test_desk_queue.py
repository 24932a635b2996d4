"""The page of a queue: the editor, what it sends to the API, and that nothing that was typed is lost."""

from dataclasses import replace
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import numbers, rendering
from desk.drafts import Draft
from desk.pages import queue as page_of_queue
from desk.web import Request
from routing_weights.domain.session import Session
from routing_weights.errors import ApiRefused

HOSTILE = "<b onclick=alert(1)>Eve</b>"
IN_FORCE = {
    "distribution_id": "d-1",
    "applied_at": "2026-12-01T08:00:00.000Z",
    "by": "Pia Planner",
    "actuator": "ring",
    "skill": None,
    "member_weights": {"u-1": 0.125, "u-2": 0.5},
    "overflow_threshold": 0.85,
    "utilization_target": 0.8,
    "strategy_reference": "ring-by-weight",
    "until": None,
}
QUEUE = {
    "queue_id": "q-1",
    "name": "Support",
    "division": "Home",
    "members": 2,
    "last": None,
    "running": None,
    "drift": 0,
    "returns_at": None,
    "waiting": False,
    "evaluation": "6 bullseye rings",
    "in_force": IN_FORCE,
}
FORM = {
    "based_on": "d-1",
    "key": "key-1",
    "w:u-1": "12,5",
    "w:u-2": "50 %",
    "overflow_threshold": "85",
    "utilization_target": "80",
    "strategy_reference": "ring-by-weight",
    "projected_load": "",
}
PLAN = {
    "strategy_reference": "ring-by-weight",
    "member_weights": {"u-1": 0.125, "u-2": 0.5},
    "overflow_threshold": 0.85,
    "utilization_target": 0.8,
}


def member(user_id, name, **fields):
    shown = {"user_id": user_id, "name": name, "email": None, "joined": True, "on_queue": True, "active": True}
    return shown | {"holds": "ring 1"} | fields


class FakeApi:
    """Answers by path, and notes what is sent."""

    def __init__(self):
        self.sent = []
        self.answers = {
            "queues/q-1": QUEUE,
            "queues/q-1/members": {"items": [member("u-1", "Ada Abel"), member("u-2", HOSTILE)]},
            "queues/q-1/plans": {"items": [{"name": "Storm", "version": "f" * 32}]},
            "queues/q-1/plans/Storm": {"plan": PLAN | {"member_weights": {"u-1": 1}}},
            "plans": {"distribution_id": "d-2"},
            "distributions/d-2": {
                "distribution_id": "d-2",
                "terminal": False,
                "progress": {"state": "Project", "since": ""},
                "requested_weights": {"u-2": 0.25},
            },
        }

    def get(self, *path):
        return self._answer(path)

    def ask(self, method, *path, body=None, headers=None):
        self.sent.append((method, "/".join(path), body, headers or {}))
        return SimpleNamespace(body=self._answer(path) if method == "POST" else None)

    def _answer(self, path):
        answer = self.answers["/".join(path)]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def api():
    return FakeApi()


def request(api, form=None, query="", **headers):
    event = {
        "rawPath": "/desk/queues/q-1",
        "rawQueryString": query,
        "headers": {"content-type": "application/x-www-form-urlencoded"} | headers,
        "requestContext": {"http": {"method": "POST" if form else "GET"}, "domainName": "desk.example.com"},
        "body": urlencode(form or {}),
    }
    return replace(Request.of(event), signed_in=Session("t", "Pia", 0), csrf="csrf", api_of_person=api)


def test_the_editor_shows_what_is_in_force_in_the_readers_numbers(api):
    english = page_of_queue.show(request(api), "q-1").body
    german = page_of_queue.show(request(api, **{"accept-language": "de-DE,de;q=0.9"}), "q-1").body
    assert 'name="w:u-1" value="12.5"' in english
    assert 'name="w:u-1" value="12,5"' in german
    assert 'name="based_on" value="d-1"' in english
    assert "Pia Planner" in english


def test_a_hostile_name_stays_text(api):
    shown = page_of_queue.show(request(api), "q-1").body
    assert "<b onclick" not in shown
    assert "&lt;b onclick" in shown


def test_a_named_plan_and_an_earlier_distribution_fill_the_editor(api):
    of_plan = page_of_queue.show(request(api, query="plan=Storm"), "q-1").body
    assert 'name="w:u-1" value="100"' in of_plan
    assert 'name="w:u-2" value=""' in of_plan
    again = page_of_queue.show(request(api, query="from=d-2"), "q-1").body
    assert 'name="w:u-2" value="25"' in again
    assert 'name="based_on" value="d-1"' in again


def test_the_form_becomes_a_plan_with_its_own_key(api):
    answer = page_of_queue.apply(request(api, FORM | {"reason": "storm"}), "q-1")
    wanted = PLAN | {"queue_id": "q-1", "based_on": "d-1", "wait_for_lock_s": 60, "reason": "storm"}
    assert api.sent == [("POST", "plans", wanted, {"Idempotency-Key": "key-1"})]
    assert (answer.status, answer.headers["Location"]) == (303, "/desk/distributions/d-2")


def test_until_is_a_time_of_the_readers_zone_and_not_one_that_the_clock_shows_twice_or_never(api):
    page_of_queue.apply(request(api, FORM | {"until": "2026-12-01T18:00", "zone": "Europe/Berlin"}), "q-1")
    assert api.sent[0][2]["until"] == "2026-12-01T17:00:00Z"
    for until in ("2026-10-25T02:30", "2026-03-29T02:30"):
        refused = page_of_queue.apply(request(api, FORM | {"until": until, "zone": "Europe/Berlin"}), "q-1")
        assert refused.status == 422
        assert "the clock changes in this hour" in refused.body
    assert page_of_queue.apply(request(api, FORM | {"until": "2026-12-01T18:00", "zone": "../x"}), "q-1").status == 422
    assert len(api.sent) == 1


@pytest.mark.parametrize("change", [{"w:u-1": "a lot"}, {"overflow_threshold": "1e3"}, {"w:u-1": "", "w:u-2": " "}])
def test_what_cannot_be_read_is_sent_to_nobody_and_stays_in_the_form(api, change):
    form = FORM | {"reason": "the storm"} | change
    answer = page_of_queue.apply(request(api, form), "q-1")
    assert answer.status == 422
    assert api.sent == []
    assert 'value="the storm"' in answer.body
    assert all(f'value="{value}"' in answer.body for value in change.values())


def test_a_refused_plan_comes_back_with_names_and_everything_that_was_typed(api):
    errors = [{"path": "member_weights.u-1", "message": "too heavy"}, {"path": "until", "message": "is over"}]
    api.answers["plans"] = ApiRefused("2 problems", status=422, problem={"errors": errors})
    answer = page_of_queue.apply(request(api, FORM | {"reason": "the storm"}), "q-1")
    assert answer.status == 422
    assert "<strong>Ada Abel</strong>: too heavy" in answer.body
    assert 'value="the storm"' in answer.body
    assert 'name="key" value="key-1"' in answer.body


def test_a_plan_that_is_refused_as_a_whole_comes_back_too_unless_the_sign_in_is_over(api):
    api.answers["plans"] = ApiRefused("You have viewer.", status=403)
    answer = page_of_queue.apply(request(api, FORM), "q-1")
    assert (answer.status, "You have viewer." in answer.body) == (422, True)
    api.answers["plans"] = ApiRefused("Sign in again.", status=401)
    with pytest.raises(ApiRefused):
        page_of_queue.apply(request(api, FORM), "q-1")


def test_a_preview_is_a_dry_run_and_asks_for_its_result(api):
    shown = page_of_queue.preview(request(api, FORM, **{"hx-request": "true"}), "q-1").body
    wanted = PLAN | {"queue_id": "q-1", "based_on": "d-1", "dry_run": True, "wait_for_lock_s": 60}
    assert api.sent == [("POST", "plans", wanted, {})]
    assert 'hx-get="/desk/queues/q-1/preview/d-2"' in shown
    assert "Projecting …" in shown
    assert "<!doctype html>" in page_of_queue.preview(request(api, FORM), "q-1").body, "a whole page without htmx"


def test_the_preview_of_an_outdated_plan_offers_to_go_on_from_what_is_in_force(api):
    over = {"terminal": True, "status": "outdated", "errors": [{"message": "Nora applied another plan."}]}
    api.answers["distributions/d-2"] = {"distribution_id": "d-2"} | over
    shown = page_of_queue.result(request(api, **{"hx-request": "true"}), "q-1", "d-2").body
    assert "Nora applied another plan." in shown
    assert 'formaction="/desk/queues/q-1/edit"' in shown
    again = page_of_queue.go_on(request(api, FORM | {"based_on": "d-0"}), "q-1").body
    assert 'name="w:u-1" value="12,5"' in again
    assert 'name="based_on" value="d-1"' in again
    assert 'value="key-1"' not in again, "another plan needs another key"


def test_a_plan_is_kept_under_a_name_and_replaces_only_the_version_that_was_shown(api):
    form = FORM | {"version:Storm": "f" * 32}
    page_of_queue.save(request(api, form | {"name": "Storm"}), "q-1")
    page_of_queue.save(request(api, form | {"name": "Night"}), "q-1")
    assert api.sent == [
        ("PUT", "queues/q-1/plans/Storm", PLAN, {"If-Match": f'"{"f" * 32}"'}),
        ("PUT", "queues/q-1/plans/Night", PLAN, {}),
    ]
    assert page_of_queue.save(request(api, form), "q-1").status == 422


def test_sentences_have_names_in_place_of_ids_and_of_nothing_else():
    names = {"agent-1": "Ada Abel", "agent-10": "Ben Brandt", "a.c": "Carla", "": "nobody", "agent-2": ""}
    sentence = "Starved: agent-1, agent-10, abc and a.c; agent-100, my-agent-1 and agent-2 are not."
    expected = "Starved: Ada Abel, Ben Brandt, abc and Carla; agent-100, my-agent-1 and agent-2 are not."
    assert rendering.named(sentence, names) == expected
    assert rendering.named(sentence, {}) == sentence


@given(st.decimals(min_value=0, max_value=100, places=6), st.sampled_from(".,"))
def test_a_number_is_read_as_it_was_shown(value, mark):
    assert numbers.read(numbers.shown(value, mark)) == value
    assert numbers.read(f" {numbers.shown(value, mark)} % ") == value


@given(st.text(max_size=12))
def test_any_text_is_a_number_nothing_or_an_error(text):
    try:
        value = numbers.read(text)
    except ValueError as error:
        assert "is no number" in str(error)  # noqa: PT017
    else:
        assert value is None or 0 <= value < 10**9


@given(st.dictionaries(st.sampled_from(["u-1", "u-2"]), st.integers(0, 10**6).map(lambda n: n / 10**6), min_size=1))
def test_weights_in_force_come_back_as_the_same_weights(weights):
    draft = Draft.of_plan(IN_FORCE | {"member_weights": weights}, IN_FORCE, ",")
    plan, problems = draft.plan({})
    assert (plan["member_weights"], problems) == (weights, [])


def test_a_third_that_is_in_force_can_be_sent_as_it_is_shown():
    draft = Draft.of_plan(IN_FORCE | {"member_weights": {"ann": 1 / 3}}, IN_FORCE, ",")
    plan, problems = draft.plan({})
    assert (plan["member_weights"], problems) == ({"ann": 1 / 3}, [])


@pytest.mark.parametrize(
    ("until", "zone"),
    [
        ("2026-10-01T10:00", "No/Where"),
        ("0001-01-01T00:00", "Asia/Tokyo"),
        ("9999-12-31T23:59", "America/Lima"),
    ],
)
def test_an_end_without_a_moment_in_utc_is_a_problem_of_its_field(until, zone):
    at, problems = Draft({}, {}, "none", until=until, zone=zone).ends_at()
    assert at is None
    assert [problem["path"] for problem in problems] == ["Until"]
