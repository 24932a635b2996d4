"""What shares attain, as parts of the picture of a projection: member by member, and for other hold times."""

# ruff: noqa: RUF001  (text for people has the dashes and signs that people write)
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from routing_weights.charts.sheet import LEFT, RIGHT, Sheet

PER_CENT = "\u00a0%"
PITCH = 22.0
ROWS_START, ROWS_END = 170.0, 456.0
PLOT_START, PLOT_END, PLOT_HEIGHT = 92.0, 660.0, 190.0
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
MOST_STEPS = 6
LABEL_HEIGHT, LABEL_WIDTH = 13.0, 34.0
BOTTOMS = (0.96, 0.9, 0.8, 0.6, 0.4, 0.2)
"""Where the axis of the service level may begin, other than at 0."""

Estimate = tuple[float, float, float]
"""Mean, and both ends of its 95 % interval."""


class Row(NamedTuple):
    member: str
    requested: float
    attainable: Estimate | None
    """None: not on queue."""


class Point(NamedTuple):
    hold_s: float
    share_error: Estimate
    service_level: Estimate


def members(sheet: Sheet, rows: Sequence[Row]) -> None:
    """A row for each member: the requested share, and what it attains with its interval."""
    highest = max(max(row.requested, row.attainable[2] if row.attainable else 0.0) for row in rows)
    step = _step(highest)
    top = step * math.ceil(highest / step - 1e-9)

    def at(share: float) -> float:
        return ROWS_START + (ROWS_END - ROWS_START) * min(max(share / top, 0.0), 1.0)

    sheet.text(ROWS_START, sheet.y + 10, "part of the queue’s contacts", 11, "muted")
    sheet.mark(540 - 64, sheet.y + 6, 4.5, "circle", "before", hollow=True)
    sheet.mark(RIGHT - 108, sheet.y + 6, 4, "circle", "after")
    sheet.text(540, sheet.y + 10, "requested", 11, "muted", "end")
    sheet.text(RIGHT, sheet.y + 10, "attainable (95" + PER_CENT + ")", 11, "muted", "end")
    sheet.y += 17
    _grid(sheet, at, step, top, sheet.y, PITCH * len(rows))
    for number, row in enumerate(rows):
        y = sheet.y + PITCH * (number + 0.5)
        sheet.text(ROWS_START - 12, y + 4, row.member, anchor="end", room=ROWS_START - 12 - LEFT)
        sheet.mark(at(row.requested), y, 4.5, "circle", "before", hollow=True)
        sheet.text(540, y + 4, _percent(row.requested), 12, "muted", "end")
        if row.attainable is None:
            sheet.text(RIGHT, y + 4, "not on queue", 12, "bad", "end")
            continue
        mean, low, high = row.attainable
        sheet.interval(at(low), at(high), y, 4, "after")
        sheet.mark(at(mean), y, 4, "circle", "after")
        bounds = f"{_percent(mean)} ({100 * max(low, 0.0):.1f}–{100 * high:.1f})"
        sheet.text(RIGHT, y + 4, bounds, 12, anchor="end", room=RIGHT - 548)
    sheet.y += PITCH * len(rows)
    sheet.y += 22


def frontier(sheet: Sheet, points: Sequence[Point], own_s: float | None, goal: float | None) -> None:
    """Service level against share error, with a mark for each hold time, and the plan's own in full."""
    points = sorted(points)
    right = max(point.share_error[2] for point in points)
    step = _step(right)
    right = step * max(1, math.ceil(right / step - 1e-9))
    lowest = min([point.service_level[1] for point in points] + ([goal] if goal is not None else []))
    bottom = next((bottom for bottom in BOTTOMS if bottom <= lowest), 0.0)
    start, height = sheet.y + 26, PLOT_HEIGHT

    def at_x(error: float) -> float:
        return PLOT_START + (PLOT_END - PLOT_START) * min(max(error / right, 0.0), 1.0)

    def at_y(level: float) -> float:
        return start + height * (1 - min(max((level - bottom) / (1 - bottom), 0.0), 1.0))

    sheet.text(LEFT, sheet.y + 12, "Service level, for hold times from 2 s to 60 s", 13, bold=True)
    _grid(sheet, at_x, step, right, start, height, points=True)
    sheet.text(
        PLOT_END, start + height + 30, "share error: mean |requested − attainable|, in points", 11, "muted", "end"
    )
    digits = 0 if abs(25 * bottom - round(25 * bottom)) < 1e-9 else 1  # noqa: PLR2004
    for number in range(5):
        level = bottom + (1 - bottom) * number / 4
        sheet.line(PLOT_START, at_y(level), PLOT_END, at_y(level), "grid")
        sheet.text(
            PLOT_START - 8,
            at_y(level) + 4,
            _percent(level, digits),
            11,
            "muted",
            "end",
        )
    if goal is not None:
        sheet.line(PLOT_START, at_y(goal), PLOT_END, at_y(goal), "ink", 2, dash="4 3")
        sheet.text(PLOT_END + 4, at_y(goal) - 3, "goal", 11)
    for one, other in pairwise(points):
        ends = [(at_x(point.share_error[0]), at_y(point.service_level[0])) for point in (one, other)]
        sheet.line(*ends[0], *ends[1], "before", 2)
    labels: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda point: point.hold_s != own_s):  # the plan's own gets its label first
        x, y = at_x(point.share_error[0]), at_y(point.service_level[0])
        is_own = point.hold_s == own_s
        colour = "after" if is_own else "before"
        sheet.line(at_x(point.share_error[1]), y, at_x(point.share_error[2]), y, colour)
        sheet.line(x, at_y(point.service_level[1]), x, at_y(point.service_level[2]), colour)
        sheet.mark(x, y, 6 if is_own else 4, "circle", colour, hollow=not is_own)
        if not any(abs(x - at) < LABEL_WIDTH and abs(y - over) < LABEL_HEIGHT for at, over in labels):
            labels.append((x, y))
            label = f"{point.hold_s:g} s" + (" (the plan’s)" if is_own else "")
            sheet.text(x + 9, y - 7, label, 12 if is_own else 11, colour, bold=is_own)
    sheet.y = start + height + 42


def _grid(
    sheet: Sheet,
    at: Callable[[float], float],
    step: float,
    top: float,
    y: float,
    height: float,
    *,
    points: bool = False,
) -> None:
    """The vertical lines of an axis of shares, in percent, or of their differences, in points."""
    for number in range(round(top / step) + 1):
        digits = 1 if step < 0.01 else 0  # noqa: PLR2004
        label = f"{100 * number * step:.{digits}f}" + ("" if points else PER_CENT)
        sheet.line(at(number * step), y, at(number * step), y + height, "grid")
        sheet.text(at(number * step), y + height + 14, label, 11, "muted", "middle")


def _step(top: float) -> float:
    return next((step for step in STEPS if top / step <= MOST_STEPS + 1e-9), STEPS[-1])


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}{PER_CENT}"
