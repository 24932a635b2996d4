"""The pictures of the benchmarks page, drawn with the product's own sheet."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from bench.outside import ROOT

sys.path.insert(0, str(ROOT / "layers" / "core"))

from routing_weights.charts.sheet import LEFT, RIGHT, Sheet

COLOURS = ("after", "good", "bad", "unsure", "warn", "before")
SHAPES = ("circle", "triangle", "diamond", "octagon", "down", "circle")
HIGH = 260.0
"""The height of a plot."""
AXIS, LEGEND = LEFT + 46, 190.0

Points = Sequence[tuple[float, float]]


def plot(
    title: str, series: Mapping[str, Points], x_label: str, y_label: str, level: tuple[float, str] | None = None
) -> str:
    """Lines over two logarithmic axes. `level` is a horizontal line with its name, such as a bound."""
    sheet = Sheet()
    sheet.y = 18
    sheet.text(LEFT, sheet.y + 8, title, 15, bold=True)
    sheet.text(LEFT, sheet.y + 28, y_label, 11, "muted")
    top, bottom, right = sheet.y + 42, sheet.y + 42 + HIGH, RIGHT - LEGEND
    xs = [x for points in series.values() for x, _ in points]
    ys = [y for points in series.values() for _, y in points] + ([level[0]] if level else [])
    across, up = _scale(xs, AXIS + 10, right - 10), _scale(ys, bottom - 6, top + 6)
    for value in _ticks(min(ys), max(ys)):
        sheet.line(AXIS, up(value), right, up(value), "grid")
        sheet.text(AXIS - 6, up(value) + 4, f"{value:,.6g}", 11, "muted", "end")
    for value in sorted(set(xs)):
        sheet.line(across(value), bottom, across(value), bottom + 4, "grid")
        sheet.text(across(value), bottom + 17, f"{value:,.6g}", 11, "muted", "middle")
    sheet.text((AXIS + right) / 2, bottom + 34, x_label, 11, "muted", "middle")
    if level:
        sheet.line(AXIS, up(level[0]), right, up(level[0]), "ink", 1.5, "5 4")
        sheet.text(AXIS + 6, up(level[0]) + 14, level[1], 11)
    for number, (name, points) in enumerate(series.items()):
        colour, shape = COLOURS[number % len(COLOURS)], SHAPES[number % len(SHAPES)]
        drawn = [(across(x), up(y)) for x, y in sorted(points)]
        for (x1, y1), (x2, y2) in pairwise(drawn):
            sheet.line(x1, y1, x2, y2, colour, 2)
        for x, y in drawn:
            sheet.mark(x, y, 4.5, shape, colour)
        key = top + 14 + 18 * number
        sheet.mark(right + 16, key - 4, 4.5, shape, colour)
        sheet.text(right + 28, key, name, 12, room=LEGEND - 30)
    sheet.y = bottom + 40
    shown = "; ".join(f"{name}: " + ", ".join(f"{x:g} {y:.4g}" for x, y in sorted(p)) for name, p in series.items())
    return sheet.svg(title, f"{y_label} by {x_label}. {shown}")


def bars(title: str, rows: Sequence[tuple[str, float, float]], names: tuple[str, str], unit: str) -> str:
    """A bar of two parts for each row: (name, first part, second part). A bar that is much too long is cut."""
    sheet = Sheet()
    sheet.y = 18
    sheet.text(LEFT, sheet.y + 8, f"{title}, {unit}", 15, bold=True)
    for number, (name, colour) in enumerate(zip(names, ("after", "warn"), strict=True)):
        sheet.rect(LEFT + 240 * number, sheet.y + 22, 10, 10, colour)
        sheet.text(LEFT + 16 + 240 * number, sheet.y + 31, name, 11, "muted")
    sheet.y += 46
    label, room = LEFT + 96, RIGHT - LEFT - 96 - 96
    most = 2 * max(first for _, first, _ in rows)
    for name, first, second in rows:
        one, two = first / most * room, min(second, most - first) / most * room
        sheet.text(label - 8, sheet.y + 12, name, 12, anchor="end", room=90)
        sheet.rect(label, sheet.y + 2, one, 12, "after")
        sheet.rect(label + one, sheet.y + 2, two, 12, "warn")
        sheet.text(label + one + two + 6, sheet.y + 12, f"{first:,.0f} + {second:,.0f}", 11, "muted")
        sheet.y += 19
    shown = "; ".join(f"{name}: {first:.0f} and {second:.0f}" for name, first, second in rows)
    return sheet.svg(title, f"{names[0]} and {names[1]}, in {unit}. {shown}")


def _scale(values: Sequence[float], low: float, high: float) -> Callable[[float], float]:
    first, last = math.log10(min(values)), math.log10(max(values))
    span = (last - first) or 1.0
    return lambda value: low + (math.log10(value) - first) / span * (high - low)


def _ticks(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times powers of ten between two values, or powers alone if those are many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    fine = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
    ticks = [value for value in fine if low <= value <= high]
    return ticks if len(ticks) <= 7 else [value for value in ticks if math.log10(value).is_integer()]


def timeline(title: str, series: Mapping[str, Points], *, logarithmic: bool = False) -> str:
    """Lines over minutes. Heights are from 0, or logarithmic."""
    sheet = Sheet()
    sheet.y = 18
    sheet.text(LEFT, sheet.y + 8, title, 15, bold=True)
    top, bottom, right = sheet.y + 24, sheet.y + 24 + HIGH, RIGHT - LEGEND
    xs = [x for points in series.values() for x, _ in points] or [0.0, 1.0]
    ys = [y for points in series.values() for _, y in points if y > 0 or not logarithmic] or [1.0]
    low = min(ys) if logarithmic else 0.0
    up = _scale([low, max(ys)], bottom - 6, top + 6) if logarithmic else _linear(0.0, max(ys), bottom - 6, top + 6)
    _grid(sheet, _ticks(low, max(ys)) if logarithmic else _even(max(ys)), up, right)
    across = _minutes(sheet, max(xs), bottom, right)
    for number, (name, points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn = [(across(x), up(y)) for x, y in points if y > 0 or not logarithmic]
        for (x1, y1), (x2, y2) in pairwise(drawn):
            sheet.line(x1, y1, x2, y2, colour, 2)
        key = top + 14 + 18 * number
        sheet.line(right + 10, key - 4, right + 24, key - 4, colour, 3)
        sheet.text(right + 28, key, name, 12, room=LEGEND - 30)
    sheet.y = bottom + 40
    shown = "; ".join(f"{name}: " + ", ".join(f"{x:.1f} {y:.4g}" for x, y in points) for name, points in series.items())
    return sheet.svg(title, f"{title} by minutes. {shown}")


def towers(title: str, series: Mapping[str, Sequence[int]]) -> str:
    """A stack of counts for each minute."""
    sheet = Sheet()
    sheet.y = 18
    sheet.text(LEFT, sheet.y + 8, title, 15, bold=True)
    top, bottom, right = sheet.y + 24, sheet.y + 24 + HIGH, RIGHT - LEGEND
    heights = [sum(counts) for counts in zip(*series.values(), strict=True)]
    up = _linear(0.0, max([*heights, 1]), bottom, top + 6)
    _grid(sheet, _even(max([*heights, 1])), up, right)
    across = _minutes(sheet, len(heights), bottom, right)
    width = across(1) - across(0)
    for minute in range(len(heights)):
        level = 0
        for number, counts in enumerate(series.values()):
            y = up(level + counts[minute])
            sheet.rect(across(minute) + 1, y, width - 2, up(level) - y, COLOURS[number % len(COLOURS)])
            level += counts[minute]
    for number, name in enumerate(series):
        key = top + 14 + 18 * number
        sheet.rect(right + 12, key - 9, 10, 10, COLOURS[number % len(COLOURS)])
        sheet.text(right + 28, key, name, 12, room=LEGEND - 30)
    sheet.y = bottom + 40
    return sheet.svg(title, "; ".join(f"{name}: {', '.join(map(str, counts))}" for name, counts in series.items()))


def _grid(sheet: Sheet, ticks: Sequence[float], up: Callable[[float], float], right: float) -> None:
    for value in ticks:
        sheet.line(AXIS, up(value), right, up(value), "grid")
        sheet.text(AXIS - 6, up(value) + 4, f"{value:,.6g}", 11, "muted", "end")


def _minutes(sheet: Sheet, last: float, bottom: float, right: float) -> Callable[[float], float]:
    """Draw the axis of minutes. Returns where a minute is."""
    last = math.ceil(max(last, 1.0))
    across = _linear(0.0, last, AXIS + 4, right - 4)
    for minute in _even(last):
        sheet.line(across(minute), bottom, across(minute), bottom + 4, "grid")
        sheet.text(across(minute), bottom + 17, f"{minute:g}", 11, "muted", "middle")
    sheet.text((AXIS + right) / 2, bottom + 34, "minutes", 11, "muted", "middle")
    return across


def _linear(first: float, last: float, low: float, high: float) -> Callable[[float], float]:
    span = (last - first) or 1.0
    return lambda value: low + (value - first) / span * (high - low)


def _even(most: float) -> list[float]:
    """Return about five even steps from 0."""
    rough = most / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [step * number for number in range(int(most / step) + 1)]
