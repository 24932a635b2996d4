"""Shares as one picture: what was requested, drawn and received, member by member, as an SVG without references."""

# ruff: noqa: RUF001  (text for people has the dashes and signs that people write)
from __future__ import annotations

import math
from typing import TYPE_CHECKING

from routing_weights.charts.sheet import LEFT, RIGHT, WIDTH, Sheet, width

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from routing_weights.domain.realised import Row, SharesReport

MOST_MEMBERS, MOST_OTHERS = 100, 10
"""Rows of the picture; the JSON document has everybody."""
ROOMY = 20
"""Up to this number of rows there is room for thick bars."""
PLOT_START, PLOT_END = 160.0, 436.0
REQUESTED_END, DRAWN_END = 502.0, 558.0
PER_CENT = "\u00a0%"
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
MOST_STEPS = 6
_BARS = (("requested", "before"), ("drawn", "unsure"), ("realised", "after"))
"""The bars of a row, from top to bottom, and their colours."""


def chart(report: SharesReport) -> str:
    """Draw the report as an SVG of 720 units of width, which scales to its container.

    Returns XML without declaration, scripts, references or ids; equal reports give equal text.
    """
    sheet, rows = Sheet(), report.rows()
    sheet.rect(0, 0, WIDTH, 5, "after")
    sheet.text(LEFT, 44, "Shares", 20, bold=True)
    sheet.text(RIGHT, 43, f"Queue {report.queue_id}", 15, anchor="end", bold=True, room=480)
    sheet.y = 60
    span = f"{report.start:%Y-%m-%d %H:%M} to {report.end:%Y-%m-%d %H:%M} UTC"
    sheet.paragraph(LEFT, span, 13, "muted")
    sheet.paragraph(LEFT, report.sentence(), 14, lines=4)
    members = [row for row in rows if row.requested is not None]
    others = [row for row in rows if row.requested is None]
    top = _top([*members, *others], report)
    _section(sheet, "Members of the plan", members, MOST_MEMBERS, report, top)
    if not members:
        sheet.paragraph(LEFT, "No plan was in force, so no share is requested.", fill="muted")
    if others:
        _section(sheet, "Others who took contacts", others, MOST_OTHERS, report, top)
    _facts(sheet, report, members)
    return sheet.svg(f"Shares of queue {report.queue_id}", report.sentence())


def _section(sheet: Sheet, title: str, rows: Sequence[Row], most: int, report: SharesReport, top: float) -> None:
    sheet.heading(f"{title} ({len(rows):,})")
    if not rows:
        return
    _legend(sheet, drawn=report.drawn is not None)
    shown = rows[:most]
    pitch = 36.0 if len(shown) <= ROOMY else 24.0
    for x, label in ((REQUESTED_END, "requested"), (DRAWN_END, "drawn"), (RIGHT, "realised (95\u00a0%)")):
        if label != "drawn" or report.drawn is not None:
            sheet.text(x, sheet.y + 10, label, 11, "muted", "end")
    at = _axis(sheet, pitch * len(shown), top)
    for row in shown:
        _row(sheet, row, report, pitch, at)
    sheet.y += 34
    if len(rows) > most:
        sheet.paragraph(LEFT, f"and {len(rows) - most:,} more", fill="muted")


