"""The desk's pages of approvals, fleets and shares: names, answers, and that hostile text stays text."""

import copy
import re

import pytest

from tests.unit.test_desk import HOSTILE, OURS, OWN, Browser, Elements, queue

MEMBERS = {"items": [{"user_id": "agent-001", "name": "Ada Abel"}, {"user_id": "agent-002", "name": None}]}
WAITING = {
    "distribution_id": "d-1",
    "queue_id": "queue-001",
    "fleet_id": "f-1",
    "reasons": ["The projection of queue queue-001 is too close to its limit.", HOSTILE],
    "asked_by": "genesys:user-2",
    "asked_at": "2026-03-02T08:00:00.000Z",
    "expires_at": "2026-03-02T12:00:00.000Z",
}
PLANNED = [
    {"setting": "skill_evaluation_method", "before": "ALL", "after": "BEST"},
    {"user_id": "agent-001", "before": 4, "after": 1, "weight_before": 0.1, "weight_after": 0.25},
    {"user_id": "agent-009", "before": True, "after": None, "weight_before": None, "weight_after": None},
]
DISTRIBUTION = {
    "distribution_id": "d-1",
    "queue_id": "queue-001",
    "caller_name": "Pia Planner",
    "requested_by": None,
    "reason": HOSTILE,
    "planned": PLANNED,
    "actuation": {"actuator": "ring"},
    "approval": {**WAITING, "state": "waiting", "hash": "a" * 64},
}
FLEET = {
    "fleet_id": "f-1",
    "status": "held",
    "terminal": False,
    "sentence": "A wave waits for a decision.",
    "reason": HOSTILE,
    "total": 3,
    "queues": {"completed": 2, "waiting": 1},
    "reverted": 0,
    "wave": 0,
    "waves": [
        {"wave": 0, "queues": 2, "ended": 2, "failed": 1, "verdict": "hold", "reasons": ["1 of 2 failed."]},
        {"wave": 1, "queues": 1, "ended": 0, "failed": 0, "verdict": None, "reasons": []},
    ],
    "submitted_at": "2026-03-02T08:00:00.000Z",
    "ended_at": None,
    "door": "api",
    "caller": "genesys:user-2",
    "caller_name": None,
}
QUEUES_OF_FLEET = [
    {"queue_id": "queue-001", "wave": 0, "status": "completed", "distribution_id": "d-1"}
    | {"sentence": "The plan was applied and read back.", "reverted_by": None},
    {"queue_id": "queue-gone", "wave": 1, "status": "waiting", "distribution_id": None}
    | {"sentence": None, "reverted_by": None},
]
SHARES = {
    "start": "2026-03-02T08:00:00.000Z",
    "end": "2026-03-03T08:00:00.000Z",
    "contacts": 40,
    "sentence": "Of 40 contacts, the realised shares are 5 points from the requested ones on average.",
    "why": None,
    "notes": [HOSTILE],
    "members": [
        {"user_id": "agent-001", "requested": 0.5, "drawn_share": 0.45, "share": 0.55, "low": 0.4, "high": 0.7}
        | {"contacts": 22}
    ],
    "others": [
        {"user_id": "agent-003", "requested": None, "drawn_share": None, "share": 0.45, "low": 0.3, "high": 0.6}
        | {"contacts": 18}
    ],
}


@pytest.fixture
def browser():
    browser = Browser().signed_in()
    browser.desk.answers |= {
        "queues/queue-001": queue(),
        "queues/queue-001/members": copy.deepcopy(MEMBERS),
        "queues/queue-001/shares": SHARES,
        "queues/queue-001/shares.svg": "<svg/>",
        "approvals": {"items": [WAITING], "more": True},
        "distributions/d-1": DISTRIBUTION,
        "fleets": {"items": [FLEET], "next": "page two"},
        "fleets/f-1": FLEET,
        "fleets/f-1/queues": {"items": QUEUES_OF_FLEET, "next": None},
    }
    return browser


