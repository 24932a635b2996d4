"""docs/use/command-line.md: its commands, in their order, against the deployed system. Names only."""

import csv
import json
import re
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from routing_weights_cli.app import Session
from routing_weights_cli.errors import Exit
from routing_weights_cli.main import main
from tests.support.cli import until_listed
from tests.support.leaks import look_at_received
from tests.support.waiting import DEADLINE_S, until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, ROOT, a_plan

PAGE = (ROOT / "docs" / "use" / "command-line.md").read_text(encoding="utf-8")
NAMES = {"Support": "Support of the page", "Sales": "Sales of the page"}
"""The queues of this file: other tests may have a queue of the same name."""
DIVISION = {"id": "of-page", "name": "Of the page"}


@pytest.fixture(scope="module", autouse=True)
def queues(platform_world):
    """Support and Sales, by name. Nothing was ever planned for Sales."""
    ids = {name: platform_world.queue(4, queue={"name": long, "division": DIVISION}) for name, long in NAMES.items()}
    platform_world.run(a_plan(ids["Support"], strategy_reference="by-weight")).ends("completed")
    until_listed(platform_world, *NAMES.values())
    yield ids
    for name, queue_id in ids.items():
        platform_world.put_queue(queue_id, agents=4, queue={"name": f"{name} of a test that is over"})


