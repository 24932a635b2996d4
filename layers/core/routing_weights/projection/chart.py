"""The projection as one picture: what a plan will do to a queue, before and after, as an SVG that needs nothing else.

Nothing in the document is trusted: every text is cleaned, escaped, and cut or wrapped to the room that it has, and what
is missing, or not a finite number, is said to be missing. Widths of text are estimated from DejaVu Sans, the widest of
the fonts that a system may choose; a line with characters that the estimate does not know is set to its length.
"""

# ruff: noqa: RUF001  (what people read has the dashes and signs that people write)
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from routing_weights.projection.gate import OVERLOADED, STARVED

NAMED_AGENTS = 30
"""Up to so many agents have a row each; of more there are histograms, and rows of the most changed."""
MOST_CHANGED = 8
SHOWN_CHECKS = 14

WIDTH, LEFT, RIGHT = 720.0, 24.0, 696.0
COLUMN, PLOT_START, PLOT_END = 172.0, 228.0, 508.0
LONGEST_TEXT = 4000
PER_CENT = "\u00a0%"
LARGEST_NUMBER = 1e9
"""Beyond it a figure is an error, and no column has room for it."""

LIGHT: Mapping[str, str] = {
    "paper": "#ffffff", "ink": "#1f2328", "muted": "#59636e", "grid": "#d1d9e0", "before": "#69727c",
    "after": "#0a5fb4", "good": "#006b52", "bad": "#b03a00", "warn": "#7a5200", "unsure": "#6b3fa0",
    "overloaded": "#fbe6db", "starved": "#f1ebf9",
}  # fmt: skip
DARK: Mapping[str, str] = {
    "paper": "#0f141a", "ink": "#e6edf3", "muted": "#9da7b1", "grid": "#39424c", "before": "#a4aeb8",
    "after": "#62b0ff", "good": "#3fc9a3", "bad": "#ff9466", "warn": "#e3b341", "unsure": "#c7a6ff",
    "overloaded": "#41251a", "starved": "#2d2347",
}  # fmt: skip
VERDICTS: Mapping[str, tuple[str, str, str]] = {
    "blocked": ("Blocked", "bad", "octagon"),
    "needs_approval": ("Needs approval", "warn", "triangle"),
    "inconclusive": ("Inconclusive", "unsure", "diamond"),
    "pass": ("Pass", "good", "circle"),
}
"""By verdict, the worst first: its word, its colour, and its shape, for who sees no colour."""
SHAPES: Mapping[str, Sequence[tuple[float, float]]] = {
    "octagon": [(-0.41, -1), (0.41, -1), (1, -0.41), (1, 0.41), (0.41, 1), (-0.41, 1), (-1, 0.41), (-1, -0.41)],
    "triangle": [(0, -1), (1.08, 0.9), (-1.08, 0.9)],
    "down": [(0, 1), (1.08, -0.9), (-1.08, -0.9)],
    "diamond": [(0, -1.15), (1.15, 0), (0, 1.15), (-1.15, 0)],
}
GLYPHS: Mapping[str, Sequence[Sequence[tuple[float, float]]]] = {
    "circle": [[(-0.45, 0.02), (-0.12, 0.38), (0.48, -0.36)]],
    "octagon": [[(-0.38, -0.38), (0.38, 0.38)], [(0.38, -0.38), (-0.38, 0.38)]],
    "triangle": [[(0, -0.35), (0, 0.25)], [(0, 0.54), (0, 0.6)]],
    "diamond": [
        [(-0.3, -0.28), (-0.16, -0.52), (0.16, -0.52), (0.3, -0.28), (0, 0.02), (0, 0.2)],
        [(0, 0.5), (0, 0.56)],
    ],
}
SIDES = ("before", "after")
FIGURES = ("service_level", "abandonment", "mean_wait", "occupancy")
SHARES = {"service_level", "abandonment", "occupancy", "skills"}
BOUNDS = {"service_level": "at least", "abandonment": "at most", "saturation": "at most"}
_Estimate = tuple[float, float, float]
"""Mean, and both ends of its 95 % interval, which equal the mean where there is none."""