def csrf(browser, address):
    return re.search(r'name="csrf" value="([^"]+)"', browser.get(address)["body"])[1]


def shown(browser, address, **headers):
    answer = browser.get(address, **headers)
    assert answer["statusCode"] == 200, answer
    return answer["body"]


@pytest.mark.parametrize(
    "address",
    [
        *("/desk/approvals", "/desk/approvals/d-1", "/desk/fleets", "/desk/fleets/f-1", "/desk/shares"),
        "/desk/queues/queue-001/shares",
    ],
)
def test_what_people_and_genesys_have_written_stays_text(browser, address):
    browser.desk.answers["queues"]["items"][0]["name"] = browser.desk.answers["queues/queue-001"]["name"] = HOSTILE
    browser.desk.answers["queues/queue-001/members"]["items"][0]["name"] = HOSTILE
    text = shown(browser, address)
    elements = Elements.of(text)
    assert {tag for tag, _ in elements} <= OURS | {"h2", "svg", "rect", "details", "summary", "img", "progress"}
    assert not [attributes for _, attributes in elements if {"style", "onerror"} & attributes.keys()]
    assert text.count("<script") == 2


def test_what_waits_is_listed_by_the_names_of_queues_and_why(browser):
    text = shown(browser, "/desk/approvals")
    assert ">Support</a>" in text
    assert 'href="/desk/approvals/d-1"' in text
    assert "The projection of queue Support is too close to its limit." in text
    assert "More are waiting" in text
    browser.desk.answers["approvals"] = {"items": [], "more": False}
    assert "Nothing waits for approval" in shown(browser, "/desk/approvals")


def test_an_approver_sees_what_would_be_written_by_name_before_and_after(browser):
    text = re.sub(r"\s+", " ", shown(browser, "/desk/approvals/d-1"))
    assert "Pia Planner asked" in text
    assert "The projection of this queue is too close" in text
    row = re.search(r"<th scope=\"row\">Ada Abel</th>.*?</tr>", text)[0]
    assert re.findall(r"<td[^>]*>(.*?)</td>", row) == ["ring 4", "ring 1", "10 % → 25 %"]
    assert "agent-009" in text, "a member who has left has no name"
    assert "Skill evaluation method" in text


@pytest.mark.parametrize(("answer", "told"), [("approve", "approved"), ("reject", "rejected")])
def test_an_answer_is_bound_to_what_was_shown(browser, answer, told):
    form = {"csrf": csrf(browser, "/desk/approvals/d-1"), "hash": "a" * 64, "reason": " The shift agrees. "}
    done = browser.post(f"/desk/approvals/d-1/{answer}", form, **OWN)
    assert browser.desk.sent == [
        ("POST", ("distributions", "d-1", answer), {"hash": "a" * 64, "reason": "The shift agrees."})
    ]
    assert (done["statusCode"], done["headers"]["Location"]) == (303, f"/desk/approvals?answered={told}")
    assert f"You have {told}" in shown(browser, done["headers"]["Location"])


def test_an_answer_without_a_reason_sends_none_and_another_word_is_no_answer(browser):
    token = csrf(browser, "/desk/approvals/d-1")
    browser.post("/desk/approvals/d-1/approve", {"csrf": token, "hash": "a" * 64, "reason": ""}, **OWN)
    browser.post("/desk/approvals/d-1/delete", {"csrf": token}, **OWN)
    assert [body for _, _, body in browser.desk.sent] == [{"hash": "a" * 64}]


def test_a_forged_answer_is_refused(browser):
    refused = browser.post("/desk/approvals/d-1/approve", {"csrf": "x", "hash": "a" * 64}, **OWN)
    assert (refused["statusCode"], browser.desk.sent) == (403, [])


def test_a_distribution_that_does_not_wait_any_more_has_no_form(browser):
    browser.desk.answers["distributions/d-1"] = {**DISTRIBUTION, "approval": {"state": "expired"}}
    text = shown(browser, "/desk/approvals/d-1")
    assert "does not wait any more: expired" in text
    assert "Approve</button>" not in text


