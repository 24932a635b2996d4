"""Prints a state machine as a picture, from its definition: `python -m local.checks.picture > docs/state-machine.svg`.

The states stand in the order of the definition. An arrow leads to the state below. Every other transition runs over a
lane of its target: on the right for the normal flow, on the left for caught errors.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core"))

from routing_weights.charts.sheet import LEFT, Sheet

DEFINITIONS = Path(__file__).parents[2] / "statemachine"
BOX, BOX_END = 104.0, 584.0
PITCH, GAP = 13.0, 22.0
State = Mapping[str, Any]


@dataclass(frozen=True)
class Way:
    """A transition out of a state."""

    source: str
    target: str
    label: str
    caught: bool

    @property
    def colour(self) -> str:
        return "bad" if self.caught else "after"


def ways(name: str, state: State) -> Iterator[Way]:
    """Yield the transitions of a state. Caught errors come last."""
    for rule in state.get("Choices", []):
        yield Way(name, rule["Next"], _expression(rule["Condition"]) + _ends_as(rule), caught=False)
    for key, label in (("Default", "otherwise"), ("Next", "then")):
        if key in state:
            yield Way(name, state[key], label, caught=False)
    for rule in state.get("Catch", []):
        errors = ["any other error" if error == "States.ALL" else error for error in rule["ErrorEquals"]]
        yield Way(name, rule["Next"], ", ".join(errors) + _ends_as(rule), caught=True)


def picture(title: str, definition: State) -> str:
    """Return the SVG. Equal definitions give equal text."""
    sheet, states = Sheet(), definition["States"]
    below = dict(zip(states, [*states][1:], strict=False))
    tops: dict[str, float] = {}
    leaving: list[tuple[Way, float]] = []
    sheet.y = 18
    sheet.text(LEFT, sheet.y + 16, title, 18, bold=True)
    sheet.y += 28
    sheet.paragraph(LEFT, definition["Comment"], 13, lines=6)
    sheet.y += 6
    for colour, said in (("after", "goes on"), ("bad", "was caught")):
        sheet.line(LEFT, sheet.y + 8, LEFT + 24, sheet.y + 8, colour, 2, dash="4 3" if colour == "bad" else "")
        sheet.text(LEFT + 32, sheet.y + 12, said, fill="muted")
        sheet.y += 17
    for name, state in states.items():
        sheet.y += GAP
        tops[name] = sheet.y
        leaving += _box(sheet, name, state, below.get(name))
    for caught in (False, True):
        _lanes(sheet, [(way, y) for way, y in leaving if way.caught is caught], tops, caught=caught)
    return sheet.svg(title, f"{definition['Comment']} States: {', '.join(states)}.")


def _box(sheet: Sheet, name: str, state: State, below: str | None) -> Iterator[tuple[Way, float]]:
    """Draw a state. Yield the transitions that do not lead to the state below, each with the y of its start."""
    top, frame = sheet.y, len(sheet.parts)
    leaving = list(ways(name, state))
    sheet.text(BOX + 12, top + 20, name, 15, bold=True, room=250)
    sheet.text(BOX_END - 12, top + 20, _work(state), 11, "muted", "end", room=190)
    sheet.y = top + 28
    if "Comment" in state:
        sheet.paragraph(BOX + 12, state["Comment"], 11, "muted", lines=4, end=BOX_END - 12)
    for way in leaving:
        y = sheet.y + 10
        sheet.text(BOX_END - 12, y + 4, f"→ {way.target}", 11, way.colour, "end", room=150)
        sheet.y += 3
        sheet.paragraph(BOX + 12, way.label, 11, way.colour, end=BOX_END - 164)
        if way.target != below:
            yield way, y
    sheet.y += 8
    drawn, sheet.parts[frame:] = sheet.parts[frame:], []  # the frame is drawn below its contents
    sheet.rect(BOX, top, BOX_END - BOX, sheet.y - top, "grid")
    sheet.rect(BOX + 1, top + 1, BOX_END - BOX - 2, sheet.y - top - 2, "paper")
    sheet.parts += drawn
    down = {way.colour for way in leaving if way.target == below}
    for colour in sorted(down):  # what goes on, before what was caught
        x = (BOX + BOX_END) / 2 + (20 if colour == "bad" else 0)
        sheet.line(x, sheet.y, x, sheet.y + GAP, colour, 2, dash="4 3" if colour == "bad" else "")
        _head(sheet, x, sheet.y + GAP, colour, dx=4, dy=-6)


def _lanes(sheet: Sheet, leaving: list[tuple[Way, float]], tops: Mapping[str, float], *, caught: bool) -> None:
    """Return a lane for each target, as near to the boxes as the other lanes allow."""
    edge, away = (BOX, -1) if caught else (BOX_END, 1)
    colour, dash = ("bad", "4 3") if caught else ("after", "")
    taken: list[list[tuple[float, float]]] = []
    by_target: dict[str, list[float]] = {}
    for way, y in leaving:
        by_target.setdefault(way.target, []).append(y)
    reach = {target: (min(*ys, tops[target] + 14), max(*ys, tops[target] + 14)) for target, ys in by_target.items()}
    for target in sorted(by_target, key=lambda target: reach[target][1] - reach[target][0]):
        first, last = reach[target]
        lane = next(
            (n for n, spans in enumerate(taken) if all(last < low - 8 or first > high + 8 for low, high in spans)),
            len(taken),
        )
        taken[lane:] = taken[lane:] or [[]]
        taken[lane].append((first, last))
        x, enters = edge + away * (18 + PITCH * lane), tops[target] + 14
        sheet.line(x, first, x, last, colour, 1.5, dash)
        for y in by_target[target]:
            sheet.line(edge, y, x, y, colour, 1.5, dash)
            sheet.mark(x, y, 2.5, "circle", colour)
        sheet.line(x, enters, edge, enters, colour, 1.5)
        _head(sheet, edge, enters, colour, dx=away * 6, dy=4)


def _head(sheet: Sheet, x: float, y: float, colour: str, *, dx: float, dy: float) -> None:
    """Draw the head of an arrow that ends here."""
    vertical = dy < 0
    for side in (-1, 1):
        sheet.line(x + (side * dx if vertical else dx), y + (dy if vertical else side * dy), x, y, colour, 2)


def _work(state: State) -> str:
    if state["Type"] != "Task":
        return str(state["Type"])
    called = state["Arguments"].get("FunctionName") or state["Resource"].rpartition(":::")[2]
    return str(called).strip("${}")


def _ends_as(rule: State) -> str:
    outcome = rule.get("Assign", {}).get("outcome", {})
    return f": {outcome['status']}" if "status" in outcome else ""


def _expression(text: str) -> str:
    return text.removeprefix("{%").removesuffix("%}").replace("$", "").strip()


def example(name: str = "distribute", within: str = "") -> str:
    """Return the picture of a state machine, or of what its Map state `within` does for each item."""
    definition = yaml.safe_load((DEFINITIONS / f"{name}.asl.yaml").read_text(encoding="utf-8"))
    if not within:
        return picture(f"The state machine “{name}”", definition)
    state = definition["States"][within]
    return picture(f"“{within}”, for each item", state["ItemProcessor"] | {"Comment": state["Comment"]})


if __name__ == "__main__":
    sys.stdout.write(example(*sys.argv[1:]))
