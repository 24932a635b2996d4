"""Print how a contact is routed under actuator share: `python -m local.checks.shares > docs/shares.svg`.

Above: the actions of docs/administer/share-flow.yaml. Below: who can take the contact at which second,
by the routing rules of the default options.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core"))

from routing_weights.charts.sheet import LEFT, RIGHT, Sheet
from routing_weights.domain.shares import SCORES, openings
from routing_weights.domain.types import ShareOptions

FLOW = Path(__file__).parents[2] / "docs/administer/share-flow.yaml"
CAPTIONS = {
    "callData": ("Call Data Action", "who is next?"),
    "decision": ("Decision", "anybody?"),
    "findUsersById": ("Find Users by Id", "ids to users"),
    "transferToAcd": ("Transfer to ACD", "preferred agents"),
}
WHO = (
    "the drawn agent",
    "the next one",
    "and the next",
    "and the next",
    "all others",
    "anyone in the queue",
)
BOX, TALL, TOP = 128.0, 44.0, 20.0
TABLE_Y, PLAIN_Y = 100.0, 96.0
NAMES, AXIS_Y, ROW = 200.0, 196.0, 24.0


def actions(steps: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the kinds of the actions on the way to the transfer with preferred agents."""
    kind, action = next(iter(steps[0].items()))
    yield kind
    for output in action.get("outputs", {}).values():
        yield from actions(output["actions"])


def picture(flow: dict[str, Any], options: ShareOptions) -> str:
    """The SVG; equal flows and options give equal text."""
    sheet = Sheet()
    kinds = list(actions(flow["inboundCall"]["tasks"][0]["task"]["actions"]))
    pitch = (RIGHT - LEFT - BOX) / (len(kinds) - 1)
    places = [LEFT + pitch * number for number in range(len(kinds))]
    for x, kind in zip(places, kinds, strict=True):
        _box(sheet, x, TOP, *CAPTIONS[kind])
    for x in places[1:]:
        _arrow(sheet, x - pitch + BOX, TOP + TALL / 2, x, TOP + TALL / 2, "after")
    _box(sheet, places[0], TABLE_Y, "DrawFunction", "counts in SharesTable")
    _arrow(sheet, places[0] + BOX / 2, TOP + TALL, places[0] + BOX / 2, TABLE_Y, "after")
    for x in places[:-1]:
        sheet.line(x + BOX - 14, TOP + TALL, x + BOX - 14, PLAIN_Y, "muted", 1.5, "4 3")
    sheet.line(places[0] + BOX - 14, PLAIN_Y, places[-1], PLAIN_Y, "muted", 1.5, "4 3")
    _head(sheet, places[-1], PLAIN_Y, 1, 0, "muted")
    sheet.text(places[-1] + 6, PLAIN_Y + 4, "the whole queue", 11, "muted")
    sheet.text(places[1] + 6, PLAIN_Y + 18, "failure, time-out, an empty list, an unknown user", 11, "muted")
    _levels(sheet, options)
    sheet.y = AXIS_Y + ROW * len(WHO) + 12
    return sheet.svg(
        "How a contact is routed under actuator share",
        f"The flow: {', '.join(CAPTIONS[kind][0] for kind in kinds)}. Then {options}, then anyone.",
    )


def _levels(sheet: Sheet, options: ShareOptions) -> None:
    end = options.anyone_s * 1.2
    scale = (RIGHT - NAMES) / end
    begins = [*openings(options), float(options.anyone_s)]
    sheet.text(
        LEFT,
        AXIS_Y - 26,
        f"Who can take the contact, with hold_s {options.hold_s} and then {options.then}",
        12,
        bold=True,
    )
    for second in sorted({0.0, *begins}):
        x = NAMES + second * scale
        sheet.line(x, AXIS_Y - 4, x, AXIS_Y + ROW * len(WHO), "grid")
        sheet.text(x, AXIS_Y - 8, f"{second:g} s", 10, "muted", "middle")
    scores = [*(f", score {score}" for score in SCORES), ""]
    for number, (who, score, begin) in enumerate(zip(WHO, scores, begins, strict=True)):
        y = AXIS_Y + ROW * number
        sheet.text(LEFT, y + 15, who + score, 11, room=NAMES - LEFT - 8)
        colour = ("after", "before")[number == len(WHO) - 1]
        sheet.rect(NAMES + begin * scale, y + 4, RIGHT - NAMES - begin * scale, ROW - 8, colour)


def _box(sheet: Sheet, x: float, y: float, name: str, caption: str) -> None:
    sheet.rect(x, y, BOX, TALL, "grid")
    sheet.rect(x + 1, y + 1, BOX - 2, TALL - 2, "paper")
    sheet.text(x + BOX / 2, y + 18, name, 11.5, anchor="middle", bold=True, room=BOX - 6)
    sheet.text(x + BOX / 2, y + 34, caption, 10, "muted", "middle", room=BOX - 6)


def _arrow(sheet: Sheet, x1: float, y1: float, x2: float, y2: float, colour: str) -> None:
    sheet.line(x1, y1, x2, y2, colour, 2)
    _head(sheet, x2, y2, float(x2 > x1), float(y2 > y1), colour)


def _head(sheet: Sheet, x: float, y: float, across: float, down: float, colour: str) -> None:
    for side in (-1, 1):
        sheet.line(x, y, x - 5 * across + 4 * side * down, y - 5 * down + 4 * side * across, colour, 2)


def example() -> str:
    return picture(yaml.safe_load(FLOW.read_text(encoding="utf-8")), ShareOptions())


if __name__ == "__main__":
    sys.stdout.write(example())
