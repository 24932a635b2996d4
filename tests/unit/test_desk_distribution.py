"""The desk's pages of a distribution, of a queue's history, and of a revert."""

import copy
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from desk.rendering import TEMPLATES, caller, named
from routing_weights.domain.session import csrf_of
from routing_weights.errors import ApiRefused
from tests.unit.test_desk import HOSTILE, OWN, VALUE, Browser, Elements, queue
from tests.unit.test_desk_pages import MEMBERS, PLANNED

ROOT = Path(__file__).parents[2]
DISTRIBUTION = {
    "distribution_id": "d-1",
    "queue_id": "queue-001",
    "status": "completed",
    "terminal": True,
    "opened_at": "2026-03-02T08:00:00.000Z",
    "caller": "genesys:user-2",
    "caller_name": "Pia Planner",
    "requested_by": None,
    "reason": "storm",
    "until": None,
    "return_cancelled": None,
    "balance_accuracy": 99.5,
    "restores": None,
    "fleet_id": None,
    "approval": None,
    "errors": [],
    "restore": None,
    "planned": PLANNED,
    "actuation": {"actuator": "ring"},
    "progress": None,
    "projection": {"reason": "agent-001 of queue-001 takes more.", "models": {}},
    "based_on": "d-0",
}
RUN = {
    "distribution_id": "d-1",
    "status": "completed",
    "timestamp": "2026-03-02T08:01:00.000Z",
    "caller_name": "Pia Planner",
    "requested_by": None,
    "reason": "storm",
}


class Sender(Browser):
    """A browser whose API also takes POSTs: `sent` has them."""

    def __init__(self):
        super().__init__()
        self.sent, self.accepted = [], {}
        in_force = {"distribution_id": "d-0"}
        self.desk.answers |= {
            "queues/queue-001": queue("Support") | {"in_force": in_force},
            "queues/queue-001/members": MEMBERS,
            "queues/queue-001/distributions": {"items": [RUN], "next": "more"},
            "distributions/d-1": copy.deepcopy(DISTRIBUTION),
        }
        reading = self.desk.api

        def api(origin, token):
            return SimpleNamespace(get=reading(origin, token).get, ask=self.take)

        self.desk.api = api
        self.signed_in()

    def take(self, method, *path, body=None, headers=None):
        self.sent.append((method, "/".join(path), body, dict(headers or {})))
        key = (headers or {}).get("Idempotency-Key", str(len(self.sent)))
        return SimpleNamespace(body={"distribution_id": self.accepted.setdefault(key, f"new-{len(self.accepted) + 1}")})

    def put(self, distribution_id="d-1", **changes):
        self.desk.answers[f"distributions/{distribution_id}"] = (
            copy.deepcopy(DISTRIBUTION) | {"distribution_id": distribution_id} | changes
        )

    def submit(self, address, **form):
        return self.post(address, {"csrf": csrf_of(VALUE)} | form)


@pytest.fixture
def browser():
    return Sender()


def test_the_record_is_in_words_and_names(browser):
    body = browser.get("/desk/distributions/d-1")["body"]
    for text in ("Completed", "The plan was applied and read back.", "Pia Planner", "storm", "99.5 % as requested"):
        assert text in body
    assert "Ada Abel of Support takes more." in body
    assert re.search(r"Ada Abel</th>\s*<td[^>]*>ring 4</td>\s*<td[^>]*>ring 1</td>", body)
    assert "Restore what the queue held before" in body
    assert 'hx-trigger="every' not in body, "it is over"
    assert '<img src="/desk/distributions/d-1/projection.svg" alt=' in body


def test_a_run_under_way_is_asked_for_again_until_it_is_over(browser):
    browser.put(status="initiated", terminal=False, planned=None, progress={"state": "Patch members"}, projection=None)
    body = browser.get("/desk/distributions/d-1")["body"]
    assert "Writing the members" in body
    assert 'hx-trigger="every 1s"' in body
    asked = len(browser.desk.asked)
    part = browser.get("/desk/distributions/d-1", **{"HX-Request": "true"})["body"]
    assert part.startswith('<div id="record"')
    assert [path for _, _, path, _ in browser.desk.asked[asked:]] == [("distributions", "d-1")], "and no member"
    browser.put(status="initiated", terminal=False, planned=None, progress={"state": "A new state"}, projection=None)
    assert "A new state" in browser.get("/desk/distributions/d-1")["body"]
    browser.put(status="initiated", terminal=False, planned=None, progress=None, projection=None)
    assert "Checking the plan" in browser.get("/desk/distributions/d-1")["body"]


