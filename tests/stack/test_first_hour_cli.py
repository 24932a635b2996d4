"""The first hour with the command line, as its page tells it, in a terminal of 80 columns."""

import csv
import io
import re
from datetime import UTC, datetime

import pytest

from local.genesys.names import agent_name, email_of
from routing_weights_cli.errors import Exit
from tests.support.cli import Terminal, until_listed
from tests.support.world import ROOT

PAGE = ROOT / "docs" / "use" / "first-hour-command-line.md"
QUEUE = "First hour"
"""The queue of this file. The page calls it Support."""
ADA, BEN, CARLA, DARIO = (agent_name(number) for number in range(4))
NEW = {ADA: "0,4", BEN: "35 %", CARLA: "0,25"}


def zone_where_it_is_noon():
    """A zone in which 18:00 is still to come."""
    ahead = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/UTC"


@pytest.fixture(scope="module")
def queue(platform_world):
    queue_id = platform_world.queue(4, queue={"name": QUEUE})
    until_listed(platform_world, QUEUE)
    yield queue_id
    platform_world.put_queue(queue_id, agents=4, queue={"name": f"Closed {queue_id}"})


@pytest.fixture
def terminal(platform_world, tmp_path):
    environ = {"ROUTING_WEIGHTS_API": platform_world.api_url, "ROUTING_WEIGHTS_ZONE": zone_where_it_is_noon()}
    return Terminal(tmp_path, environ)


def commands():
    """The commands of the page, in their order."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line.replace("Support", QUEUE) for block in blocks for line in block.splitlines()]


def edit(path):
    """Change weights as a German spreadsheet does: semicolons, decimal commas, BOM, CRLF."""
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    for row in rows:
        row["weight"] = NEW.get(row["name"], "")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode("utf-8-sig"))
    return rows


def distributions(world, queue):
    return world.get(f"/queues/{queue}/distributions").json()["items"]


def test_the_first_hour_from_export_to_restore(platform_world, terminal, queue):
    look, export, dry_run, confirm, history, undo, undo_confirmed, compare = commands()
    before = platform_world.held(queue)["members"]
    assert QUEUE in terminal.run(look, Exit.DONE)
    terminal.run(export, Exit.DONE)
    rows = edit(terminal.folder / "support.csv")
    assert {row["holds"] for row in rows} == {"ring 1"}

    shown = terminal.run(dry_run, Exit.DIFFERS)
    assert re.search(rf"~ {CARLA} +ring 1 → 3", shown)
    assert "Projection: pass." in shown
    assert "service level" in shown
    assert platform_world.held(queue)["members"] == before

    shown = terminal.run(confirm, Exit.DONE)
    assert "routing-weights watch " in shown
    assert "The plan was applied and read back." in shown
    assert "18:00" in shown
    result = (terminal.folder / "support.result.csv").read_text(encoding="utf-8-sig")
    by_name = {row["name"]: row for row in csv.DictReader(io.StringIO(result), delimiter=";")}
    changed = by_name[CARLA]
    assert (changed["before"], changed["after"]) == ("ring 1", "ring 3")
    assert (changed["result"], changed["reason"]) == ("changed", "storm")
    assert by_name[ADA]["result"] == "unchanged"
    assert platform_world.held(queue)["members"]["agent-003"]["ringNumber"] == 3

    assert "storm" in terminal.run(history, Exit.DONE)
    assert re.search(rf"~ {CARLA} +ring 3 → 1", terminal.run(undo, Exit.DIFFERS))
    terminal.run(undo_confirmed, Exit.DONE)
    held = platform_world.held(queue)["members"]
    assert {name: member["ringNumber"] for name, member in held.items()} == {
        name: member["ringNumber"] for name, member in before.items()
    }
    assert "They are equal." in terminal.run(compare, Exit.DONE)


def test_a_supervisor_sees_and_exports_only_the_queues_of_their_division(platform_world, terminal, queue):
    world = platform_world
    world.put_queue(queue, agents=4, queue={"name": QUEUE, "division": {"id": "north", "name": "North"}})
    other = world.queue(2, queue={"name": "Of the south", "division": {"id": "south", "name": "South"}})
    for division, own, foreign in (("north", QUEUE, "Of the south"), ("south", "Of the south", QUEUE)):
        permissions = ["routing:queue:view", "routing:queue:edit"]
        grant = {"role": "Supervisor", "division": division, "permissions": permissions}
        world.sim.put_person(f"planner-{division}", name=f"Planner {division}", grants=[grant])
        terminal.environ |= {
            "ROUTING_WEIGHTS_API": world.ready["people_api_url"],
            "GENESYSCLOUD_ACCESS_TOKEN": world.sim.user_token(f"planner-{division}"),
        }
        shown = terminal.run("routing-weights queues", Exit.DONE)
        assert own in shown
        assert foreign not in shown
        assert f"{own}," in terminal.run(f'routing-weights export "{own}"', Exit.DONE)
        for name in (foreign, queue if division == "south" else other):
            refused = terminal.run(f'routing-weights export "{name}"', Exit.REFUSED)
            assert "No queue of yours has the name or id" in refused


def test_a_sheet_from_the_wild_is_refused_whole_and_applies_when_it_is_corrected(platform_world, terminal, queue):
    weights = ("0,4", "40 %", "0,2", "0")
    good = [
        ["First Hour", email_of(name), "", weight]
        for name, weight in zip((ADA, BEN, CARLA, DARIO), weights, strict=True)
    ]
    wrong = [
        ["Frist hour", email_of(ADA), "", "0,1"],
        ["First hour", "ben.brnadt@example.com", "", "0,1"],
        ["First hour", "", CARLA, "=D2"],
        ["Nobody's", "", ADA, "0"],
        ["first hour", "", ADA.upper(), "0"],
    ]
    wild = [["QUEUE", "E-Mail", "Name", "Weight", "Team"], *good, *wrong]
    wild += [["First hour", f"agent-{number}@example.com", "", "0"] for number in range(1000, 4000)]
    path = terminal.folder / "wild.csv"
    path.write_bytes("\r\n".join(";".join(row) for row in wild).encode("utf-8-sig"))
    rest = "--overflow-threshold 0.85 --utilization-target 0.8 --strategy by-weight"
    before, runs = platform_world.held(queue), distributions(platform_world, queue)

    terminal.run(f"routing-weights apply wild.csv --confirm {rest}", Exit.REFUSED)
    result = (terminal.folder / "wild.result.csv").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(result), delimiter=";"))
    assert [row["result"] for row in rows] == ["not applied"] * len(good) + ["refused"] * (len(wrong) + 3000)
    assert [row["reason"].partition(":")[0] for row in rows[4:9]] == ["queue", "email", "weight", "queue", "name"]
    assert "Did you mean First hour?" in rows[4]["reason"]
    assert f"Did you mean {email_of(BEN)}?" in rows[5]["reason"]
    assert platform_world.held(queue) == before
    assert distributions(platform_world, queue) == runs

    path.write_bytes("\r\n".join(";".join(row) for row in wild[:5]).encode("utf-8-sig"))
    terminal.run(f"routing-weights apply wild.csv --confirm {rest} --load 1", Exit.DONE)
    rings = {name: member["ringNumber"] for name, member in platform_world.held(queue)["members"].items()}
    assert rings == {"agent-001": 1, "agent-002": 1, "agent-003": 4, "agent-004": 6}
