"""The circle of a sheet: export, dry run, confirm, result; and the commands about distributions. Against a fake API."""

import csv
import io
import json

import pytest

from routing_weights_cli.diff import held
from routing_weights_cli.errors import Exit
from routing_weights_cli.sheet import read_sheet
from tests.support.cli import Desk, answer

HEAD = "queue,email,weight\r\n"
WHOLE = (
    f"{HEAD}Support,ana.ruiz@example.com,0.2\r\nSupport,bo.lind@example.com,30%\r\nSupport,cem.kaya@example.com,0.5\r\n"
)


@pytest.fixture
def desk():
    return Desk("Support", "Support sales", "Sales")


@pytest.fixture
def sheet(tmp_path):
    """Write a sheet, and return its path."""

    def write(content):
        path = tmp_path / "support.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# ---- out -------------------------------------------------------------------------------------------------------------


def test_an_export_goes_back_without_a_change(desk, sheet, capfdbinary):
    assert desk.run("export", "support") == Exit.DONE
    exported = capfdbinary.readouterr().out
    assert exported.startswith(
        b"\xef\xbb\xbfqueue,email,name,weight,holds\r\nSupport,ana.ruiz@example.com,Ana Ruiz,0.5,"
    )
    assert desk.run("plan", sheet(exported)) == Exit.DONE
    assert desk.plans[-1]["member_weights"] == desk.weights
    assert desk.plans[-1]["dry_run"] is True


def test_a_name_that_does_not_lead_back_is_exported_as_an_id(desk, sheet, capfdbinary, monkeypatch):
    desk.queues.append({"queue_id": "queue-9", "name": "Sales"})
    desk.in_force["queue-9"] = Desk.plan_in_force("queue-9")
    members = [{**member, "name": "Bo Lind", "email": None} for member in desk.members("queue-9")]
    monkeypatch.setattr(desk, "members", lambda _: members)
    assert desk.run("export", "queue-9") == Exit.DONE
    exported = capfdbinary.readouterr().out
    assert b"queue-9,agent-001,Bo Lind,0.5,ring 3" in exported
    assert desk.run("plan", sheet(exported)) == Exit.DONE


def test_a_sheet_for_german_spreadsheets_has_semicolons_and_decimal_commas(desk, tmp_path):
    path = tmp_path / "out.csv"
    assert desk.run("export", "Support", "--separator", "semicolon", "--file", path) == Exit.DONE
    assert ";0,5;" in path.read_text()
    assert read_sheet(path.read_bytes()).problems == []


# ---- in --------------------------------------------------------------------------------------------------------------


def test_a_dry_run_shows_the_diff_and_writes_nothing(desk, sheet, capsys):
    assert desk.run("apply", sheet(WHOLE)) == Exit.DIFFERS
    shown = capsys.readouterr().out
    assert "~ Ana Ruiz" in shown
    assert "ring 3 → 1" in shown
    assert "2 members would change. Nothing was written." in shown
    assert desk.plans == [
        {
            "queue_id": "queue-1",
            "member_weights": {"agent-001": 0.2, "agent-002": 0.3, "agent-003": 0.5},
            "overflow_threshold": 0.85,
            "utilization_target": 0.8,
            "strategy_reference": "by-weight",
            "actuator": "ring",
            "based_on": "in-force-of-queue-1",
            "dry_run": True,
        }
    ]


def test_a_confirmed_sheet_is_applied_and_comes_back_with_its_result(desk, sheet, capsys):
    path = sheet(WHOLE)
    arguments = ("--confirm", "--until", "2099-07-01 18:00", "--reason", "storm")
    assert desk.run("apply", path, *arguments) == Exit.DONE
    plan = desk.plans[-1]
    assert (plan["dry_run"], plan["until"], plan["reason"]) == (False, "2099-07-01T16:00:00Z", "storm")
    error = capsys.readouterr().err
    assert "2099-07-01 18:00 CEST, in zone Europe/Berlin" in error
    assert "If you leave, this shows how it ends:\n  routing-weights watch 00000000-" in error
    rows = list(csv.DictReader(io.StringIO(path.with_suffix(".result.csv").read_text(encoding="utf-8-sig"))))
    outcomes = [(row["before"], row["after"], row["result"], row["reason"]) for row in rows]
    assert outcomes[0] == ("ring 3", "ring 1", "changed", "storm")
    assert outcomes[1][:3] == ("ring 3", "ring 3", "unchanged")


