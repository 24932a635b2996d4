"""Baselines, schedules, fleets, drift, shares, approvals, audit, forecasts and the doctor, against a fake API."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest

from routing_weights.domain import regions
from routing_weights_cli import arguments, genesys
from routing_weights_cli.api import Api
from routing_weights_cli.app import Session
from routing_weights_cli.bars import bar
from routing_weights_cli.commands.schedules import cron
from routing_weights_cli.config import Config
from routing_weights_cli.errors import CliError, Exit
from routing_weights_cli.fleet_files import named
from routing_weights_cli.names import Names
from routing_weights_cli.refusals import ranges
from tests.support.cli import Desk, answer

DISTRIBUTION = "00000000-0000-0000-0000-000000000001"


class Deployment(Desk):
    """A desk with further routes: `answers` has what a method and path answers, `sent` what was sent there."""

    def __init__(self, *names):
        super().__init__(*names)
        self.answers, self.sent, self.queries = {}, {}, {}

    def reply(self, request):
        path = urlsplit(request.url).path
        route = f"{request.method} {path}"
        if route not in self.answers:
            return super().reply(request)
        self.sent.setdefault(route, []).append(json.loads(request.body) if request.body else None)
        self.queries[route] = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        found = self.answers[route]
        found = found(self.sent[route][-1]) if callable(found) else found
        return found if hasattr(found, "status_code") else answer(200, found)


@pytest.fixture
def desk():
    deployment = Deployment("Support", "Sales")
    for queue in deployment.queues:
        queue |= {"division": "Home", "drift": 0}
    return deployment


@pytest.fixture
def shown(desk, capsys):
    """Run a command line, and return its exit code, its output and its notes."""

    def run(*arguments):
        code = desk.run(*arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def rows_fit(text):
    """True if every row of a table fits a terminal. Its rows are as wide as each other; sentences are not."""
    return all(len(line) <= 80 for line in text.splitlines() if "  " in line)


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


# ---- baselines -------------------------------------------------------------------------------------------------------

BASELINE = {"name": "Default", "distribution_id": DISTRIBUTION, "set_at": "2026-11-30T08:00:00.000Z", "set_by": None}


def test_baselines_are_listed_set_and_gone_back_to(desk, shown):
    path = "/queues/queue-1/baselines"
    desk.answers |= {
        f"GET {path}": {"items": [BASELINE]},
        f"PUT {path}/Default": BASELINE,
        f"POST {path}/Default/restore": lambda body: answer(
            202, {"distribution_id": desk.start({"queue_id": "queue-1", "member_weights": {"agent-001": 0.1}} | body)}
        ),
    }
    code, out, _ = shown("baseline", "list", "support")
    assert (code, "2026-11-30 09:00 CET" in out) == (Exit.DONE, True)
    assert shown("baseline", "set", "Support", "Default", "--distribution", DISTRIBUTION)[0] == Exit.DONE
    assert desk.sent[f"PUT {path}/Default"] == [{"distribution_id": DISTRIBUTION}]
    code, out, _ = shown("baseline", "restore", "Support", "Default")
    assert (code, "ring 3 → 1" in out, "--confirm" in out) == (Exit.DIFFERS, True, True)
    arguments = ("--confirm", "--reason", "over", "--until", "2099-01-01 08:00")
    assert shown("baseline", "restore", "Support", "Default", *arguments)[0] == Exit.DONE
    dry, real = desk.sent[f"POST {path}/Default/restore"]
    assert dry == {"dry_run": True}
    assert real == {"dry_run": False, "reason": "over", "until": "2099-01-01T07:00:00Z"}


def test_a_deployment_that_lists_no_queues_takes_their_ids(desk, shown):
    desk.answers["GET /queues"] = answer(409, {"detail": "Contract score has no listing of queues."})
    desk.answers["GET /queues/queue-1/baselines"] = {"items": [BASELINE]}
    assert shown("baseline", "list", "queue-1")[0] == Exit.DONE
    code, _, err = shown("baseline", "list", "Support")
    assert (code, "No queue of yours" in err) == (Exit.REFUSED, True)


# ---- named plans -----------------------------------------------------------------------------------------------------

WEIGHTS = {"agent-001": 0.5, "agent-002": 0.3, "agent-003": 0.2}
PEAK = {"name": "Peak", "version": "f" * 32, "members": 3, "saved_at": "2026-11-30T08:00:00.000Z"}
PEAK |= {"saved_by": "genesys:ada", "saved_by_name": "Ada"}
PEAK |= {"plan": {"member_weights": WEIGHTS | {"agent-001": 0.1}, "overflow_threshold": 0.9}}
PLANS_OF = "/queues/queue-1/plans"


def test_named_plans_are_listed_shown_and_compared_with_what_is_in_force(desk, shown):
    desk.answers |= {f"GET {PLANS_OF}": {"items": [PEAK]}, f"GET {PLANS_OF}/Peak": PEAK}
    desk.in_force["queue-1"]["member_weights"] = WEIGHTS
    code, out, _ = shown("plans", "list", "Support")
    assert (code, "Peak" in out, "Ada" in out, "2026-11-30 09:00 CET" in out) == (Exit.DONE, True, True, True)
    code, out, _ = shown("plans", "show", "Support", "Peak")
    assert (code, "Ana Ruiz" in out, "overflow threshold 0.9" in out) == (Exit.DONE, True, True)
    code, out, _ = shown("-o", "json", "plans", "diff", "Support", "Peak")
    assert (code, json.loads(out)[:2]) == (
        Exit.DIFFERS,
        [
            {"what": "Ana Ruiz", "in force": 0.5, "named plan": 0.1},
            {"what": "overflow threshold", "in force": 0.85, "named plan": 0.9},
        ],
    )


def test_what_is_in_force_is_saved_and_a_plan_is_replaced_only_with_the_option(desk, shown, file):
    desk.in_force["queue-1"]["member_weights"] = WEIGHTS
    desk.answers |= {f"GET {PLANS_OF}/Peak": PEAK, f"PUT {PLANS_OF}/Peak": PEAK}
    assert shown("plans", "save", "Support", "Peak")[0] == Exit.DONE
    assert "If-Match" not in desk.fake.requests[-1].headers
    assert desk.sent[f"PUT {PLANS_OF}/Peak"][-1] == {
        "member_weights": WEIGHTS,
        "overflow_threshold": 0.85,
        "utilization_target": 0.8,
        "strategy_reference": "by-weight",
        "actuator": "ring",
    }
    path = file("plan.json", json.dumps({"queue_id": "x", "dry_run": True, "member_weights": {"agent-001": 1.0}}))
    assert shown("plans", "save", "Support", "Peak", "--file", path, "--replace")[0] == Exit.DONE
    assert desk.fake.requests[-1].headers["If-Match"] == f'"{"f" * 32}"'
    assert desk.sent[f"PUT {PLANS_OF}/Peak"][-1] == {"member_weights": {"agent-001": 1.0}}
    for in_force in (None, desk.in_force["queue-1"] | {"member_weights": {}}):
        desk.in_force["queue-2"] = in_force
        code, _, err = shown("plans", "save", "Sales", "Peak")
        assert (code, "No weights are in force in Sales." in err, "--file" in err) == (Exit.REFUSED, True, True)
    assert shown("plans", "save", "Support", "Peak", "--file", file("list.json", "[]"))[0] == Exit.REFUSED


def test_a_plan_of_somebody_else_stays_and_a_name_with_a_typo_has_suggestions(desk, shown):
    desk.in_force["queue-1"]["member_weights"] = WEIGHTS
    changed = answer(412, {"detail": "Somebody else has saved it."})
    desk.answers |= {
        f"GET {PLANS_OF}/Peak": PEAK,
        f"PUT {PLANS_OF}/Peak": changed,
        f"GET {PLANS_OF}": {"items": [PEAK]},
    }
    code, _, err = shown("plans", "save", "Support", "Peak")
    assert (code, "Ada saved another one on 2026-11-30 09:00 CET" in err, "--replace" in err) == (1, True, True)
    for command in ("show", "diff", "apply"):
        code, _, err = shown("plans", command, "Support", "Peek")
        assert (code, "Did you mean Peak?" in err) == (Exit.REFUSED, True)


def test_a_named_plan_is_applied_with_one_command(desk, shown):
    desk.answers[f"GET {PLANS_OF}/Peak"] = PEAK
    desk.answers[f"POST {PLANS_OF}/Peak/apply"] = lambda body: answer(
        202, {"distribution_id": desk.start({"queue_id": "queue-1", "member_weights": {"agent-001": 0.1}} | body)}
    )
    assert shown("plans", "apply", "Support", "Peak")[0] == Exit.DIFFERS
    assert shown("plans", "apply", "Support", "Peak", "--confirm", "--require-approval", "--reason", "storm")[0] == 0
    dry, real = desk.sent[f"POST {PLANS_OF}/Peak/apply"]
    assert (dry, real) == ({"dry_run": True}, {"dry_run": False, "require_approval": True, "reason": "storm"})
    desk.answers[f"DELETE {PLANS_OF}/Peak"] = answer(204, None)
    assert shown("plans", "delete", "Support", "Peak")[0] == Exit.DONE


# ---- schedules -------------------------------------------------------------------------------------------------------

RUN = {"local": "2027-03-28T03:00:00+02:00", "utc": "2027-03-28T01:00:00.000Z", "returns": None}
RUNS = [
    RUN | {"clock_change": "The clock skips 02:30: it is run at the next valid minute."},
    RUN | {"local": "2027-04-04T02:30:00+02:00", "clock_change": None},
]
SCHEDULE = {"name": "early", "expression": "cron(30 2 ? * SUN *)", "time_zone": "Europe/Berlin", "until": "06:00"}
SCHEDULE |= {"next_run": RUN["local"], "next_return": None, "set_at": RUN["utc"], "set_by": None, "baseline": None}


def test_a_schedule_is_put_from_words_and_shows_what_the_clocks_do_to_it(desk, shown, file):
    path = "/schedules/early"
    desk.answers |= {f"PUT {path}": SCHEDULE, f"GET {path}/preview": {"runs": RUNS}}
    plan = file("plan.json", json.dumps({"member_weights": {"agent-001": 1.0}, "overflow_threshold": 0.9}))
    week = ("--days", "sat,sun", "--at", "2:30", "--until", "06:00", "--reason", "early shift")
    code, out, _ = shown("schedule", "put", "early", "Support", "--file", plan, *week)
    assert code == Exit.DONE
    assert "Sun 2027-03-28 03:00 +02:00" in out
    assert "The clock skips" in out
    assert desk.sent[f"PUT {path}"] == [
        {
            "expression": "cron(30 2 ? * SAT,SUN *)",
            "time_zone": "Europe/Berlin",
            "window_minutes": 0,
            "until": "06:00",
            "plan": {
                "member_weights": {"agent-001": 1.0},
                "overflow_threshold": 0.9,
                "queue_id": "queue-1",
                "reason": "early shift",
            },
        }
    ]
    shown("schedule", "preview", "early", "--count", "4", "--from", "2027-03-20")
    assert desk.queries[f"GET {path}/preview"] == {"count": "4", "from": "2027-03-20"}


def test_a_schedule_applies_one_thing_at_one_time(shown):
    for given in ((), ("--plan", "Peak", "--baseline", "Default"), ("--baseline", "Default", "--expression", "x")):
        code, _, err = shown("schedule", "put", "early", "Support", "--at", "07:30", *given)
        assert (code, "Give" in err) == (Exit.REFUSED, True)


def test_schedules_are_listed_shown_and_deleted(desk, shown):
    plan = {"queue_id": "queue-1", "member_weights": {"agent-001": 1.0}}
    desk.answers |= {
        "GET /schedules": {"items": [SCHEDULE], "next": None},
        "GET /schedules/early": SCHEDULE | {"plan": plan},
        "DELETE /schedules/early": answer(204, None),
    }
    code, out, _ = shown("schedule", "list")
    assert rows_fit(out)
    assert (code, "Sun 2027-03-28 03:00 +02:00" in out) == (Exit.DONE, True)
    assert "Support" in shown("schedule", "show", "early")[1]
    assert shown("schedule", "delete", "early")[0] == Exit.DONE


@pytest.mark.parametrize(
    ("at", "days", "expression"),
    [
        ("07:30", "", "cron(30 7 ? * * *)"),
        ("7:05", "mon-fri", "cron(5 7 ? * MON-FRI *)"),
        ("22:00", "Fri - Mon", "cron(0 22 ? * FRI,SAT,SUN,MON *)"),
        ("22:00", "sat-sun", "cron(0 22 ? * SAT,SUN *)"),
        ("22:00", "mon,wed-fri", "cron(0 22 ? * MON,WED-FRI *)"),
    ],
)
def test_days_of_the_week_become_what_aws_takes(at, days, expression):
    assert cron(at, days) == expression


@pytest.mark.parametrize(("at", "days"), [("24:00", ""), ("7", ""), ("07:30", "monday"), ("07:30", "mon--fri")])
def test_a_day_or_time_that_is_none_is_refused(at, days):
    with pytest.raises(CliError):
        cron(at, days)


# ---- fleets ----------------------------------------------------------------------------------------------------------

PLANS = """queue;e-mail;weight;overflow_threshold
Support;ana.ruiz@example.com;0,5;0,85