def test_what_waits_for_approval_leads_to_it(browser):
    browser.put(status="initiated", terminal=False, approval={"state": "waiting"}, progress={"state": "Await approval"})
    body = browser.get("/desk/distributions/d-1")["body"]
    assert 'href="/desk/approvals/d-1"' in body
    assert 'hx-trigger="every 5s"' in body


def test_a_failure_says_why_what_was_restored_and_how_to_go_on(browser):
    restore = {"outcome": "partial", "unrestored": ["agent-001"]}
    browser.put(
        status="member_update_failed",
        errors=[{"type": "Forbidden", "message": "agent-001 was refused."}],
        restore=restore,
    )
    body = browser.get("/desk/distributions/d-1")["body"]
    assert "Ada Abel was refused." in body
    assert "Not restored: Ada Abel." in body
    assert 'href="/desk/queues/queue-001?from=d-1"' in body
    assert "/restore/preview" not in body


def test_the_record_of_a_queue_that_is_gone_is_still_there(browser):
    browser.desk.answers["queues/queue-001"] = ApiRefused("gone", status=404)
    assert browser.get("/desk/distributions/d-1")["statusCode"] == 200
    browser.put(queue_id=None)
    assert browser.get("/desk/distributions/d-1")["statusCode"] == 200
    browser.put()
    browser.desk.answers["queues/queue-001"] = ApiRefused("no", status=403)
    assert browser.get("/desk/distributions/d-1")["statusCode"] == 403


def test_the_history_names_person_and_day_and_goes_back_page_by_page(browser):
    part = browser.get("/desk/queues/queue-001/trail?day=2026-03-02", **{"HX-Request": "true"})["body"]
    assert "<html" not in part
    for text in ("Pia Planner", "storm", "completed", "2026-03-02 08:01 UTC", "next=more"):
        assert text in part
    assert browser.desk.asked[-1][3] == {
        "limit": "20",
        "from": "2026-03-02",
        "to": "2026-03-02T23:59:59.999999Z",
    }
    assert "History of Support" in browser.get("/desk/queues/queue-001/trail")["body"]
    rehearsals = [RUN | {"status": "dry_run"}, RUN | {"status": "queue_busy", "dry_run": True}]
    browser.desk.answers["queues/queue-001/distributions"] = {"items": rehearsals, "next": None}
    assert "Nothing was applied yet." in browser.get("/desk/queues/queue-001/trail")["body"]


def test_a_restore_shows_its_diff_first_and_writes_nothing_for_it(browser):
    led = browser.submit("/desk/distributions/d-1/restore/preview")
    assert led["headers"]["Location"] == "/desk/distributions/d-1/restore/new-1"
    body = {"dry_run": True, "based_on": "d-0", "wait_for_lock_s": 60}
    assert browser.sent == [("POST", "distributions/d-1/restore", body, {})]
    browser.put("new-1", status="initiated", terminal=False, progress={"state": "Project"}, planned=None)
    assert "Nothing is written yet." in browser.get("/desk/distributions/d-1/restore/new-1")["body"]
    browser.put("new-1", status="dry_run")
    shown = browser.get("/desk/distributions/d-1/restore/new-1")["body"]
    assert "Ada Abel" in shown
    assert shown.count("Restore now") == 1


def test_a_restore_that_is_pressed_twice_restores_once(browser):
    browser.put("dry", status="dry_run")
    shown = browser.get("/desk/distributions/d-1/restore/dry")["body"]
    form = dict(re.findall(r'type="hidden" name="(dry_run|based_on)" value="([^"]*)"', shown))
    first, second = (browser.submit("/desk/distributions/d-1/restore", **form, reason=" oops ") for _ in range(2))
    assert first["headers"]["Location"] == second["headers"]["Location"] == "/desk/distributions/new-1"
    assert browser.sent[0] == browser.sent[1]
    assert browser.sent[0][2:] == (
        {"reason": "oops", "based_on": "d-0", "wait_for_lock_s": 60},
        {"Idempotency-Key": "desk-restore-dry"},
    )


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"status": "outdated", "errors": [{"message": "Pia applied another one."}]}, "Pia applied another one."),
        ({"status": "dry_run", "planned": []}, "Genesys holds all of it already"),
    ],
)
def test_what_cannot_or_need_not_be_restored_has_no_button(browser, changes, text):
    browser.put("dry", **changes)
    body = browser.get("/desk/distributions/d-1/restore/dry")["body"]
    assert text in body
    assert "Restore now" not in body