def test_every_problem_has_its_row_and_column_and_nothing_is_sent(desk, sheet, capsys, tmp_path):
    desk.queues.append({"queue_id": "queue-9", "name": "Sales", "division": "North"})
    content = (
        "\ufeffQueue;E-Mail;Weight;Colour\r\n"
        "Suport;ana.ruiz@example.com;0,4;red\r\n"
        "Support;anna.ruiz@example.com;0,1;red\r\n"
        "Support;bo.lind@example.com;=A1;red\r\n"
        "Support;cem.kaya@example.com;0,2;\r\n"
        "support;Cem.Kaya@example.com;0,2;\r\n"
        "Sales;bo.lind@example.com;1;\r\n"
    )
    result = tmp_path / "problems.csv"
    assert desk.run("-o", "json", "apply", sheet(content), "--confirm", "--result", result) == Exit.REFUSED
    captured = capsys.readouterr()
    found = {(p["row"], p["column"], p["value"]): p["suggestion"] for p in json.loads(captured.out)}
    assert found[("2", "queue", "Suport")] == "Support"
    assert found[("3", "email", "anna.ruiz@example.com")] == "ana.ruiz@example.com"
    assert ("4", "weight", "=A1") in found
    assert ("6", "email", "Cem.Kaya@example.com") in found
    assert ("7", "queue", "Sales") in found
    assert "Colour" in captured.err
    assert desk.plans == []
    rows = list(csv.DictReader(io.StringIO(result.read_text(encoding="utf-8-sig")), delimiter=";"))
    assert [row["result"] for row in rows] == ["refused", "refused", "refused", "not applied", "refused", "refused"]
    assert "Did you mean Support?" in rows[0]["reason"]


def test_a_wrong_weight_hides_no_other_problem_and_makes_none(desk, sheet, capsys):
    rows = "Support,ana.ruiz@example.com,40\r\nSupport,bo.lnid@example.com,=A1\r\nSupport,cem.kaya@example.com,0.1\r\n"
    assert desk.run("-o", "json", "plan", sheet(HEAD + rows)) == Exit.REFUSED
    found = [(p["row"], p["column"], p["suggestion"]) for p in json.loads(capsys.readouterr().out)]
    assert found == [("2", "weight", "40%"), ("3", "weight", ""), ("3", "email", "bo.lind@example.com")]


def test_a_result_that_cannot_be_written_does_not_hide_that_the_plan_was_applied(desk, sheet, capsys, tmp_path):
    assert desk.run("apply", sheet(WHOLE), "--confirm", "--result", tmp_path / "none" / "out.csv") == Exit.DONE
    assert "could not be written" in capsys.readouterr().err


def test_three_thousand_rows_are_refused_with_each_row_named(desk, sheet, capsys):
    rows = "".join(f"Suport,agent-{number}@example.com,0\r\n" for number in range(3000))
    assert desk.run("-o", "json", "plan", sheet(HEAD + rows)) == Exit.REFUSED
    assert [problem["row"] for problem in json.loads(capsys.readouterr().out)] == ["2-3001"]
    asked = len(desk.fake.requests)
    assert asked < 5, "a name is asked for once"


def test_members_without_a_weight_need_a_word(desk, sheet, capsys):
    path = sheet(f"{HEAD}Support,ana.ruiz@example.com,0.4\r\nSupport,bo.lind@example.com,\r\n")
    assert desk.run("plan", path) == Exit.REFUSED
    assert "--merge" in capsys.readouterr().out.replace("\n", " ")
    assert desk.plans == []
    assert desk.run("plan", path, "--merge") == Exit.DIFFERS
    assert desk.plans[-1]["member_weights"] == {"agent-001": 0.4, "agent-002": 0.3, "agent-003": 0.2}
    assert desk.run("plan", path, "--replace") == Exit.DIFFERS
    assert desk.plans[-1]["member_weights"] == {"agent-001": 0.4, "agent-002": 0, "agent-003": 0}


