"""The page on fleets: its file is accepted, and it names every column, option and status."""

import json
import re
from pathlib import Path

from routing_weights.domain.fleet import FleetOptions, FleetStatus, Wave
from routing_weights.domain.fleet_plans import COLUMNS, read_file
from routing_weights.domain.plan import parse_plan

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/use/fleets.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_file_of_the_page_is_a_fleet_without_any_default():
    (text,) = blocks("csv")
    reading = read_file([text.encode()], {}, lambda _: (), "ring")
    assert reading.problems == []
    first, second = (parse_plan(plan.text) for plan in reading.accepted.values())
    assert first.member_weights == {"agent-001": 0.4, "agent-002": 0.35, "agent-003": 0.25}
    assert (second.queue_id, second.overflow_threshold, second.utilization_target) == ("queue-002", 0.9, 0.8)


def test_the_options_of_the_page_are_options():
    (text,) = blocks("json")
    options = FleetOptions.model_validate(json.loads(text))
    assert [wave.count for wave in options.divided(100)] == [5, 20, 75]


def test_every_column_and_every_option_is_explained():
    named = set(re.findall(r"`([\w.\[\]]+)`", PAGE))
    assert set(COLUMNS) <= named
    assert FleetOptions.model_fields.keys() - {"waves"} <= named
    assert {f"waves[].{name}" for name in Wave.model_fields} <= named


def test_every_status_of_a_fleet_is_explained():
    page = (ROOT / "docs/reference/statuses.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", page[page.index("## Statuses of a fleet") :], re.MULTILINE)
    assert rows == list(FleetStatus)