class _Agent(NamedTuple):
    member: str
    before: float | None
    after: float | None
    entry: Mapping[str, Any]


def chart(projection: Mapping[str, Any], *, queue_id: str) -> str:
    """Draw `projection` as an SVG of 720 units of width, which scales to its container.

    Args:
        projection: the projection's JSON document: `verdict`, `reason`, `active_agents`, `projected_load` [erlangs],
            `saturation_ratio`, `saturation_limit`, `checks`, and `models` with `forecast`, `target`, `erlang_a` and
            `simulation`. Shares and occupancies are in [0, 1], times in seconds. Any part may be missing or None.
        queue_id: of any length and content.

    Returns:
        XML without declaration, scripts, references or ids; equal arguments give equal text.
    """
    sheet, models = _Sheet(), _part(projection, "models")
    word, colour, shape = VERDICTS.get(str(projection.get("verdict")), ("No verdict", "muted", "diamond"))
    reason = _clean(projection.get("reason")) or "No reason is given."
    sheet.rect(0, 0, WIDTH, 5, colour)
    sheet.mark(LEFT + 12, 37, 12, shape, colour, glyph=True)
    sheet.text(LEFT + 34, 44, word, 20, colour, bold=True)
    room = RIGHT - LEFT - 54 - _width(word, 20, bold=True)
    sheet.text(RIGHT, 43, f"Queue {queue_id}", 15, anchor="end", bold=True, room=room)
    sheet.y = 68
    sheet.paragraph(LEFT, reason, 14, lines=6)
    _load(sheet, projection)
    summary = _service(sheet, models)
    _checks(sheet, _parts(projection.get("checks")), reason)
    _agents(sheet, _parts(_part(models, "simulation").get("agents")))
    _inputs(sheet, models)
    return sheet.svg(f"{word}: what the plan will do to queue {queue_id}", f"{summary} {reason}")


# ---- the parts of the picture, from top to bottom --------------------------------------------------------------------


def _load(sheet: "_Sheet", projection: Mapping[str, Any]) -> None:
    ratio, limit = _number(projection.get("saturation_ratio")), _number(projection.get("saturation_limit"))
    over = ratio is not None and limit is not None and ratio > limit + 1e-9
    bound = "no limit is known" if limit is None else f"{'above' if over else 'within'} the limit of {_plain(limit)}"
    sheet.y += 34
    for x, value, label, fill in (
        (LEFT, _plain(_number(projection.get("active_agents")), 0), "active agents", "ink"),
        (COLUMN, _plain(_number(projection.get("projected_load"))), "erlangs of projected load", "ink"),
        (392.0, _plain(ratio), f"saturation: {'not known' if ratio is None else bound}", "bad" if over else "ink"),
    ):
        sheet.text(x, sheet.y, value, 22, fill, bold=True)
        sheet.text(x, sheet.y + 18, label, fill="muted")
    sheet.y += 30


def _service(sheet: "_Sheet", models: Mapping[str, Any]) -> str:
    """Draw it, and say it in a sentence."""
    target = _part(models, "target")
    simulated, computed = ([_part(_part(models, key), side) for side in SIDES] for key in ("simulation", "erlang_a"))
    drawn = simulated if any(simulated) else computed
    sheet.heading("Service, before → after" + (" (indicative)" if models.get("indicative") is True else ""))
    if not any(drawn):
        sheet.paragraph(LEFT, "Not modelled: service level, abandonment and waits are not known.", fill="muted")
        return "Service level and abandonment are not known."
    sheet.legend(*(["95 % interval"] if drawn is simulated else []), "target")
    _metric(sheet, "service_level", drawn, "≥", _number(target.get("service_level")))
    _metric(sheet, "abandonment", drawn, "≤", _number(target.get("max_abandonment")))
    rows = [(_named(key), _change(drawn, key)) for key in FIGURES[2:]]
    both = [f"{_named(key).lower()} {_change(computed, key)}" for key in FIGURES]
    if drawn is computed:
        rows.append(("Simulation", "missing: what is drawn is the formula (Erlang A), which has no intervals"))
    else:
        rows.append(("Erlang A", " · ".join(both) if any(computed) else "missing"))
    sheet.facts(rows)
    return " ".join(f"{_named(key)}: {_change(drawn, key)}." for key in FIGURES[:2])


