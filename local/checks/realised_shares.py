"""Prints the chart of shares in the docs: `python -m local.checks.realised_shares > docs/realised-shares.svg`."""

import sys
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core"))

from local.genesys.conversations import Stream
from local.share_day import QUEUE, START, ShareDay
from routing_weights.charts.shares import chart
from routing_weights.domain.drawn import drawn_between
from routing_weights.domain.realised import Part, SharesReport

WEIGHTS = {"agent-001": 0.4, "agent-002": 0.35, "agent-003": 0.25}
HOURS = 10
STREAM = Stream(QUEUE, 24 / 3600, talk_s=180.0, patience_s=120.0)
"""24 contacts an hour: 1.2 erlangs."""


def example() -> SharesReport:
    """Ten hours of the simulator, in which the product draws and corrects."""
    day, end = ShareDay(WEIGHTS), START + timedelta(hours=HOURS)
    until_s = (end - START).total_seconds()
    day.run(STREAM.contacts(seed=1, until_s=until_s), until_s)
    handled = day.genesys.realised_by_member([QUEUE], START, end)[QUEUE]
    drawn = drawn_between(day.history.of_queue(QUEUE, START, end), START, end, day.tables.tally)
    return SharesReport(QUEUE, (Part(START, end, "d-1", "share", WEIGHTS, handled),), drawn)


if __name__ == "__main__":
    sys.stdout.write(chart(example()))