def test_weights_that_sum_to_more_than_one_say_whose_they_are(desk, sheet, capsys):
    path = sheet(f"{HEAD}Support,ana.ruiz@example.com,80%\r\n")
    assert desk.run("-o", "json", "plan", path, "--merge") == Exit.REFUSED
    message = json.loads(capsys.readouterr().out)[0]["problem"]
    assert "sum to 1.3, 0.5 of it of members whom the sheet gives no weight" in message
    assert desk.run("plan", path, "--merge", "--normalize") == Exit.DIFFERS
    assert desk.plans[-1]["normalize"] is True


def test_a_queue_that_was_never_planned_needs_the_rest_of_a_plan(desk, sheet, capsys):
    desk.in_force["queue-1"] = None
    assert desk.run("-o", "json", "plan", sheet(WHOLE)) == Exit.REFUSED
    rest = json.loads(capsys.readouterr().out)[0]["suggestion"].split()
    assert rest == ["--overflow-threshold", "0.85", "--utilization-target", "0.8", "--strategy", "by-weight"]
    assert desk.run("plan", sheet(WHOLE), *rest) == Exit.DIFFERS
    assert desk.plans[-1]["based_on"] == "none"


def test_rows_of_several_queues_are_one_fleet(desk, sheet, capsys):
    path = sheet(WHOLE + WHOLE.removeprefix(HEAD).replace("Support", "Sales"))
    assert desk.run("apply", path, "--confirm") == Exit.DONE
    assert [plan["queue_id"] for plan in desk.plans] == ["queue-1", "queue-3"]
    assert "The fleet has begun" in capsys.readouterr().err
    assert desk.run("plan", path) == Exit.DIFFERS
    assert "4 members of 2 queues would change." in capsys.readouterr().out


FAILED = {"status": "member_update_failed", "terminal": True, "restore": {"outcome": "restored", "edited": []}}


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ({"queue-1": FAILED, "queue-3": FAILED}, Exit.RESTORED),
        ({"queue-3": FAILED}, Exit.NEEDS_A_PERSON),
        ({name: {"status": "saturation_blocked", "terminal": True} for name in ("queue-1", "queue-3")}, Exit.REFUSED),
    ],
)
def test_a_fleet_that_fails_says_if_a_person_must_look(desk, sheet, ends, code):
    desk.ends_of, desk.fleet_status = ends, "partly_completed"
    path = sheet(WHOLE + WHOLE.removeprefix(HEAD).replace("Support", "Sales"))
    assert desk.run("apply", path, "--confirm") == code
    results = list(csv.DictReader(io.StringIO(path.with_suffix(".result.csv").read_text(encoding="utf-8-sig"))))
    assert (results[0]["result"] == "restored") is (ends.get("queue-1") is FAILED)


def test_sentences_of_the_api_have_names(desk, sheet, capsys):
    reason = "Agents of queue-1 are starved: agent-002."
    desk.ends = {"status": "saturation_blocked", "terminal": True}
    desk.ends |= {"projection": {"verdict": "blocked", "reason": reason, "source": "plan", "checks": []}}
    assert desk.run("apply", sheet(WHOLE), "--confirm") == Exit.REFUSED
    assert "Agents of Support are starved: Bo Lind." in capsys.readouterr().out


def test_what_the_api_refuses_is_at_its_row(desk, sheet, capsys):
    found = {"path": "member_weights.agent-003", "message": "has left", "type": "member_unknown"}
    desk.refusal = answer(422, {"detail": "The plan is not valid.", "errors": [found]})
    assert desk.run("-o", "json", "plan", sheet(WHOLE)) == Exit.REFUSED
    problem = json.loads(capsys.readouterr().out)[0]
    assert (problem["row"], problem["problem"]) == ("4", "Cem Kaya: has left")


