"""Print the flow of a plan as one small picture, from the state machine: `python -m local.checks.flow > docs/flow.svg`.

The row has the states that do something, in the order of the definition. The lines between them are the ways of the
definition. States of `SIDE` are drawn below the row, or left out.
"""

import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core"))

from local.checks.picture import DEFINITIONS, ways
from routing_weights.charts.sheet import LEFT, Sheet

DOORS: Mapping[str, str] = {
    "PlansFunction": "HTTP API",
    "the console": "console",
    "ScheduleRolePolicy": "schedule",
    "DriftFunction": "repair",
    "FleetStateMachine": "fleet",
}
"""What may start the state machine: a resource of the template (a test compares them), or a person in the console."""
SIDE = {"Recover", "Schedule the expiry", "Restore", "Unlock meanwhile", "Await approval", "Answer"}
CAPTIONS: Mapping[str, str] = {
    "Validate": "all problems at once",
    "Lock": "one run per queue",
    "Project": "what will the plan do?",
    "Patch queue": "only what differs",
    "Patch members": "only what differs",
    "Verify": "what is really there?",
    "Audit": "who, why, what",
    "Unlock": "next run",
}
GENESYS: Mapping[str, str] = {
    "Project": "read",
    "Patch queue": "write",
    "Patch members": "write",
    "Verify": "read back",
    "Restore": "restore",
}
"""The states that talk to Genesys."""
PITCH, BOX, TALL = 75.5, 68.0, 62.0
TOP, LANE, RED, GENESYS_Y = 84.0, 62.0, 186.0, 250.0


def edges(states: Mapping[str, Any]) -> set[tuple[str, str, bool]]:
    """Return (from, to, caught) between states that do something; choices are passed, waits go back."""
    tasks = {name for name, state in states.items() if state["Type"] == "Task"}

    def onward(name: str, seen: frozenset[str]) -> Iterator[str]:
        if name in tasks or states[name]["Type"] in {"Succeed", "Fail"}:
            yield name
        elif name not in seen and states[name]["Type"] == "Choice":
            for way in ways(name, states[name]):
                yield from onward(way.target, seen | {name})

    return {
        (name, target, way.caught)
        for name in tasks
        for way in ways(name, states[name])
        for target in onward(way.target, frozenset())
    }


def flow(definition: Mapping[str, Any]) -> str:
    """The SVG; equal definitions give equal text."""
    states, sheet = definition["States"], Sheet()
    row = [name for name, state in states.items() if state["Type"] == "Task" and name not in SIDE]
    left = {name: LEFT + PITCH * index for index, name in enumerate(row)}
    middle = {name: x + BOX / 2 for name, x in left.items()}
    found = edges(states)
    early = [
        name for name in row if (name, "Audit") in {(a, b) for a, b, _ in found} and name not in {row[0], "Verify"}
    ]
    _doors(sheet, middle[row[0]])
    for name in row:
        _box(sheet, left[name], TOP, TALL, name, CAPTIONS[name])
    for before, after in pairwise(row):
        _arrow(sheet, left[before] + BOX, TOP + TALL / 2, left[after], TOP + TALL / 2)
    closing = middle["Audit"]
    _lane(sheet, [middle[name] for name in early], closing)
    _approval(sheet, middle["Project"], middle["Lock"])
    _restore(sheet, [middle[name] for name in row if (name, "Restore", True) in found], closing)
    _ends(sheet, left[row[-1]], states)
    _genesys(sheet, {name: middle.get(name, closing) for name in GENESYS})
    sheet.y = GENESYS_Y + 20
    return sheet.svg("The flow of a plan", f"{definition['Comment']} States: {', '.join(row)}.")


def _doors(sheet: Sheet, target: float) -> None:
    x = LEFT
    sheet.text(x, 28, "A plan comes in by", 11, "muted")
    x += 112
    for door in DOORS.values():
        wide = 14 + 7.2 * len(door)
        sheet.rect(x, 14, wide, 21, "grid")
        sheet.text(x + wide / 2, 28.5, door, 11, anchor="middle")
        x += wide + 8
    sheet.line(target - 14, 36, target - 14, TOP, "after", 2)
    _head(sheet, target - 14, TOP, 0, 1, "after")