def _metric(sheet: "_Sheet", key: str, drawn: Sequence[Mapping[str, Any]], sign: str, aim: float | None) -> None:
    y, span, lanes = sheet.y, PLOT_END - PLOT_START, [_estimate(figures.get(key)) for figures in drawn]
    highest = max([aim or 0.0, *(lane[2] for lane in lanes if lane)])
    top = 1.0 if sign == "≥" else next((top for top in (0.1, 0.2, 0.5) if highest <= 0.9 * top), 1.0)

    def at(value: float) -> float:
        return PLOT_START + span * min(max(value / top, 0.0), 1.0)

    sheet.text(LEFT, y + 18, _named(key), 14, bold=True)
    note = "no target is known" if aim is None else f"target {sign} {_bound(aim)}"
    sheet.text(LEFT, y + 36, note, fill="muted", room=COLUMN - LEFT)
    for quarter in range(5):
        x = PLOT_START + span * quarter / 4
        sheet.line(x, y + 2, x, y + 50, "grid")
        if quarter % 2 == 0:
            sheet.text(x, y + 64, _percent(top * quarter / 4, 0), 11, "muted", "middle")
    if aim is not None:
        sheet.line(at(aim), y - 2, at(aim), y + 54, "ink", 2, dash="4 3")
    for middle, side, figures, found in zip((y + 14, y + 38), SIDES, drawn, lanes, strict=True):
        sheet.text(PLOT_START - 10, middle + 4, side, 12, side, "end", bold=side == "after")
        if found is None:
            why, fill = ("unstable", "bad") if figures.get("unstable") is True else ("not known", "muted")
            sheet.text(PLOT_END + 16, middle + 5, why, 14, fill, bold=True)
            continue
        mean, low, high = found
        if low < high:
            sheet.interval(at(low), at(high), middle, 7, side)
            ends = f"{_percent(max(low, 0.0)).removesuffix(PER_CENT)}–{_percent(min(high, 1.0))}"
            sheet.text(PLOT_END + 94, middle + 4, ends, 11, "muted", room=RIGHT - PLOT_END - 94)
        sheet.mark(at(mean), middle, 5, "circle", side, hollow=side == "before")
        sheet.text(PLOT_END + 84, middle + 5, _percent(mean), 15, anchor="end", bold=True, room=76)
    sheet.y += 78


def _checks(sheet: "_Sheet", checks: list[Mapping[str, Any]], reason: str) -> None:
    sheet.heading("Checks")
    if not checks:
        sheet.paragraph(LEFT, "No check is in this projection.", fill="muted")
    worst_first = [*VERDICTS][:-1]
    checks.sort(key=lambda c: worst_first.index(v) if (v := c.get("verdict")) in worst_first else 8 + (v == "pass"))
    for check in checks[:SHOWN_CHECKS]:
        name, verdict = str(check.get("name") or "unnamed"), str(check.get("verdict") or "no verdict")
        word, colour, shape = VERDICTS.get(verdict, (_named(verdict), "muted", "diamond"))
        unit, sentence, y = "%" if name in SHARES else "", _clean(check.get("sentence")), sheet.y + 12
        sheet.mark(LEFT + 7, y - 4, 7, shape, colour, glyph=True)
        sheet.text(LEFT + 24, y, word, 12, colour, bold=True, room=118)
        sheet.text(COLUMN, y, _named(name), room=106, title=sentence)
        sheet.text(288, y, _spread(_estimate({**check, "mean": check.get("value")}), unit), room=166)
        if (threshold := _number(check.get("threshold"))) is not None:
            shown = _bound(threshold) if unit else _plain(threshold)
            sheet.text(466, y, f"{BOUNDS.get(name, 'threshold')} {shown}", fill="muted", room=148)
        if check.get("required") is not None:
            sheet.text(RIGHT, y, "required" if check["required"] else "advisory", 12, "muted", "end")
        sheet.y += 21
        if verdict != "pass" and sentence and sentence not in reason:
            sheet.paragraph(COLUMN, sentence, fill="muted", lines=3)
            sheet.y += 6
    if len(checks) > SHOWN_CHECKS:
        sheet.paragraph(LEFT, f"and {len(checks) - SHOWN_CHECKS:,} more", fill="muted")