queue-2;Bo Lind;0,5;
Sales;agent-001;0,3;
"""
ACCEPTED = {"fleet_id": "fleet", "total": 2, "waves": [1, 1], "skipped": 0, "errors": [], "error_count": 0}
FLEET = {"fleet_id": "fleet", "status": "completed", "terminal": True, "sentence": "Done.", "reason": None, "total": 2}
FLEET |= {"queues": {"completed": 2}, "reverted": 0, "seconds_left": None, "requests_left": 0}
FLEET |= {"waves": [{"wave": 0, "queues": 2, "ended": 2, "failed": 0, "verdict": "passed", "reasons": []}]}


def test_a_file_with_names_is_uploaded_with_ids_on_the_same_lines(desk):
    names = Names(Api(Config(desk.URL, "none"), desk.fake.session))
    renamed = named(PLANS.encode(), ".csv", names)
    assert renamed.problems == []
    rows = list(csv.reader(io.StringIO(renamed.content.decode()), delimiter=";"))
    assert rows == [
        ["queue", "member", "weight", "overflow_threshold"],
        ["queue-1", "agent-001", "0,5", "0,85"],
        [],
        ["queue-2", "agent-002", "0,5", ""],
        ["queue-2", "agent-001", "0,3", ""],
    ]


def test_json_and_json_lines_may_have_names_too(desk, shown, file):
    plan = {"queue": "Support", "member_weights": {"Ana Ruiz": 0.4}}
    bodies = []
    desk.answers |= {
        "POST /fleets": lambda body: (bodies.append(body), desk.fleets.append([]), ACCEPTED)[-1],
    }
    other = plan | {"queue": "Sales"}
    files = [
        file("a.json", json.dumps({"plans": [plan, other], "options": {"on_failure": "hold"}})),
        file("b.json", json.dumps([plan, other])),
        file("c.jsonl", f"{json.dumps(plan)}\n\n{json.dumps(other)}\n"),
    ]
    for path in files:
        assert shown("fleet", "submit", path, "--wave", "1:30m:0", "--wave", "50%", "--strategy", "by-weight")[0] == 0
    ids = [{"queue_id": queue, "member_weights": {"agent-001": 0.4}} for queue in ("queue-1", "queue-2")]
    assert [body["plans"] for body in bodies] == [ids] * 3
    waves = [{"count": 1, "bake_s": 1800, "max_failed": 0}, {"share": 0.5}]
    assert bodies[0]["options"] == {"on_failure": "hold", "waves": waves}
    assert bodies[0]["defaults"] == {"strategy_reference": "by-weight", "dry_run": True}


def test_a_rehearsal_shows_what_each_queue_would_change(desk, shown, file):
    def accept(body):
        desk.fleets.append([desk.start(plan | body["defaults"]) for plan in body["plans"]])
        return answer(202, ACCEPTED)

    desk.answers["POST /fleets"] = accept
    path = file("plans.json", json.dumps([{"queue": "Support", "member_weights": {"Ana Ruiz": 0.4}}]))
    code, out, err = shown("fleet", "submit", path)
    assert (code, "ring 3 → 1" in out, "--confirm" in out, "fleet" in err) == (Exit.DIFFERS, True, True, True)
    rows = list(csv.DictReader(io.StringIO(shown("-o", "csv", "fleet", "submit", path)[1])))
    assert [(row["name"], row["status"]) for row in rows] == [("Support", "dry_run")]


def test_names_that_nobody_has_are_refused_together_and_nothing_is_sent(desk, shown, file):
    path = file("plans.csv", PLANS.replace("Support", "Suport").replace("Bo Lind", "Bo Lint"))
    code, out, _ = shown("-o", "json", "fleet", "submit", path, "--confirm")
    found = [(each["row"], each["column"], each["suggestion"]) for each in json.loads(out)]
    assert (code, found) == (Exit.REFUSED, [("2", "queue", "Support"), ("4", "e-mail", "Bo Lind")])
    assert all(request.method == "GET" for request in desk.fake.requests)


def test_what_the_api_refuses_of_a_fleet_has_its_row(desk, shown, file):
    wrong = {"path": "member_weights.x", "line": 3, "column": "weight", "message": "is above 1", "type": "less"}
    refusal = {"detail": "The fleet has 1 problem.", "errors": [wrong], "error_count": 7}
    desk.answers["POST /fleets"] = answer(422, refusal)
    path = file("plans.json", json.dumps([{"queue": "Support", "member_weights": {}}]))
    code, out, err = shown("fleet", "submit", path)
    assert (code, "is above 1" in out, "7 problems. The first 1 are listed" in err) == (Exit.REFUSED, True, True)


@pytest.mark.parametrize("text", ["0", "x", "101%", "5:30", "5:m", "-1"])
def test_a_wave_that_cannot_be_meant_is_refused(shown, file, text):
    code, _, err = shown("fleet", "submit", file("plans.json", "[]"), "--wave", text)
    assert (code, "is not a wave" in err) == (Exit.REFUSED, True)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("completed", Exit.DONE),
        ("running", Exit.DONE),
        ("held", Exit.NEEDS_A_PERSON),
        ("reverted", Exit.RESTORED),
        ("revert_incomplete", Exit.NEEDS_A_PERSON),
        ("cancelled", Exit.REFUSED),
    ],
)
def test_the_status_of_the_newest_fleet_is_its_exit_code(desk, shown, status, code):
    desk.answers |= {
        "GET /fleets": {"items": [{"fleet_id": "fleet"}], "next": "more"},
        "GET /fleets/fleet": FLEET | {"status": status, "terminal": status != "running"},
    }
    found, out, _ = shown("fleet", "status")
    assert (found, "2 completed" in out, "passed" in out) == (code, True, True)


def test_a_fleet_is_reverted_only_if_that_is_confirmed(desk, shown):
    desk.answers |= {
        "GET /fleets/fleet": FLEET,
        "POST /fleets/fleet/revert": answer(202, {"fleet_id": "fleet"}),
        "GET /fleets/fleet/queues": {"items": [], "next": None},
    }
    code, out, _ = shown("fleet", "revert", "fleet")
    assert (code, "2 of 2 queues would be reverted" in out) == (Exit.DIFFERS, True)
    desk.answers["GET /fleets/fleet"] = FLEET | {"status": "reverted"}
    assert "POST /fleets/fleet/revert" not in desk.sent
    assert shown("fleet", "revert", "fleet", "--confirm")[0] == Exit.DONE
    assert len(desk.sent["POST /fleets/fleet/revert"]) == 1


# ---- drift, shares ---------------------------------------------------------------------------------------------------

ENTRY = {
    "at": "2026-11-30T08:00:00.000Z",
    "changed_by": "supervisor-7",
    "action": "repair_deferred",
    "why": "Too young.",
}
ENTRY |= {"repair_status": None, "differences": [
    {"member": "agent-001", "setting": None, "expected": 1, "held": 4, "missing": False},
    {"member": "agent-002", "setting": None, "expected": 2, "held": None, "missing": True},
    {"member": None, "setting": "overflow_threshold", "expected": 0.85, "held": 0.5, "missing": False},
]}  # fmt: skip


def test_drift_names_people_and_says_by_its_exit_code_that_the_queue_differs(desk, shown):
    desk.answers["GET /queues/queue-1/drift"] = {"items": [ENTRY], "next": None}
    code, out, err = shown("drift", "Support", "--from", "2026-11-01")
    assert code == Exit.DONE, "the newest reading found nothing"
    assert desk.queries["GET /queues/queue-1/drift"]["from"] == "2026-10-31T23:00:00Z"
    assert rows_fit(out)
    for words in ("Ana Ruiz", "left the", "queue", "supervisor", "deferred"):
        assert words in out
    assert "Too young." in err
    desk.queues[0]["drift"] = 1
    assert shown("drift", "Support")[0] == Exit.DIFFERS
    code, out, _ = shown("drift")
    assert (code, "Support" in out, "Sales" in out) == (Exit.DIFFERS, True, False)


def share(user_id, requested, received, contacts, drawn):
    fields = {"user_id": user_id, "requested": requested, "drawn": 1, "drawn_share": drawn, "contacts": contacts}
    return fields | {"share": received, "low": received - 0.05, "high": received + 0.06}


def test_shares_have_names_figures_and_bars_within_80_columns(desk, shown):
    report = {"start": "2026-11-30T08:00:00.000Z", "end": "2026-11-30T09:00:00.000Z", "sentence": "As requested."}
    report |= {"contacts": 200, "realised_accuracy": 97.2, "accuracy_by_chance": 96.1, "notes": ["Figures still grow."]}
    report |= {"members": [share("agent-001", 0.6, 0.55, 110, 0.61), share("agent-002", 0.4, 0.4, 80, 0.39)]}
    report |= {"others": [share("somebody-whose-name-is-very-long-indeed", None, 0.05, 10, 0.0)]}
    desk.answers["GET /queues/queue-1/shares"] = report
    code, out, err = shown("shares", "Support", "--from", "2026-11-30 09:00", "--to", "2026-11-30T09:00:00Z")
    assert code == Exit.DONE
    for words in (
        "Ana Ruiz",
        "60.0 %",
        "55.0 %",
        "6.0 %",
        "61.0 %",
        "97.2 %",
        "96.1 %",
        "█",
        "│",
        "somebody-whose-na…",
    ):
        assert words in out
    assert "Figures still grow." in err
    span = {"from": "2026-11-30T08:00:00Z", "to": "2026-11-30T09:00:00Z"}
    assert desk.queries["GET /queues/queue-1/shares"] == span
    assert rows_fit(out)
    first = next(csv.DictReader(io.StringIO(shown("shares", "Support", "-o", "csv")[1])))
    assert (first["user_id"], first["received"]) == ("agent-001", "0.55")
    assert json.loads(shown("shares", "Support", "-o", "json")[1]) == report


def test_a_bar_is_as_long_as_its_value_and_marks_what_was_requested():
    assert bar(0.5, 1.0, 8) == "████    "
    assert bar(1.0, 1.0, 4) == bar(7.0, 1.0, 4) == "████"
    assert bar(1 / 32, 1.0, 4) == "▏   "
    assert bar(0.5, 1.0, 8, 0.75) == "████  │ "
    assert bar(0.5, 1.0, 4, 1.0) == "██ │"
    assert bar(0.0, 0.0, 4) == bar(-1.0, 1.0, 4) == "    "


# ---- approvals -------------------------------------------------------------------------------------------------------

WAITING = {
    "distribution_id": DISTRIBUTION,
    "queue_id": "queue-1",
    "fleet_id": "fleet",
    "asked_by": "arn:aws:iam::1:user/ada",
}
WAITING |= {"expires_at": "2026-11-30T08:00:00.000Z", "reasons": ["The plan asks for approval."]}


@pytest.fixture
def waiting(desk):
    """A distribution of Support that waits. It completes once somebody approves it."""
    desk.start({"queue_id": "queue-1", "member_weights": {"agent-001": 0.9}})
    approval = {"state": "waiting", "hash": "f" * 64, **WAITING}
    desk.records[DISTRIBUTION] |= {"status": "initiated", "terminal": False, "approval": approval}

    def approve(_body):
        desk.records[DISTRIBUTION] |= {"status": "completed", "terminal": True, "approval": {"state": "approved"}}
        return answer(202, {})

    rejected = WAITING | {"state": "rejected", "answered_by": "bo", "reason": "no"}
    desk.answers |= {
        "GET /approvals": {"items": [WAITING], "more": False},
        f"POST /distributions/{DISTRIBUTION}/approve": approve,
        f"POST /distributions/{DISTRIBUTION}/reject": rejected,
        "POST /fleets/fleet/approve": {"answered": [DISTRIBUTION], "refused": {}, "left": 0},
    }
    return desk


def test_what_waits_is_listed_and_needs_a_person(waiting, shown):
    code, out, err = shown("approvals")
    assert (code, "Support" in out, "ada" in out, DISTRIBUTION in err) == (Exit.NEEDS_A_PERSON, True, True, True)
    waiting.answers["GET /approvals"] = {"items": [], "more": False}
    assert shown("approvals", "Support")[0] == Exit.DONE
    assert waiting.queries["GET /approvals"] == {"queue_id": "queue-1"}


def test_an_approval_shows_what_it_is_about_and_is_bound_to_what_was_shown(waiting, shown):
    approve = f"POST /distributions/{DISTRIBUTION}/approve"
    code, out, _ = shown("approve", "Support")
    assert (code, "ring 3 → 1" in out, approve in waiting.sent) == (Exit.NEEDS_A_PERSON, True, False)
    assert shown("approve", "Support", "--confirm")[0] == Exit.REFUSED, "without a reason"
    assert shown("approve", "Support", "--confirm", "--reason", "I have looked.")[0] == Exit.DONE
    assert waiting.sent[approve] == [{"reason": "I have looked.", "hash": "f" * 64}]
    code, _, err = shown("approve", DISTRIBUTION, "--confirm", "--reason", "again")
    assert (code, "does not wait" in err) == (Exit.REFUSED, True)


def test_a_rejection_needs_a_reason_and_a_fleet_is_answered_as_a_whole(waiting, shown):
    assert shown("reject", "Support")[0] == Exit.REFUSED
    assert shown("reject", "Support", "--reason", "no")[0] == Exit.DONE
    assert waiting.sent[f"POST /distributions/{DISTRIBUTION}/reject"] == [{"reason": "no"}]
    assert shown("approve", "fleet", "--fleet")[0] == Exit.NEEDS_A_PERSON
    assert shown("approve", "fleet", "--fleet", "--confirm", "--reason", "all")[0] == Exit.DONE
    assert waiting.sent["POST /fleets/fleet/approve"] == [{"reason": "all"}]


def test_a_queue_with_two_that_wait_needs_an_id(waiting, shown):
    waiting.answers["GET /approvals"] = {"items": [WAITING, WAITING | {"distribution_id": "other"}], "more": True}
    code, _, err = shown("approve", "Support")
    assert (code, DISTRIBUTION in err, "other" in err) == (Exit.NEEDS_A_PERSON, True, True)
    waiting.answers["GET /approvals"] = {"items": [], "more": False}
    code, _, err = shown("reject", "Sales", "--reason", "no")
    assert (code, "Nothing of Sales waits" in err) == (Exit.REFUSED, True)


# ---- audit -----------------------------------------------------------------------------------------------------------


def test_a_verification_that_finds_something_needs_a_person(desk, shown):
    report = {"sound": True, "records": 4, "chains": 1, "documents": 2, "checkpoints": 1, "findings": []}
    desk.answers["GET /audit/verification"] = report
    code, out, _ = shown("audit", "verify")
    assert (code, "Records: 4" in out) == (Exit.DONE, True)
    finding = {"kind": "altered", "sentence": "The record of a distribution is not as it was written."}
    desk.answers["GET /audit/verification"] = report | {"sound": False, "findings": [finding]}
    code, out, err = shown("audit", "verify")
    assert (code, "altered" in out, "audit.md" in err) == (Exit.NEEDS_A_PERSON, True, True)


# ---- forecasts -------------------------------------------------------------------------------------------------------


def week(queue="Support", begin=None, count=4):
    begin = begin or datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    starts = [(begin + number * timedelta(minutes=15)).isoformat() for number in range(count)]
    return "queue,start,volume,aht_s\n" + "".join(f"{queue},{start},{10 + n},180\n" for n, start in enumerate(starts))


def test_a_file_of_forecasts_is_one_push_for_each_queue(desk, shown, file):
    route = "PUT /queues/queue-1/forecast"
    desk.answers[route] = {}
    path = file("week.csv", week("Insurance"))
    code, out, _ = shown("forecast", "import", path, "--queue", "Insurance=Support", "--dry-run")
    assert (code, "Support" in out, route in desk.sent) == (Exit.DONE, True, False)
    assert shown("forecast", "import", path, "--queue", "Insurance=Support")[0] == Exit.DONE
    (body,) = desk.sent[route]
    assert (body["offered"], body["interval_s"], body["source"], len(body["later"])) == (10, 900, "week.csv", 3)


def test_a_forecast_file_with_a_mistake_pushes_nothing(desk, shown, file):
    path = file("week.csv", week("Suport") + "Sales,2026-11-30T08:00,x,1\n")
    code, out, _ = shown("-o", "json", "forecast", "import", path)
    found = {(each["row"], each["column"]): each["suggestion"] for each in json.loads(out)}
    assert (code, found) == (Exit.REFUSED, {("2", "queue"): "Support", ("6", "start"): "", ("6", "volume"): ""})
    both = file("both.csv", week() + week("queue-1").partition("\n")[2])
    code, out, _ = shown("forecast", "import", both)
    assert (code, "the same queue" in out) == (Exit.REFUSED, True)
    assert all(request.method == "GET" for request in desk.fake.requests)


def test_a_file_that_is_over_is_refused(shown, file):
    path = file("old.csv", week(begin=datetime(2020, 1, 1, tzinfo=UTC)))
    code, _, err = shown("forecast", "import", path)
    assert (code, "nothing was pushed" in err) == (Exit.REFUSED, True)
    assert shown("forecast", "import", path, "--queue", "Support")[0] == Exit.REFUSED


def test_rows_are_named_as_people_do():
    assert ranges([7, 2, 5, 6, 8]) == "2, 5-8"


def test_a_group_without_a_command_shows_its_help_and_no_error(shown):
    for group in ("fleet", "schedule", "baseline", "plans", "forecast", "audit"):
        code, out, err = shown(group)
        assert (code, "Commands" in out, "Error" in err) == (Exit.REFUSED, True, False)


# ---- completion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "typed", "completed"),
    [
        ("bash", "su", ["Support", "'Support at night'"]),
        ("zsh", "Support a", ["Support at night"]),
        ("fish", "", ["Sales", "Support", "Support at night"]),
        ("bash", "night", []),
    ],
)
def test_a_shell_completes_the_names_of_queues(shell, typed, completed):
    desk = Deployment("Sales", "Support", "Support at night")
    session = Session(environ={"ROUTING_WEIGHTS_API": desk.URL, "_ROUTING_WEIGHTS_COMPLETE": f"complete_{shell}"})
    session.api = Api(session.config, desk.fake.session)
    context = SimpleNamespace(find_root=lambda: SimpleNamespace(obj=session))
    assert [name for name, _ in arguments._queues(context, typed)] == completed
    desk.answers["GET /queues"] = answer(403, {"detail": "no"})
    assert list(arguments._queues(context, typed)) == [], "a shell has no place for an error"


# ---- doctor ----------------------------------------------------------------------------------------------------------


def test_the_doctor_says_what_may_be_done_and_changes_nothing(desk, shown):
    refused = answer(403, {"detail": "This needs the role approver."})
    nobody = "00000000-0000-0000-0000-000000000000"
    desk.answers |= {
        f"DELETE /schedules/{nobody}": answer(404, {"detail": "No schedule has this name."}),
        f"POST /distributions/{nobody}/reject": refused,
    }
    for queue in desk.queues:
        queue["members"] = 3
    code, out, _ = shown("doctor")
    assert code == Exit.DONE
    assert "You see 2 queues in Home." in " ".join(out.split())
    assert "You may change queues." in out
    assert "skipped  approver" in out
    assert "GENESYSCLOUD_OAUTHCLIENT_ID" in out
    desk.queues.clear()
    assert shown("doctor")[0] == Exit.REFUSED


def test_the_command_line_knows_the_regions_of_the_layer():
    assert genesys.DOMAINS == regions.DOMAINS


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({}, "is not set"),
        ({"GENESYSCLOUD_REGION": "mars-east-1"}, "no region"),
        ({"GENESYSCLOUD_REGION": "https://api.example.com"}, "no region"),
        ({"GENESYS_BASE_URL": "https://genesys.example.com"}, "not on this machine"),
    ],
)
def test_credentials_go_to_hosts_of_genesys_only(environ, words):
    with pytest.raises(CliError, match=words):
        genesys.Genesys.of({"GENESYSCLOUD_ACCESS_TOKEN": "secret", **environ})


def test_a_region_has_the_names_that_other_tools_take():
    for region in ("eu-central-1", "mypurecloud.de", "https://api.mypurecloud.de"):
        found = genesys.Genesys.of({"GENESYSCLOUD_ACCESS_TOKEN": "secret", "GENESYSCLOUD_REGION": region})
        assert found.url == "https://api.mypurecloud.de"
    with pytest.raises(genesys.NoCredentialsError):
        genesys.Genesys.of({"GENESYSCLOUD_OAUTHCLIENT_ID": "a"})