def test_what_only_the_queue_could_tell_is_at_its_row(desk, sheet, capsys):
    found = {"path": "member_weights.agent-002", "message": "ring 2 is not there", "type": "ring"}
    desk.ends = {"status": "validation_failed", "terminal": True, "errors": [found]}
    assert desk.run("-o", "json", "apply", sheet(WHOLE), "--confirm") == Exit.REFUSED
    problem = json.loads(capsys.readouterr().out)[0]
    assert (problem["row"], problem["problem"]) == ("3", "Bo Lind: ring 2 is not there")


def test_a_sheet_that_is_older_than_the_queue_is_noted(desk, sheet, capsys):
    old = WHOLE.replace("weight\r\n", "weight,holds\r\n").replace("0.2\r\n", "0.2,ring 5\r\n")
    assert desk.run("plan", sheet(old)) == Exit.DIFFERS
    assert "Support has changed since the export: the column holds is old in row 2." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ends", "code", "words"),
    [
        ({"status": "saturation_blocked"}, Exit.REFUSED, "would not cope"),
        ({"status": "member_update_failed", "restore": {"outcome": "restored"}}, Exit.RESTORED, "is restored"),
        (
            {"status": "member_update_failed", "restore": {"outcome": "partial", "unrestored": ["agent-002"]}},
            Exit.NEEDS_A_PERSON,
            "of this run: Bo Lind.",
        ),
        ({"status": "approval_expired"}, Exit.NEEDS_A_PERSON, "Nobody approved"),
        ({"status": "outdated"}, Exit.REFUSED, "Somebody else"),
    ],
)
def test_the_exit_code_says_how_it_ended(desk, sheet, capsys, ends, code, words):
    desk.ends = {"terminal": True, **ends}
    assert desk.run("apply", sheet(WHOLE), "--confirm") == code
    assert words in capsys.readouterr().out