def _box(sheet: Sheet, x: float, y: float, tall: float, name: str, caption: str) -> None:
    sheet.rect(x, y, BOX, tall, "grid")
    sheet.rect(x + 1, y + 1, BOX - 2, tall - 2, "paper")
    lines = name.split(" ")
    for index, word in enumerate(lines):
        sheet.text(x + BOX / 2, y + 15 + 13 * index, word, 11.5, anchor="middle", bold=True, room=BOX)
    words, half = caption.split(" "), (len(caption.split(" ")) + 1) // 2
    base = y + 15 + 13 * len(lines)
    for index, part in enumerate(filter(None, (" ".join(words[:half]), " ".join(words[half:])))):
        sheet.text(x + BOX / 2, base + 11.5 * index, part, 9.5, "muted", "middle", room=BOX + 4)


def _arrow(sheet: Sheet, x1: float, y1: float, x2: float, y2: float, colour: str = "after", dash: str = "") -> None:
    sheet.line(x1, y1, x2, y2, colour, 2, dash)
    across, down = (x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1)
    _head(sheet, x2, y2, across, down, colour)


def _head(sheet: Sheet, x: float, y: float, across: float, down: float, colour: str) -> None:
    for side in (-1, 1):
        sheet.line(x, y, x - 5 * across + 4 * side * abs(down), y - 5 * down + 4 * side * abs(across), colour, 2)


def _lane(sheet: Sheet, starts: list[float], end: float) -> None:
    for x in starts:
        sheet.line(x, TOP, x, LANE, "warn", 2)
    sheet.line(min(starts), LANE, end, LANE, "warn", 2)
    _arrow(sheet, end, LANE, end, TOP, "warn")
    sheet.text(max(starts) + 10, LANE - 7, "blocked, busy or dry run: nothing is written", 11, "warn")


def _restore(sheet: Sheet, starts: list[float], end: float) -> None:
    for x in starts:
        sheet.line(x + 12, TOP + TALL, x + 12, RED, "bad", 2, "4 3")
    sheet.line(min(starts) + 12, RED, end - BOX / 2, RED, "bad", 2, "4 3")
    _head(sheet, end - BOX / 2, RED, 1, 0, "bad")
    sheet.text(min(starts) + 18, RED - 6, "failure", 11, "bad")
    _box(sheet, end - BOX / 2, RED - 22, 44, "Restore", "as it was before")
    _arrow(sheet, end, RED - 22, end, TOP + TALL)


def _approval(sheet: Sheet, project: float, lock: float) -> None:
    """Below the lock, which is not held meanwhile; an answer leads back to it."""
    sheet.line(project - 24, TOP + TALL, project - 24, RED, "warn", 2, "4 3")
    sheet.line(project - 24, RED, lock + BOX / 2, RED, "warn", 2, "4 3")
    _head(sheet, lock + BOX / 2, RED, -1, 0, "warn")
    _box(sheet, lock - BOX / 2, RED - 22, 44, "Approval", "if needed")
    _arrow(sheet, lock, RED - 22, lock, TOP + TALL, "warn")


def _ends(sheet: Sheet, x: float, states: Mapping[str, Any]) -> None:
    right = x + PITCH
    for index, (name, colour) in enumerate((("Completed", "good"), ("Failed", "bad"))):
        kind = states[name]["Type"]
        y = TOP + 4 + 30 * index
        sheet.rect(right, y, BOX, 24, colour)
        sheet.rect(right + 1.5, y + 1.5, BOX - 3, 21, "paper")
        sheet.text(right + BOX / 2, y + 16, name, 9.5, colour, "middle", bold=True, title=kind)
        _arrow(sheet, x + BOX, y + 12, right, y + 12, colour)


def _genesys(sheet: Sheet, middles: Mapping[str, float]) -> None:
    first, last = min(middles.values()), max(middles.values())
    sheet.rect(first - BOX / 2, GENESYS_Y, last - first + BOX, 26, "after")
    sheet.text((first + last) / 2, GENESYS_Y + 17, "Genesys Cloud", 12, "paper", "middle", bold=True)
    for name, label in GENESYS.items():
        x = middles[name] - (12 if name != "Restore" else 0)
        top = TOP + TALL if name != "Restore" else RED + 22
        _arrow(sheet, x, top, x, GENESYS_Y, "muted")
        sheet.text(x + 6, GENESYS_Y - 9, label, 10, "muted")


def example() -> str:
    return flow(yaml.safe_load((DEFINITIONS / "distribute.asl.yaml").read_text(encoding="utf-8")))


if __name__ == "__main__":
    sys.stdout.write(example())