def _row(sheet: Sheet, row: Row, report: SharesReport, pitch: float, at: Callable[[float], float]) -> None:
    drawn = None if row.drawn is None or not report.draws else row.drawn / report.draws
    figures = {"requested": row.requested, "drawn": drawn, "realised": row.share}
    bars = [(name, colour) for name, colour in _BARS if name != "drawn" or report.drawn is not None]
    thick = (pitch - 6) / len(bars)
    for place, (name, colour) in enumerate(bars):
        y, value = sheet.y + 3 + place * thick, figures[name]
        if value:
            sheet.rect(at(0), y + 0.5, at(value) - at(0), thick - 1, colour)
        if name == "realised" and row.share is not None:
            sheet.interval(at(row.low), at(row.high), y + thick / 2, min(thick / 2 - 0.5, 4), "ink")
    middle = sheet.y + pitch / 2 + 4
    hover = f"{row.user_id}: {row.handled.contacts:,} contacts, {row.handled.handle_s / 60:,.0f} min of handling"
    sheet.text(PLOT_START - 10, middle, row.user_id, anchor="end", room=PLOT_START - 10 - LEFT, title=hover)
    sheet.text(REQUESTED_END, middle, _percent(row.requested), 12, "muted", "end")
    if report.drawn is not None:
        sheet.text(DRAWN_END, middle, _percent(drawn), 12, "muted", "end")
    bounds = f" ({100 * row.low:.1f}–{100 * row.high:.1f})" if row.share is not None else ""
    sheet.text(RIGHT, middle, _percent(row.share) + bounds, 12, "ink", "end", room=RIGHT - DRAWN_END - 4)
    sheet.y += pitch


def _axis(sheet: Sheet, height: float, top: float) -> Callable[[float], float]:
    """Draw the axis of shares above and below the rows, and return what places a share on it."""

    def at(share: float) -> float:
        return PLOT_START + (PLOT_END - PLOT_START) * min(share, top) / top

    step = _step(top)
    sheet.y += 18
    for number in range(round(top / step) + 1):
        x = at(number * step)
        sheet.line(x, sheet.y, x, sheet.y + height, "grid")
        digits = 0 if step >= 0.01 else 1  # noqa: PLR2004
        sheet.text(x, sheet.y + height + 14, f"{100 * number * step:.{digits}f}", 11, "muted", "middle")
    sheet.text(PLOT_END + 14, sheet.y + height + 14, "% of the queue’s contacts", 11, "muted")
    return at


def _top(rows: Sequence[Row], report: SharesReport) -> float:
    """Where the axis ends: above the largest share, with room for its interval."""
    values = [0.001]
    for row in rows:
        drawn = row.drawn / report.draws if row.drawn and report.draws else 0.0
        values += [row.requested or 0.0, drawn, row.high if row.share else 0.0]
    largest = min(1.0, max(values))
    return math.ceil(largest / _step(largest) - 1e-9) * _step(largest)


def _step(top: float) -> float:
    return next((step for step in STEPS if top / step <= MOST_STEPS + 1e-9), STEPS[-1])


def _legend(sheet: Sheet, *, drawn: bool) -> None:
    """On the line of the heading, to the right."""
    names = [(name, colour) for name, colour in _BARS if name != "drawn" or drawn]
    x, y = RIGHT - sum(width(name, 11) + 30 for name, _ in names) + 10, sheet.y - 18
    for name, colour in names:
        sheet.rect(x, y - 4, 14, 8, colour)
        sheet.text(x + 20, y + 4, name, 11, "muted")
        x += width(name, 11) + 30


def _facts(sheet: Sheet, report: SharesReport, members: Sequence[Row]) -> None:
    sheet.heading("How to read it")
    plans = [
        (
            f"{part.distribution_id} · actuator {part.actuator or 'not known'} · from {part.start:%Y-%m-%d %H:%M} to "
            f"{part.end:%Y-%m-%d %H:%M} · {part.contacts:,} contacts"
        )
        for part in report.parts
        if part.distribution_id
    ]
    left = 1 - math.fsum(row.requested or 0.0 for row in members)
    rows = [("" if number else "Plan", plan) for number, plan in enumerate(plans)]
    rows.append(("Realised", "contacts that the user answered ÷ contacts that all users answered, from Genesys"))
    rows.append(("Interval", "Wilson, 95 %, as if each contact were given at random; counted draws scatter less"))
    if report.drawn is not None:
        rows.append(("Drawn", f"of {report.draws:,} draws; {report.drawn.get('', 0):,} of them for nobody"))
    if members and left > 1e-6:  # noqa: PLR2004
        rows.append(
            ("Nobody’s", f"{_percent(left)} of the contacts: no weight asks for them, and anyone may take them")
        )
    sheet.facts(rows)
    sheet.facts([("Note", note) for note in report.notes], warn=True)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}{PER_CENT}"