@pytest.fixture
def run(platform_world, tmp_path, monkeypatch, capsys):
    """Run a command as the page has it, in a folder of its own. Returns its exit code, its output and its notes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    environ = {"ROUTING_WEIGHTS_API": platform_world.api_url, "ROUTING_WEIGHTS_ZONE": "Europe/Berlin"}

    def run(line, **further):
        program, *words = shlex.split(line)
        assert program == "routing-weights"
        code = main([NAMES.get(word, word) for word in words], Session(environ={**environ, **further}))
        captured = capsys.readouterr()
        look_at_received("the terminal", f"{captured.out}{captured.err}".encode())
        return code, captured.out, captured.err

    return run


def section(heading):
    """The commands and the files of a section."""
    (text,) = re.findall(rf"^## {heading}[^\n]*\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    commands = [line for kind, block in blocks if kind == "sh" for line in block.splitlines()]
    return commands, [block for kind, block in blocks if kind != "sh"]


def test_every_section_of_the_page_is_run_here():
    run_here = ["What is missing", "Baselines", "Named plans", "Schedules", "Fleets", "Forecasts"]
    run_here += ["What came out", "Approvals", "Evidence"]
    headings = [line.removeprefix("## ") for line in PAGE.splitlines() if line.startswith("## ")]
    with_commands = [heading for heading in headings if section(re.escape(heading))[0]]
    assert len(with_commands) == len(run_here)
    assert all(heading.startswith(name) for heading, name in zip(with_commands, run_here, strict=True))


def test_the_doctor_says_what_is_there(run, platform_world):
    (command,), _ = section("What is missing")
    code, out, _ = run(command)
    assert code == Exit.DONE, out
    assert "Support of the page has 4 members" in " ".join(out.split())
    asked = {"GENESYS_BASE_URL": platform_world.sim.url, "GENESYSCLOUD_OAUTHCLIENT_ID": CLIENT_ID}
    code, out, _ = run(command, **asked, GENESYSCLOUD_OAUTHCLIENT_SECRET=CLIENT_SECRET)
    assert (code, "ok       divisions" in out, CLIENT_SECRET in out) == (Exit.DONE, True, False)
    code, out, err = run(command, **asked, GENESYSCLOUD_OAUTHCLIENT_SECRET="wrong")
    assert (code, "gives the OAuth client no token" in " ".join((out + err).split())) == (Exit.REFUSED, True)


def test_the_doctor_names_the_divisions_that_are_not_covered(run, platform_world):
    grant = {"role": "Supervisor", "division": "of-page", "permissions": ["routing:queue:view"]}
    platform_world.sim.put_person("viewer-of-page", name="Vera", grants=[grant])
    token, people = platform_world.sim.user_token("viewer-of-page"), platform_world.ready["people_api_url"]
    headers = {"Authorization": f"Bearer {token}"}

    def listed():
        answer = platform_world.http.get(f"{people}/queues", headers=headers, timeout=DEADLINE_S)
        return answer.json().get("items", [])

    until(lambda: len(listed()) == len(NAMES))  # a listing may be 15 seconds old
    environ = {"ROUTING_WEIGHTS_API": people, "ROUTING_WEIGHTS_TOKEN": token}
    environ |= {"GENESYS_BASE_URL": platform_world.sim.url, "GENESYSCLOUD_OAUTHCLIENT_ID": CLIENT_ID}
    platform_world.queue()  # of another division, and listed by Genesys
    code, out, _ = run("routing-weights doctor", **environ, GENESYSCLOUD_OAUTHCLIENT_SECRET=CLIENT_SECRET)
    shown = " ".join(out.split())
    assert code == Exit.REFUSED
    assert "You see 2 queues in Of the page." in shown
    assert "skipped planner" in shown
    assert "missing divisions" in shown
    assert re.search(r"does not cover [^.]*\bHome\b", shown), "other tests have divisions, too"
    code, out, _ = run("routing-weights doctor", **environ | {"GENESYSCLOUD_ACCESS_TOKEN": token})
    assert (code, "sees all 2 queues" in " ".join(out.split())) == (Exit.DONE, True)


def test_a_baseline_is_set_listed_and_compared(run):
    setting, listing, restoring = section("Baselines")[0]
    assert run(setting)[0] == Exit.DONE
    assert "Default" in run(listing)[1]
    code, out, _ = run(restoring)
    assert (code, "Nothing would change." in out) == (Exit.DONE, True)


def test_a_named_plan_is_saved_and_applied(run, platform_world, queues):
    saving, listing, showing, comparing, dry, confirmed = section("Named plans")[0]
    assert run(saving)[0] == Exit.DONE
    assert "Peak" in run(listing)[1]
    assert "0.5" in run(showing)[1]
    assert run(comparing)[0] == Exit.DONE
    platform_world.run(a_plan(queues["Support"], {"agent-001": 0.1, "agent-002": 0.9})).ends("completed")
    assert run(comparing)[0] == Exit.DIFFERS
    code, _, err = run(saving)
    assert (code, "saved" in err) == (Exit.REFUSED, True), "no plan is replaced by chance"
    assert run(dry)[0] == Exit.DIFFERS
    code, out, _ = run(confirmed)
    assert (code, "The plan was applied and read back." in out) == (Exit.DONE, True)
    assert run(comparing)[0] == Exit.DONE
    assert run(f"{saving} --replace")[0] == Exit.DONE


def test_schedules_are_put_previewed_and_deleted(run):
    for heading in ("Baselines", "Named plans"):  # what the schedules apply; it is there unless this test runs alone
        run(section(heading)[0][0])
    weekly, weekend, preview, listing, showing, *deleting = section("Schedules")[0]
    code, out, _ = run(weekly)
    assert (code, "cron(30 7 ? * MON-FRI *)" in out, "07:30" in out) == (Exit.DONE, True, True)
    assert run(weekend)[0] == Exit.DONE
    assert "The clock skips" in run(preview)[1]
    assert "early" in run(listing)[1]
    assert "Support of the page" in run(showing)[1]
    assert [run(command)[0] for command in deleting] == [Exit.DONE, Exit.DONE]


def test_a_fleet_is_rehearsed_submitted_and_reverted(run, platform_world, queues, tmp_path):
    (rehearse, submit, *looks, revert, confirmed), (plans,) = section("Fleets")
    for name, long in NAMES.items():
        plans = plans.replace(name, long)
    (tmp_path / "plans.csv").write_text(plans, encoding="utf-8")
    before = platform_world.held(queues["Sales"])["members"]
    code, out, _ = run(rehearse)
    assert (code, "Sales of the page" in out, "would change" in out) == (Exit.DIFFERS, True, True)
    assert platform_world.held(queues["Sales"])["members"] == before
    code, out, _ = run(submit)
    assert (code, "completed" in out) == (Exit.DONE, True)
    rings = {user: member["ringNumber"] for user, member in platform_world.held(queues["Support"])["members"].items()}
    assert (rings["agent-001"], rings["agent-002"]) == (3, 1)
    for look in looks:
        assert run(look)[0] == Exit.DONE, look
    code, out, _ = run(revert)
    assert (code, "2 of 2 queues would be reverted" in out) == (Exit.DIFFERS, True)
    assert run(confirmed)[0] == Exit.DONE
    assert platform_world.held(queues["Sales"])["members"] == before


def test_a_file_with_mistakes_starts_no_fleet(run, platform_world, tmp_path):
    rows = [["queue", "member", "weight"], [NAMES["Support"], "agent-001", "1,5"], ["Suport", "agent-001", "1"]]
    with (tmp_path / "plans.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    fleets = len(platform_world.get("/fleets", limit=50).json()["items"])
    rest = "--overflow-threshold 0.85 --utilization-target 0.8 --strategy by-weight --confirm"
    code, out, _ = run(f"routing-weights -o json fleet submit plans.csv {rest}")
    assert (code, [(each["row"], each["column"]) for each in json.loads(out)]) == (Exit.REFUSED, [("3", "queue")])
    rows[2][0] = NAMES["Support"]
    rows[2][1] = "agent-002"
    with (tmp_path / "plans.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    code, out, _ = run(f"routing-weights -o json fleet submit plans.csv {rest}")
    assert (code, [(each["row"], each["column"]) for each in json.loads(out)]) == (Exit.REFUSED, [("2", "weight")])
    assert len(platform_world.get("/fleets", limit=50).json()["items"]) == fleets


def test_a_file_of_forecasts_is_pushed_and_used(run, platform_world, queues, tmp_path):
    rehearse, push, show = section("Forecasts")[0]
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    starts = [begin + number * timedelta(minutes=15) for number in range(96)]
    lines = [f"{NAMES['Support']},{start.isoformat()},30,60" for start in starts]
    (tmp_path / "week.csv").write_text("\n".join(["queue,start,volume,aht_s", *lines]), encoding="utf-8")
    assert run(rehearse)[0] == Exit.DONE
    assert platform_world.get(f"/queues/{queues['Support']}/forecast").status_code == 404
    assert run(push)[0] == Exit.DONE
    code, out, _ = run(show)
    assert (code, "2.00 erlangs" in out, "week.csv" in out) == (Exit.DONE, True, True)
    plan = a_plan(queues["Support"], strategy_reference="by-weight", dry_run=True, accept_uncertain=True)
    del plan["projected_load"]
    projection = platform_world.run(plan).ends("dry_run").record["projection"]
    assert (projection["source"], projection["projected_load"]) == ("pushed", 2.0)
    assert run('routing-weights forecast delete "Support"')[0] == Exit.DONE


def test_what_came_out_is_shown(run):
    everywhere, of_queue, table, as_csv = section("What came out")[0]
    assert run(everywhere)[0] in {Exit.DONE, Exit.DIFFERS}, "it is about the queues of other tests too"
    assert run(of_queue)[0] == Exit.DONE
    assert NAMES["Support"] in run(table)[1]
    assert run(as_csv)[1].startswith("agent,user_id,requested")


def test_nothing_waits_for_approval(run):
    (command,) = section("Approvals")[0]
    code, out, _ = run(command)
    assert (code, "Nothing waits." in out) == (Exit.DONE, True)


def test_the_trail_is_exported_and_verified(run, platform_world, tmp_path):
    export, verify = section("Evidence")[0]
    assert run(export)[0] == Exit.DONE
    with (tmp_path / "support-audit.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {"completed"} <= {row["New"] for row in rows if row["Property"] == "status"}
    is_sound = platform_world.get("/audit/verification").json()["sound"]
    assert run(verify)[0] == (Exit.DONE if is_sound else Exit.NEEDS_A_PERSON)