def test_a_fleet_shows_its_waves_and_queues_and_asks_again_while_it_is_under_way(browser):
    text = shown(browser, "/desk/fleets/f-1")
    assert "2 of 2" in text
    assert "0 of 1" in text
    assert "1 of 2 failed." in text
    assert ">Support</a>" in text
    assert "queue-gone" in text
    part = shown(browser, "/desk/fleets/f-1", **{"HX-Request": "true"})
    assert 'hx-trigger="every 3s"' in part
    assert "<html" not in part
    browser.desk.answers["fleets/f-1"] = {**FLEET, "status": "completed", "terminal": True}
    assert "hx-trigger" not in shown(browser, "/desk/fleets/f-1", **{"HX-Request": "true"})


@pytest.mark.parametrize(
    ("status", "terminal", "steps"),
    [
        ("running", False, ["cancel"]),
        ("held", False, ["cancel", "continue", "revert"]),
        ("completed", True, ["revert"]),
    ],
)
def test_a_fleet_offers_what_its_status_allows(browser, status, terminal, steps):
    browser.desk.answers["fleets/f-1"] = {**FLEET, "status": status, "terminal": terminal}
    buttons = [attributes for tag, attributes in Elements.of(shown(browser, "/desk/fleets/f-1")) if tag == "button"]
    offered = [attributes.get("formaction", "/cancel").rpartition("/")[2] for attributes in buttons[1:]]
    assert offered == steps


def test_a_fleet_is_steered_by_its_buttons_and_by_nothing_else(browser):
    token = csrf(browser, "/desk/fleets/f-1")
    for step in ("cancel", "continue", "revert", "approve"):
        assert browser.post(f"/desk/fleets/f-1/{step}", {"csrf": token}, **OWN)["statusCode"] == 303
    assert browser.desk.sent == [("POST", ("fleets", "f-1", step), None) for step in ("cancel", "continue", "revert")]


def test_fleets_are_listed_with_the_next_page(browser):
    text = shown(browser, "/desk/fleets")
    assert 'href="/desk/fleets/f-1"' in text
    assert "next=page%20two" in text
    shown(browser, "/desk/fleets?next=page%20two")
    assert browser.desk.asked[-1][2:] == (("fleets",), {"limit": "20", "next": "page two"})


def test_shares_are_shown_by_name_for_the_chosen_time(browser):
    text = shown(browser, "/desk/queues/queue-001/shares?days=7")
    assert "Ada Abel" in text
    assert "in no plan" in text
    assert "55 %" in text
    assert "/desk/queues/queue-001/shares.svg?days=7" in text
    asked = next(query for _, _, path, query in browser.desk.asked if path[-1] == "shares")
    assert asked["from"] < asked["to"]
    widths = [float(attributes["width"]) for tag, attributes in Elements.of(text) if tag == "rect"]
    assert max(widths) == 119


def test_shares_of_no_contacts_are_no_error(browser):
    browser.desk.answers["queues/queue-001/shares"] = {**SHARES, "members": [], "others": [], "contacts": 0}
    assert "Nobody took a contact" in shown(browser, "/desk/queues/queue-001/shares?days=junk")


def test_the_chart_is_a_picture(browser):
    picture = browser.get("/desk/queues/queue-001/shares.svg")
    assert (picture["headers"]["Content-Type"], picture["body"]) == ("image/svg+xml", "<svg/>")


def test_a_chosen_queue_leads_to_its_shares_and_a_foreign_one_nowhere(browser):
    chosen = browser.get("/desk/shares?queue_id=queue-001&days=31")
    assert chosen["headers"]["Location"] == "/desk/queues/queue-001/shares?days=31"
    assert "Choose a queue" in shown(browser, "/desk/shares?queue_id=queue-of-nobody")