def test_nobody_restores_without_the_token_of_the_session(browser):
    for path in ("restore", "restore/preview"):
        assert browser.post(f"/desk/distributions/d-1/{path}", {}, **OWN)["statusCode"] == 403
        assert browser.get(f"/desk/distributions/d-1/{path}")["statusCode"] in {404, 405} or path != "restore"
    assert browser.sent == []


def test_hostile_text_is_text(browser):
    hostile = {"reason": HOSTILE, "caller_name": HOSTILE, "requested_by": HOSTILE, "distribution_id": HOSTILE}
    browser.put(
        **{name: value for name, value in hostile.items() if name != "distribution_id"},
        errors=[{"message": HOSTILE, "type": "x"}],
        restore={"outcome": HOSTILE, "unrestored": [HOSTILE]},
        projection={"reason": HOSTILE, "models": {}},
        restores={"distribution_id": HOSTILE},
        fleet_id=HOSTILE,
        until=HOSTILE,
    )
    browser.put("dry", status="outdated", errors=[{"message": HOSTILE}])
    browser.desk.answers["queues/queue-001"] |= {"name": HOSTILE, "queue_id": HOSTILE}
    browser.desk.answers["queues/queue-001/members"] = {"items": [{"user_id": "agent-001", "name": HOSTILE}]}
    browser.desk.answers["queues/queue-001/distributions"] = {"items": [RUN | hostile], "next": HOSTILE}
    for path in ("distributions/d-1", "queues/queue-001/trail", "distributions/d-1/restore/dry"):
        body = browser.get(f"/desk/{path}")["body"]
        assert "&lt;script&gt;" in body
        elements = Elements.of(body)
        assert not [name for _, attributes in elements for name in attributes if name.startswith("on")], path
        assert all(each["src"].startswith("/desk/") for tag, each in elements if tag in {"script", "img"}), path
        assert not [1 for tag, each in elements if tag == "img" and "alt" not in each], path


def test_the_chart_has_names_that_stay_text(browser):
    browser.desk.answers["queues/queue-001/members"] = {"items": [{"user_id": "agent-001", "name": HOSTILE}]}
    browser.desk.answers["distributions/d-1/projection.svg"] = "<svg><text>agent-001 of queue-001</text></svg>"
    shown = browser.get("/desk/distributions/d-1/projection.svg")
    assert shown["headers"]["Content-Type"] == "image/svg+xml"
    assert "of Support</text>" in shown["body"]
    assert {tag for tag, _ in Elements.of(shown["body"])} == {"svg", "text"}


def test_names_stand_for_whole_ids_only():
    names = {"agent-1": "Ada", "agent-11": "Bo", "q": "Support"}
    assert named("agent-11, agent-1; agent-111 of q-1 in q.", names) == "Bo, Ada; agent-111 of q-1 in Support."
    assert named("agent-1", {}) == "agent-1"


@pytest.mark.parametrize(
    ("identity", "text"), [("arn:aws:iam::123456789012:user/ops/ada", "ada"), ("schedule", "schedule")]
)
def test_a_caller_without_a_name_is_the_end_of_their_arn(identity, text):
    assert caller(identity) == text


def test_the_page_on_the_first_hour_names_what_the_pages_have():
    text = (ROOT / "docs/use/first-hour-desk.md").read_text(encoding="utf-8")
    templates = "".join(path.read_text(encoding="utf-8") for path in sorted(TEMPLATES.glob("*.html")))
    modules = "".join(path.read_text(encoding="utf-8") for path in sorted((TEMPLATES.parent / "pages").glob("*.py")))
    named_there = re.findall(r"[*][*](.+?)[*][*]", text)
    assert len(named_there) > 8
    assert [name for name in named_there if name not in templates + modules] == []
    pictures = re.findall(r"\((\S+[.]png)\)", text)
    assert len(pictures) == 4
    assert all((ROOT / "docs/use" / name).stat().st_size < 150_000 for name in pictures)