def test_a_plan_that_waits_for_an_approval_needs_a_person(desk, sheet, capsys):
    waiting = {"state": "waiting", "reasons": ["The forecast is old."], "expires_at": "2026-12-01T14:00:00Z"}
    desk.ends = {"status": "initiated", "terminal": False, "approval": waiting}
    assert desk.run("apply", sheet(WHOLE), "--confirm") == Exit.NEEDS_A_PERSON
    shown = capsys.readouterr()
    assert "The forecast is old." in shown.out
    assert "2026-12-01 15:00 CET" in shown.out
    assert "routing-weights approve" in shown.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--until", "25:00"), "is not a time"),
        (("--merge", "--replace"), "contradict"),
        (("--until", "2099-10-25 02:30"), "twice"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_sent(desk, sheet, capsys, arguments, words):
    assert desk.run("apply", sheet(WHOLE), "--confirm", *arguments) == Exit.REFUSED
    assert words in capsys.readouterr().err
    assert desk.plans == []


def test_a_file_that_is_not_there_is_refused(desk, capsys, tmp_path):
    assert desk.run("plan", tmp_path / "none.csv") == Exit.REFUSED
    assert "No such file" in capsys.readouterr().err


def test_reason_and_until_may_be_columns_and_one_queue_has_one_of_each(desk, sheet, capsys):
    head, *rows = WHOLE.splitlines()
    head, rows = f"{head},reason,until", [f"{row},storm,2099-07-01 18:00" for row in rows]
    assert desk.run("plan", sheet("\n".join([head, *rows]))) == Exit.DIFFERS
    assert (desk.plans[-1]["reason"], desk.plans[-1]["until"]) == ("storm", "2099-07-01T16:00:00Z")
    capsys.readouterr()
    rows[2] = rows[2].replace("storm", "flood")
    assert desk.run("-o", "json", "plan", sheet("\n".join([head, *rows]))) == Exit.REFUSED
    assert [(p["row"], p["column"], p["value"]) for p in json.loads(capsys.readouterr().out)] == [
        ("4", "reason", "flood")
    ]


# ---- distributions ---------------------------------------------------------------------------------------------------


@pytest.fixture
def applied(desk, sheet):
    """A queue with two distributions: the older one gives everybody ring 3, the newer one a dry run."""
    desk.run("apply", sheet(WHOLE), "--confirm", "--reason", "storm")
    desk.run("plan", sheet(WHOLE))
    desk.in_force["queue-1"] = {**Desk.plan_in_force("queue-1"), "distribution_id": next(iter(desk.records))}
    return desk


def test_the_history_names_each_distribution_by_its_place(applied, capsys):
    capsys.readouterr()
    assert applied.run("history", "Support") == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["~0", "~1"]
    assert "2026-12-01 11:00 CET" in lines[1]
    assert "storm" in lines[2]


@pytest.mark.parametrize("ref", ["Support", "Support~1", "00000000-0000-0000-0000-000000000001"])
def test_a_restore_is_dry_until_it_is_confirmed(applied, ref):
    assert applied.run("restore", ref) in {Exit.DONE, Exit.DIFFERS}
    assert applied.plans[-1]["dry_run"] is True
    assert applied.run("restore", ref, "--confirm", "--reason", "storm is over") == Exit.DONE
    assert (applied.plans[-1]["dry_run"], applied.plans[-1]["reason"]) == (False, "storm is over")


def test_a_queue_without_a_distribution_has_nothing_to_restore(desk, capsys):
    desk.in_force["queue-1"] = None
    assert desk.run("restore", "Support") == Exit.REFUSED
    assert "nothing to revert" in capsys.readouterr().err
    assert desk.run("status", "Support") == Exit.REFUSED
    assert desk.run("restore", "Support~3") == Exit.REFUSED


def test_a_distribution_is_compared_with_another_and_with_what_genesys_holds(applied, capsys):
    assert applied.run("diff", "Support") == Exit.DONE
    first = next(iter(applied.records.values()))
    first["actuation"]["members"]["agent-001"]["value"] = 1
    assert applied.run("diff", "Support") == Exit.DIFFERS
    assert "~ Ana Ruiz                   ring 1 → ring 3" in capsys.readouterr().out
    assert applied.run("-o", "json", "diff", "Support~0", "Support~1") == Exit.DIFFERS
    assert json.loads(capsys.readouterr().out)[0]["member"] == "Ana Ruiz"


def test_values_of_another_actuator_are_not_compared(applied, capsys):
    applied.in_force["queue-1"]["actuator"] = "proficiency"
    assert applied.run("diff", "Support~1") == Exit.DIFFERS
    assert "ring carried its weights, and now proficiency does" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("actuator", "value", "words"),
    [
        *(("ring", 3, "ring 3"), ("ring", None, "no ring"), ("share", 0.4, "share 0.4"), ("share", 0.0, "no share")),
        *(("joined", True, "joined"), ("joined", None, "not joined"), ("proficiency", 0.0, "proficiency 0")),
    ],
)
def test_a_value_is_in_the_words_of_the_api(actuator, value, words):
    assert held(actuator, value) == words


def test_watch_and_status_follow_a_distribution_a_fleet_or_a_queue(applied, capsys):
    capsys.readouterr()
    assert applied.run("status", "Support~1") == Exit.DONE
    assert "The plan was applied and read back." in capsys.readouterr().out
    assert applied.run("watch", "Support") == Exit.DIFFERS
    assert "Nothing was written." in capsys.readouterr().out


def test_an_interrupted_wait_says_how_to_go_on(desk, sheet, capsys):
    desk.ends = {"status": "initiated", "terminal": False}
    pauses = iter([None, None])

    def sleep(_):
        if next(pauses, "over") == "over":
            raise KeyboardInterrupt

    assert desk.run("apply", sheet(WHOLE), "--confirm", sleep=sleep) == 130
    assert "It goes on without you. This shows how it ends:\n  routing-weights watch 0000" in capsys.readouterr().err