def _agents(sheet: "_Sheet", found: Sequence[Mapping[str, Any]]) -> None:
    agents = [
        _Agent(
            str(a.get("member") or "unnamed"), _number(a.get("occupancy_before")), _number(a.get("occupancy_after")), a
        )
        for a in found
    ]
    sheet.heading("Occupancy per agent" + (f" ({len(agents):,})" if agents else ""))
    if not agents:
        sheet.paragraph(LEFT, "Not simulated: who is overloaded or starved is not known.", fill="muted")
        return
    sheet.legend()
    if len(agents) <= NAMED_AGENTS:
        agents.sort(key=lambda a: (a.after is None, -(a.after or 0.0), a.member))
        _rows(sheet, agents)
        return
    _histograms(sheet, agents)
    agents.sort(
        key=lambda a: (a.before is None or a.after is None, -abs((a.after or 0.0) - (a.before or 0.0)), a.member)
    )
    sheet.text(LEFT, sheet.y + 14, f"The {MOST_CHANGED} most changed", 13, bold=True)
    sheet.y += 24
    _rows(sheet, agents[:MOST_CHANGED])


def _rows(sheet: "_Sheet", agents: Sequence[_Agent]) -> None:
    start, end, pitch = 170.0, 490.0, 22.0
    sheet.text(start, sheet.y + 10, f"starved < {_percent(STARVED, 0)}", 11, "unsure")
    sheet.text(end, sheet.y + 10, f"overloaded > {_percent(OVERLOADED, 0)}", 11, "bad", "end")
    sheet.text(580, sheet.y + 10, "occupancy", 11, "muted", "end")
    sheet.text(RIGHT, sheet.y + 10, "weight", 11, "muted", "end")
    sheet.y += 17
    at = sheet.bands(start, end, pitch * len(agents))
    weights = [_number(agent.entry.get(f"weight_{side}")) or 0.0 for agent in agents for side in SIDES]
    digits = next((digits for digits, least in ((2, 0.1), (3, 0.01)) if max(weights) >= least), 4)
    for row, (member, before, after, entry) in enumerate(agents):
        y = sheet.y + pitch * (row + 0.5)
        given, shares = ([_number(entry.get(f"{key}_{side}")) for side in SIDES] for key in ("weight", "share"))
        told = f"{member}: {_percent(shares[0])} → {_percent(shares[1])} of the contacts"
        sheet.text(start - 12, y + 4, member, anchor="end", room=start - 12 - LEFT, title=told)
        shape, colour = "circle", "after"
        if after is not None and not STARVED <= after <= OVERLOADED:
            shape, colour = ("triangle", "bad") if after > OVERLOADED else ("down", "unsure")
        if before is not None and after is not None:
            sheet.line(at(before), y, at(after), y, colour, 2)
        if before is not None:
            sheet.mark(at(before), y, 4.5, "circle", "before", hollow=True)
        if after is not None:
            sheet.mark(at(after), y, 4.5, shape, colour)
        figures = f"{_percent(before, 0).removesuffix(PER_CENT)} → {_percent(after, 0)}"
        sheet.text(580, y + 4, figures, 12, "ink" if colour == "after" else colour, "end", room=84)
        weighed = f"{_plain(given[0], digits)} → {_plain(given[1], digits)}"
        sheet.text(RIGHT, y + 4, weighed, 12, "muted", "end", room=108)
    sheet.y += pitch * len(agents) + 22


def _histograms(sheet: "_Sheet", agents: Sequence[_Agent]) -> None:
    bins, start, height = 50, 92.0, 62.0  # of 2 %, so that both bands begin with a bin
    known = {
        "before": [agent.before for agent in agents if agent.before is not None],
        "after": [agent.after for agent in agents if agent.after is not None],
    }
    counts = {side: [0] * bins for side in SIDES}
    for side, values in known.items():
        for value in values:
            counts[side][min(max(int(value * bins + 1e-9), 0), bins - 1)] += 1
    highest = max(1, *counts["before"], *counts["after"])
    for side, values in known.items():
        starved, overloaded = sum(v < STARVED for v in values), sum(v > OVERLOADED for v in values)
        told = [
            f"{starved:,} starved (< {_percent(STARVED, 0)})",
            f"{overloaded:,} overloaded (> {_percent(OVERLOADED, 0)})",
        ]
        if values:
            ranked, half = sorted(values), len(values) // 2
            told.append(f"median {_percent((ranked[half] + ranked[~half]) / 2, 0)}")
        told += [f"{len(agents) - len(values):,} not known"] if len(values) < len(agents) else []
        sheet.text(LEFT, sheet.y + 12, side.capitalize(), 13, side, bold=True)
        sheet.text(start, sheet.y + 12, " · ".join(told))
        sheet.y += 20
        at = sheet.bands(start, RIGHT, height)
        sheet.text(start - 8, sheet.y + 10, f"{highest:,}", 11, "muted", "end")
        sheet.text(start - 8, sheet.y + 24, "agents", 11, "muted", "end")
        for index, count in enumerate(counts[side]):
            if count:
                tall, x = max(height * count / highest, 1.5), at(index / bins)
                sheet.rect(x + 1, sheet.y + height - tall, at((index + 1) / bins) - x - 2, tall, side)
        sheet.y += height + 26


def _inputs(sheet: "_Sheet", models: Mapping[str, Any]) -> None:
    forecast, target, simulation = (_part(models, key) for key in ("forecast", "target", "simulation"))
    sheet.heading("Inputs")
    age, source = _number(forecast.get("age_s")), str(forecast.get("source") or "not known")
    aged = f"{_duration(age)} old" if age is not None else "" if source == "plan" else "age not known"
    interval, offered, aht, patience = (
        _number(forecast.get(key)) for key in ("interval_s", "offered", "aht_s", "patience_s")
    )
    every = "interval of unknown length" if interval is None else _duration(interval)
    told = f"{_plain(offered)} contacts offered per {every} · AHT {_plain(aht, 0)} s · patience {_plain(patience, 0)} s"
    loaded = " · ".join(filter(None, (told, f"source: {source}", aged, str(forecast.get("detail") or ""))))
    level, lost = _bound(_number(target.get("service_level"))), _bound(_number(target.get("max_abandonment")))
    origin = target.get("source") or "not known"
    aims = f"service level at least {level} · abandonment at most {lost} · source: {origin}"
    seconds = _number(target.get("answer_within_s"))
    within = "the target time (not given)" if seconds is None else f"{seconds:g} s"
    contacts, runs, seed = (_plain(_number(simulation.get(key)), 0) for key in ("contacts", "replications", "seed"))
    rule = f"rule {simulation.get('rule') or 'not known'}: {simulation.get('assumption') or 'no assumption is given'}"
    sampled = f"{contacts} contacts in {runs} replications · seed {seed} · {rule}"
    rows = [("Forecast", loaded if forecast else "missing"), ("Target", aims if target else "missing")]
    rows.append(("Service level", f"answered within {within} ÷ offered"))
    rows.append(("Simulation", sampled if simulation else "missing"))
    sheet.facts(rows)
    assumed = forecast.get("assumed") or ()
    listed = "; ".join(map(str, assumed)) if isinstance(assumed, list | tuple) else str(assumed)
    stale = f"the forecast is out of date: {aged or 'age not known'}" if forecast.get("stale") is True else ""
    weak = "read the figures as a direction: the inputs do not carry more" if models.get("indicative") is True else ""
    noted = (("Stale", stale), ("Assumed", listed), ("Indicative", weak))
    sheet.facts([(name, value) for name, value in noted if value], warn=True)


# ---- the sheet -------------------------------------------------------------------------------------------------------


class _Sheet:
    """Elements from top to bottom; `y` is where the next part starts. Colours are names in the palettes."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 0.0

    def svg(self, title: str, described: str) -> str:
        light, dark = (
            "".join(f".rw .f-{name}{{fill:{code}}}.rw .s-{name}{{stroke:{code}}}" for name, code in palette.items())
            for palette in (LIGHT, DARK)
        )
        height = self.y + 16
        fonts = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="rw" role="img" viewBox="0 0 {WIDTH:g} {height:g}" '
            f'width="100%" style="max-width:960px" font-family="{fonts}">'
            f"<title>{_escaped(title)}</title><desc>{_escaped(described)}</desc>"
            f"<style>.rw text{{font-variant-numeric:tabular-nums;unicode-bidi:isolate}}{light}"
            f"@media (prefers-color-scheme:dark){{{dark}}}</style>"
            f'<rect x="0" y="0" width="{WIDTH:g}" height="{height:g}" class="f-paper"/>{"".join(self.parts)}</svg>\n'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, dash: str = "") -> None:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        self.parts.append(f'<line {ends} stroke-width="{width:g}" class="s-{colour}"{dashed}/>')

    def interval(self, low: float, high: float, y: float, cap: float, colour: str) -> None:
        self.line(low, y, high, y, colour, 2)
        for end in (low, high):
            self.line(end, y - cap, end, y + cap, colour, 2)

    def rect(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect {box} class="f-{fill}"/>')

    def mark(
        self, x: float, y: float, r: float, shape: str, colour: str, *, hollow: bool = False, glyph: bool = False
    ) -> None:
        paint = f'class="f-paper s-{colour}" stroke-width="2"' if hollow else f'class="f-{colour}"'
        if shape == "circle":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" {paint}/>')
        else:
            self.parts.append(f'<polygon points="{_points(SHAPES[shape], x, y, r)}" {paint}/>')
        for stroke in GLYPHS[shape] if glyph else ():
            pen = f'fill="none" stroke-width="{max(r / 5, 1.6):.1f}" stroke-linecap="round" class="s-paper"'
            self.parts.append(f'<polyline points="{_points(stroke, x, y, r)}" {pen}/>')

    def text(
        self, x: float, y: float, content: Any, size: float = 12, fill: str = "ink", anchor: str = "start",
        *, bold: bool = False, room: float = RIGHT - LEFT, title: str = "",
    ) -> None:  # fmt: skip
        full = _clean(content)
        shown = _shortened(full, room, size, bold=bold)
        hover = title or (full if shown != full else "")
        more = f' text-anchor="{anchor}"' if anchor != "start" else ""
        more += ' font-weight="600"' if bold else ""
        if not all(c <= "\u017f" or c in _SIGNS for c in shown):
            more += f' textLength="{_width(shown, size, bold=bold):.1f}" lengthAdjust="spacingAndGlyphs"'
        inner = (f"<title>{_escaped(hover)}</title>" if hover else "") + _escaped(shown)
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" class="f-{fill}"{more}>{inner}</text>')

    def paragraph(self, x: float, content: Any, size: float = 12, fill: str = "ink", *, lines: int = 4) -> None:
        full = _clean(content).replace(" %", "\u00a0%")
        wrapped = _wrapped(full, RIGHT - x, size)
        for index, line in enumerate(wrapped[:lines]):
            cut = index == lines - 1 and len(wrapped) > lines
            self.text(x, self.y + size, f"{line}…" if cut else line, size, fill, title=full if cut else "")
            self.y += round(size * 1.45)

    def heading(self, content: str) -> None:
        self.y += 14
        self.line(LEFT, self.y, RIGHT, self.y, "grid")
        self.text(LEFT, self.y + 24, content, 15, bold=True)
        self.y += 38

    def legend(self, *more: str) -> None:
        """On the line of the heading, to the right."""
        names = (*SIDES, *more)
        x, y = RIGHT - sum(_width(name, 11) + 36 for name in names) + 16, self.y - 18
        for name in names:
            if name in SIDES:
                self.mark(x + 9, y, 4.5, "circle", name, hollow=name == "before")
            elif name == "target":
                self.line(x + 10, y - 8, x + 10, y + 8, "ink", 2, dash="4 3")
            else:
                self.interval(x - 2, x + 12, y, 5, "muted")
            self.text(x + 20, y + 4, name, 11, "muted")
            x += _width(name, 11) + 36

    def facts(self, rows: Sequence[tuple[str, str]], *, warn: bool = False) -> None:
        for name, value in rows:
            if warn:
                self.mark(LEFT + 6, self.y + 8, 6, "triangle", "warn", glyph=True)
            self.text(LEFT + 17 * warn, self.y + 12, name, 12, "warn" if warn else "muted", bold=warn)
            self.paragraph(COLUMN - 34, value, lines=5)
            self.y += 3

    def bands(self, start: float, end: float, height: float) -> Callable[[float], float]:
        """Draw the axis of an occupancy from `y` down, and return what places a value on it."""

        def at(value: float) -> float:
            return start + (end - start) * min(max(value, 0.0), 1.0)

        self.rect(start, self.y, at(STARVED) - start, height, "starved")
        self.rect(at(OVERLOADED), self.y, end - at(OVERLOADED), height, "overloaded")
        for value in (0.0, STARVED, 0.6, OVERLOADED, 1.0):
            anchor = "end" if at(value) == RIGHT else "middle"
            self.line(at(value), self.y, at(value), self.y + height, "grid")
            self.text(at(value), self.y + height + 14, _percent(value, 0), 11, "muted", anchor)
        return at


# ---- numbers and texts -----------------------------------------------------------------------------------------------


def _part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return found if isinstance(found := document.get(key), Mapping) else {}


def _parts(found: Any) -> list[Mapping[str, Any]]:
    return [part for part in found if isinstance(part, Mapping)] if isinstance(found, list | tuple) else []


def _number(found: Any) -> float | None:
    usable = isinstance(found, int | float) and not isinstance(found, bool) and abs(found) <= LARGEST_NUMBER
    return float(found) if usable else None


def _estimate(found: Any) -> _Estimate | None:
    """A mean with its interval, or the bare figure of a formula."""
    mean, low, high = (
        _number(found.get(key)) if isinstance(found, Mapping) else _number(found) for key in ("mean", "low", "high")
    )
    return None if mean is None else (mean, mean if low is None else low, mean if high is None else high)


def _plain(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"  # noqa: PLR2004


def _percent(value: float | None, digits: int = 1) -> str:
    """From 1,000 % on it is no share of anything, and a number that is cut misleads."""
    return "–" if value is None or abs(value) >= 9.995 else f"{_plain(100 * value, digits)}{PER_CENT}"  # noqa: PLR2004


def _bound(value: float | None) -> str:
    """A share that somebody chose: 80 %, not 80.0 %."""
    return _percent(value).replace(".0\u00a0", "\u00a0")


def _spread(found: _Estimate | None, unit: str) -> str:
    if found is None:
        return "not known"
    mean, low, high = (
        _percent(v).removesuffix(PER_CENT) if unit == "%" else _plain(v, 1 if unit else 2) for v in found
    )
    unit = PER_CENT if unit == "%" else unit
    return f"{mean}{unit} ({low}–{high})" if found[1] < found[2] else f"{mean}{unit}"


def _change(sides: Sequence[Mapping[str, Any]], key: str) -> str:
    unit = "\u00a0s" if key == "mean_wait" else "%"
    told = [
        "unstable"
        if figures.get("unstable") is True
        else _spread(_estimate(figures.get(key + "_s" * (unit != "%"))), unit)
        for figures in sides
    ]
    return "\u00a0→\u00a0".join(told)


def _duration(seconds: float) -> str:
    for size, limit, unit in ((1, 120, "s"), (60, 7200, "min"), (3600, 172800, "h")):
        if seconds < limit:
            return f"{round(seconds / size, 1):g}\u00a0{unit}"
    return f"{seconds / 86400:,.1f}\u00a0days"


def _named(key: str) -> str:
    return key.replace("_", " ").capitalize()


def _points(shape: Sequence[tuple[float, float]], x: float, y: float, r: float) -> str:
    return " ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in shape)


def _clean(content: Any) -> str:
    """One line; in place of what XML forbids or what turns the direction of a text a "�"; no towers of accents."""
    kept, marks = [], 0
    for c in ("" if content is None else str(content))[:LONGEST_TEXT]:
        category = unicodedata.category(c)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if category[0] == "C" and not c.isspace():
            kept.append("\ufffd")
        elif marks <= 2 and category != "Me":  # noqa: PLR2004
            kept.append(" " if c.isspace() and c != "\u00a0" else c)
    return "".join(kept).strip()


def _escaped(content: str) -> str:
    return _clean(content).translate({38: "&amp;", 60: "&lt;", 62: "&gt;", 34: "&quot;", 39: "&#39;"})


_SIGNS = frozenset("–—→·…≤≥÷×“”‘’")
_EMS = {
    0.36: "fijl.,:;'|!I /\\-·\u00a0",
    0.42: "()[]rt`",
    0.56: "cksz",
    0.7: "ABCEFJKLPRSTVXYZ",
    1.0: "mwMW@%…→—+=<>~#&ÆŒĲ≤≥÷×",
}
_EM = {c: em for em, characters in _EMS.items() for c in characters}


def _em(c: str) -> float:
    if (known := _EM.get(c)) is not None:
        return known
    if c > "\u017f" and (unicodedata.east_asian_width(c) in "WF" or not c.isalnum()):
        return 0.0 if unicodedata.category(c) == "Mn" else 1.03
    return 0.79 if c.isupper() else 0.65


def _width(content: str, size: float, *, bold: bool = False) -> float:
    return sum(map(_em, content)) * size * (1.15 if bold else 1.0)


def _shortened(content: str, room: float, size: float, *, bold: bool = False) -> str:
    """Both ends of what has no room: ids differ at either."""
    if _width(content, size, bold=bold) <= room:
        return content
    kept = 2
    while _width(content[: kept // 2 + 1] + "…" + content[-(kept // 2) :], size, bold=bold) <= room:
        kept += 2
    return f"{content[: kept // 2]}…{content[len(content) - kept // 2 + 1 :]}"


def _wrapped(content: str, room: float, size: float) -> list[str]:
    """Lines of at most `room`, each with room for an ellipsis; a word that is longer than a line is broken."""
    lines, line, left = [], "", room - size
    for word in content.split(" "):
        if line and _width(f" {word}", size) > left:
            lines.append(line)
            line, left = "", room - size
        for c in f" {word}" if line else word:
            if _width(c, size) > left:
                lines.append(line)
                line, left = "", room - size
            line, left = line + c, left - _width(c, size)
    return [*lines, line]
