"""The projection as one picture: what a plan will do to a queue, before and after, as an SVG without references.

The document is not trusted. A figure that is missing, or not a finite number, is drawn as not known.
"""

# ruff: noqa: RUF001  (text for people has the dashes and signs that people write)
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, assert_never

from routing_weights.charts import attainable
from routing_weights.charts.sheet import COLUMN, LEFT, RIGHT, WIDTH, Sheet, clean, width
from routing_weights.projection.checks.base import SimulatedGate, Unit, Verdict, title_of
from routing_weights.projection.checks.occupancy import OVERLOADED, STARVED
from routing_weights.projection.checks.registry import DRAWN, SIMULATED
from routing_weights.projection.verdict import WORST_FIRST

NAMED_AGENTS = 30
"""Up to this number each agent has a row. With more there are histograms, and rows of the most changed agents."""
MOST_CHANGED = 8
SHOWN_CHECKS = 14

NAMED_QUEUES = 5
"""Other queues of the fleet that have a row; the rest is a sum."""

PLOT_START, PLOT_END = 228.0, 508.0
PER_CENT, SECOND = "\u00a0%", "\u00a0s"
LARGEST_NUMBER = 1e9
"""Beyond it a figure is an error, and no column has room for it."""

VERDICTS: Mapping[Verdict, tuple[str, str, str]] = {
    "blocked": ("Blocked", "bad", "octagon"),
    "inconclusive": ("Inconclusive", "unsure", "diamond"),
    "needs_approval": ("Needs approval", "warn", "triangle"),
    "pass": ("Pass", "good", "circle"),
}
"""By verdict: its word, its colour, and its shape for readers who do not see the colour."""
SIDES = ("before", "after")
FIGURES: Mapping[str, Unit] = {
    "service_level": "share",
    "abandonment": "share",
    "mean_wait_s": "seconds",
    "occupancy": "share",
}
"""The figures that every model reports."""
SIGNS = {"at least": "≥", "at most": "≤"}
SECONDS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""Where an axis of seconds may end."""
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
    sheet, models = Sheet(), _part(projection, "models")
    word, colour, shape = _shown(projection.get("verdict")) or ("No verdict", "muted", "diamond")
    reason = clean(projection.get("reason")) or "No reason is given."
    sheet.rect(0, 0, WIDTH, 5, colour)
    sheet.mark(LEFT + 12, 37, 12, shape, colour, glyph=True)
    sheet.text(LEFT + 34, 44, word, 20, colour, bold=True)
    room = RIGHT - LEFT - 54 - width(word, 20, bold=True)
    sheet.text(RIGHT, 43, f"Queue {queue_id}", 15, anchor="end", bold=True, room=room)
    sheet.y = 68
    sheet.paragraph(LEFT, reason, 14, lines=6)
    _load(sheet, projection)
    summary = _service(sheet, models)
    _checks(sheet, _parts(projection.get("checks")), reason)
    _shares(sheet, _part(_part(models, "simulation"), "shares"), _number(_part(models, "target").get("service_level")))
    _agents(sheet, _parts(_part(models, "simulation").get("agents")))
    _inputs(sheet, models, _part(projection, "neighbours"))
    return sheet.svg(f"{word}: what the plan will do to queue {queue_id}", f"{summary} {reason}")


# ---- the parts of the picture, from top to bottom --------------------------------------------------------------------


def _load(sheet: Sheet, projection: Mapping[str, Any]) -> None:
    ratio, limit = _number(projection.get("saturation_ratio")), _number(projection.get("saturation_limit"))
    over = ratio is not None and limit is not None and ratio > limit + 1e-9
    bound = "no limit is known" if limit is None else f"{'above' if over else 'within'} the limit of {_plain(limit)}"
    own = _number(_part(projection, "neighbours").get("own_load"))
    load = "erlangs of projected load" if own is None else f"erlangs, {_plain(own)} of the queue itself"
    sheet.y += 34
    for x, value, label, fill in (
        (LEFT, _plain(_number(projection.get("active_agents")), 0), "active agents", "ink"),
        (COLUMN, _plain(_number(projection.get("projected_load"))), load, "ink"),
        (392.0, _plain(ratio), f"saturation: {'not known' if ratio is None else bound}", "bad" if over else "ink"),
    ):
        sheet.text(x, sheet.y, value, 22, fill, bold=True)
        sheet.text(x, sheet.y + 18, label, fill="muted")
    sheet.y += 30


def _service(sheet: Sheet, models: Mapping[str, Any]) -> str:
    """Draw it, and return it as a sentence."""
    goals = _part(models, "target")
    simulated, computed = ([_part(_part(models, key), side) for side in SIDES] for key in ("simulation", "erlang_a"))
    drawn = simulated if any(simulated) else computed
    sheet.heading("Service, before → after" + (" (indicative)" if models.get("indicative") is True else ""))
    if not any(drawn):
        sheet.paragraph(LEFT, "Not modelled: service level, abandonment and waits are not known.", fill="muted")
        return "Service level and abandonment are not known."
    _legend(sheet, *(["95 % interval"] if drawn is simulated else []), "goal")
    for gate in SIMULATED:
        _gate(sheet, gate, drawn, _number(goals.get(gate.goal)))
    plotted = {gate.figure for gate in SIMULATED}
    rows = [(_label(key), _change(drawn, key)) for key in FIGURES if key not in plotted]
    if drawn is computed:
        rows.append(("Simulation", "missing: what is drawn is the formula (Erlang A), which has no intervals"))
    else:
        formula = " · ".join(f"{title_of(key)} {_change(computed, key)}" for key in FIGURES)
        rows.append(("Erlang A", formula if any(computed) else "missing"))
    sheet.facts(rows)
    return " ".join(f"{gate.title.capitalize()}: {_change(drawn, gate.figure)}." for gate in SIMULATED)


def _gate(sheet: Sheet, gate: SimulatedGate, drawn: Sequence[Mapping[str, Any]], goal: float | None) -> None:
    y, span, lanes = sheet.y, PLOT_END - PLOT_START, [_estimate(figures.get(gate.figure)) for figures in drawn]
    top = _top(gate, max([goal or 0.0, *(lane[2] for lane in lanes if lane)]))

    def at(value: float) -> float:
        return PLOT_START + span * min(max(value / top, 0.0), 1.0)

    sheet.text(LEFT, y + 18, gate.title.capitalize(), 14, bold=True)
    note = "no goal is known" if goal is None else f"goal {SIGNS[gate.bound]} {_limit(goal, gate.unit)}"
    sheet.text(LEFT, y + 36, note, fill="muted", room=COLUMN - LEFT)
    for quarter in range(5):
        x = PLOT_START + span * quarter / 4
        sheet.line(x, y + 2, x, y + 50, "grid")
        if quarter % 2 == 0:
            sheet.text(x, y + 64, _spelled(top * quarter / 4, gate.unit, 0), 11, "muted", "middle")
    if goal is not None:
        sheet.line(at(goal), y - 2, at(goal), y + 54, "ink", 2, dash="4 3")
    for middle, side, figures, lane in zip((y + 14, y + 38), SIDES, drawn, lanes, strict=True):
        sheet.text(PLOT_START - 10, middle + 4, side, 12, side, "end", bold=side == "after")
        if lane is None:
            why, fill = ("unstable", "bad") if figures.get("unstable") is True else ("not known", "muted")
            sheet.text(PLOT_END + 16, middle + 5, why, 14, fill, bold=True)
            continue
        mean, low, high = lane
        if low < high:
            sheet.interval(at(low), at(high), middle, 7, side)
            ends = f"{_bare(max(low, 0.0), gate.unit)}–{_spelled(_capped(high, gate.unit), gate.unit)}"
            sheet.text(PLOT_END + 94, middle + 4, ends, 11, "muted", room=RIGHT - PLOT_END - 94)
        sheet.mark(at(mean), middle, 5, "circle", side, hollow=side == "before")
        sheet.text(PLOT_END + 84, middle + 5, _spelled(mean, gate.unit), 15, anchor="end", bold=True, room=76)
    sheet.y += 78


def _top(gate: SimulatedGate, highest: float) -> float:
    """Where the axis of a gate ends."""
    if gate.unit == "seconds":
        return next((top for top in SECONDS if highest <= 0.9 * top), max(SECONDS[-1], highest))
    if gate.bound == "at least":
        return 1.0
    return next((top for top in (0.1, 0.2, 0.5) if highest <= 0.9 * top), 1.0)


def _checks(sheet: Sheet, checks: list[Mapping[str, Any]], reason: str) -> None:
    sheet.heading("Checks")
    if not checks:
        sheet.paragraph(LEFT, "No check is in this projection.", fill="muted")
    worst_first = [verdict for verdict in WORST_FIRST if verdict != "pass"]
    checks.sort(key=lambda c: worst_first.index(v) if (v := c.get("verdict")) in worst_first else 8 + (v == "pass"))
    for check in checks[:SHOWN_CHECKS]:
        name, verdict = str(check.get("name") or "unnamed"), str(check.get("verdict") or "no verdict")
        word, colour, shape = _shown(verdict) or (_label(verdict), "muted", "diamond")
        sentence, y, how = clean(check.get("sentence")), sheet.y + 12, DRAWN.get(name)
        unit: Unit = how.unit if how else "number"
        sheet.mark(LEFT + 7, y - 4, 7, shape, colour, glyph=True)
        sheet.text(LEFT + 24, y, word, 12, colour, bold=True, room=118)
        sheet.text(COLUMN, y, how.title.capitalize() if how else _label(name), room=106, title=sentence)
        sheet.text(288, y, _spread(_estimate({**check, "mean": check.get("value")}), unit), room=166)
        if (threshold := _number(check.get("threshold"))) is not None:
            bound = how.bound if how else "threshold"
            sheet.text(466, y, f"{bound} {_limit(threshold, unit)}", fill="muted", room=148)
        if check.get("required") is not None:
            sheet.text(RIGHT, y, "required" if check["required"] else "advisory", 12, "muted", "end")
        sheet.y += 21
        if verdict != "pass" and sentence and sentence not in reason:
            sheet.paragraph(COLUMN, sentence, fill="muted", lines=3)
            sheet.y += 6
    if len(checks) > SHOWN_CHECKS:
        sheet.paragraph(LEFT, f"and {len(checks) - SHOWN_CHECKS:,} more", fill="muted")


def _shares(sheet: Sheet, shares: Mapping[str, Any], goal: float | None) -> None:
    """For actuator `share`: what is attainable, what it costs, and, after a dry run, what other hold times bring."""
    if not shares:
        return
    found = [
        attainable.Row(str(row.get("member") or "unnamed"), requested, _estimate(row.get("attainable")))
        for row in _parts(shares.get("members"))
        if (requested := _number(row.get("requested"))) is not None
    ]
    error = _estimate(shares.get("share_error"))
    sheet.heading("Shares, requested and attainable" + (f" ({len(found):,})" if found else ""))
    cost = _estimate(_part(shares, "cost").get("service_level"))
    hold_s, then = (_plain(_number(shares.get(name)), 0) for name in ("hold_s", "then"))
    rows = [
        ("Hold", f"{hold_s} s for the drawn agent alone, then {then} s for the others by score, then anyone"),
        (
            "Share error",
            "not known"
            if error is None
            else f"{_points((error[0], max(error[1], 0.0), error[2]))} on average over the members",
        ),
        ("Cost", "not known" if cost is None else f"{_points(cost)} of service level, against no hold"),
        ("Standings", str(shares.get("standings") or "not known")),
    ]
    sheet.facts(rows)
    sheet.y += 8
    if found:
        found.sort(key=lambda row: (-abs(row.requested - (row.attainable[0] if row.attainable else 0.0)), row.member))
        shown = found[: NAMED_AGENTS if len(found) <= NAMED_AGENTS else MOST_CHANGED]
        if len(shown) < len(found):
            sheet.text(LEFT, sheet.y + 14, f"The {len(shown)} that are missed by most", 13, bold=True)
            sheet.y += 24
        attainable.members(sheet, sorted(shown, key=lambda row: (-row.requested, row.member)))
    points = [
        attainable.Point(hold, missed, level)
        for point in _parts(shares.get("frontier"))
        if (hold := _number(point.get("hold_s"))) is not None
        and (missed := _estimate(point.get("share_error"))) is not None
        and (level := _estimate(point.get("service_level"))) is not None
    ]
    if points:
        sheet.y += 6
        attainable.frontier(sheet, points, _number(shares.get("hold_s")), goal)


def _points(estimate: _Estimate) -> str:
    """A difference of shares: -3.1 points (95 %: -4.0 to -2.2)."""
    mean, low, high = (_plain(100 * value, 1) for value in estimate)
    return f"{mean} points (95{PER_CENT}: {low} to {high})"


def _agents(sheet: Sheet, rows: Sequence[Mapping[str, Any]]) -> None:
    agents = [
        _Agent(
            str(row.get("member") or "unnamed"),
            _number(row.get("occupancy_before")),
            _number(row.get("occupancy_after")),
            row,
        )
        for row in rows
    ]
    sheet.heading("Occupancy per agent" + (f" ({len(agents):,})" if agents else ""))
    if not agents:
        sheet.paragraph(LEFT, "Not simulated: overloaded and starved agents are not known.", fill="muted")
        return
    _legend(sheet)
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


def _rows(sheet: Sheet, agents: Sequence[_Agent]) -> None:
    start, end, pitch = 170.0, 490.0, 22.0
    sheet.text(start, sheet.y + 10, f"starved < {_percent(STARVED, 0)}", 11, "unsure")
    sheet.text(end, sheet.y + 10, f"overloaded > {_percent(OVERLOADED, 0)}", 11, "bad", "end")
    sheet.text(580, sheet.y + 10, "occupancy", 11, "muted", "end")
    sheet.text(RIGHT, sheet.y + 10, "weight", 11, "muted", "end")
    sheet.y += 17
    at = _bands(sheet, start, end, pitch * len(agents))
    weights = [_number(agent.entry.get(f"weight_{side}")) or 0.0 for agent in agents for side in SIDES]
    digits = next((digits for digits, least in ((2, 0.1), (3, 0.01)) if max(weights) >= least), 4)
    for row, (member, before, after, entry) in enumerate(agents):
        y = sheet.y + pitch * (row + 0.5)
        given, shares = ([_number(entry.get(f"{key}_{side}")) for side in SIDES] for key in ("weight", "share"))
        hover = f"{member}: {_percent(shares[0])} → {_percent(shares[1])} of the contacts"
        sheet.text(start - 12, y + 4, member, anchor="end", room=start - 12 - LEFT, title=hover)
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


def _histograms(sheet: Sheet, agents: Sequence[_Agent]) -> None:
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
        counted = [
            f"{starved:,} starved (< {_percent(STARVED, 0)})",
            f"{overloaded:,} overloaded (> {_percent(OVERLOADED, 0)})",
        ]
        if values:
            ranked, half = sorted(values), len(values) // 2
            counted.append(f"median {_percent((ranked[half] + ranked[~half]) / 2, 0)}")
        counted += [f"{len(agents) - len(values):,} not known"] if len(values) < len(agents) else []
        sheet.text(LEFT, sheet.y + 12, side.capitalize(), 13, side, bold=True)
        sheet.text(start, sheet.y + 12, " · ".join(counted))
        sheet.y += 20
        at = _bands(sheet, start, RIGHT, height)
        sheet.text(start - 8, sheet.y + 10, f"{highest:,}", 11, "muted", "end")
        sheet.text(start - 8, sheet.y + 24, "agents", 11, "muted", "end")
        for index, count in enumerate(counts[side]):
            if count:
                tall, x = max(height * count / highest, 1.5), at(index / bins)
                sheet.rect(x + 1, sheet.y + height - tall, at((index + 1) / bins) - x - 2, tall, side)
        sheet.y += height + 26


def _inputs(sheet: Sheet, models: Mapping[str, Any], neighbours: Mapping[str, Any]) -> None:
    forecast, goals, simulation = (_part(models, key) for key in ("forecast", "target", "simulation"))
    sheet.heading("Inputs")
    source, aged = _source(forecast)
    interval, offered, aht, patience = (
        _number(forecast.get(key)) for key in ("interval_s", "offered", "aht_s", "patience_s")
    )
    every = "interval of unknown length" if interval is None else _duration(interval)
    volume = (
        f"{_plain(offered)} contacts offered per {every} · AHT {_plain(aht, 0)} s · patience {_plain(patience, 0)} s"
    )
    loaded = " · ".join(filter(None, (volume, f"source: {source}", aged, str(forecast.get("detail") or ""))))
    aims = [f"{gate.title} {gate.bound} {_limit(_number(goals.get(gate.goal)), gate.unit)}" for gate in SIMULATED]
    aims.append(f"source: {goals.get('source') or 'not known'}")
    seconds = _number(goals.get("answer_within_s"))
    within = "the time of the goal (not given)" if seconds is None else f"{seconds:g} s"
    contacts, runs, seed = (_plain(_number(simulation.get(key)), 0) for key in ("contacts", "replications", "seed"))
    rule = f"rule {simulation.get('rule') or 'not known'}: {simulation.get('assumption') or 'no assumption is given'}"
    sampled = f"{contacts} contacts in {runs} replications · seed {seed} · {rule}"
    rows = [("Forecast", loaded if forecast else "missing"), ("Goal", " · ".join(aims) if goals else "missing")]
    queues = _parts(neighbours.get("queues"))
    rows += [("Same agents", _carried(queue)) for queue in queues[:NAMED_QUEUES]]
    if rest := queues[NAMED_QUEUES:]:
        load = _plain(sum(_number(queue.get("load")) or 0.0 for queue in rest))
        rows.append(("", f"{load} erlangs of {len(rest):,} more queues of the fleet"))
    if not_shown := _part(neighbours, "not_shown"):
        load, count = (_plain(_number(not_shown.get(key)), digits) for key, digits in (("load", 2), ("queues", 0)))
        rows.append(("" if queues else "Same agents", f"{load} erlangs of queues that are not yours ({count})"))
    rows.append(("Service level", f"answered within {within} ÷ offered"))
    rows.append(("Simulation", sampled if simulation else "missing"))
    sheet.facts(rows)
    listed = "; ".join(filter(None, [_assumed(forecast), *(_assumed(queue, _owner(queue)) for queue in queues)]))
    stale = f"the forecast is out of date: {aged or 'age not known'}" if forecast.get("stale") is True else ""
    old = [_owner(queue) for queue in queues if queue.get("stale") is True]
    stale = "; ".join(filter(None, [stale, f"out of date: the forecast{', '.join(old)}" if old else ""]))
    left_out = _part(neighbours, "left_out")
    more, agents = (_plain(_number(left_out.get(key)), 0) for key in ("queues", "agents"))
    uncounted = f"at least {more} more queues of the fleet, which {agents} of the agents serve too" if left_out else ""
    weak = (
        "the figures show a direction only: the inputs do not support more" if models.get("indicative") is True else ""
    )
    noted = (("Stale", stale), ("Assumed", listed), ("Not counted", uncounted), ("Indicative", weak))
    sheet.facts([(name, value) for name, value in noted if value], warn=True)


def _source(forecast: Mapping[str, Any]) -> tuple[str, str]:
    """Its name, and its age in words; empty for a plan's forecast, which has none."""
    age, source = _number(forecast.get("age_s")), str(forecast.get("source") or "not known")
    return source, f"{_duration(age)} old" if age is not None else "" if source == "plan" else "age not known"


def _carried(queue: Mapping[str, Any]) -> str:
    """What the agents carry for another queue of the fleet."""
    load, whole, shared, agents = (
        _plain(_number(queue.get(key)), digits)
        for key, digits in (("load", 2), ("of_load", 2), ("shared_agents", 0), ("agents", 0))
    )
    source, aged = _source(queue)
    carried = (
        f"{load} of the {whole} erlangs{_owner(queue)}, since {shared} of its {agents} agents serve this queue too"
    )
    return " · ".join(filter(None, (carried, f"source: {source}", aged)))


def _owner(queue: Mapping[str, Any]) -> str:
    return f" of queue {queue.get('queue_id') or 'unnamed'}"


def _assumed(forecast: Mapping[str, Any], owner: str = "") -> str:
    assumed = forecast.get("assumed") or ()
    return "; ".join(f"{each}{owner}" for each in (assumed if isinstance(assumed, list | tuple) else [assumed]))


def _legend(sheet: Sheet, *more: str) -> None:
    """On the line of the heading, to the right."""
    names = (*SIDES, *more)
    x, y = RIGHT - sum(width(name, 11) + 36 for name in names) + 16, sheet.y - 18
    for name in names:
        if name in SIDES:
            sheet.mark(x + 9, y, 4.5, "circle", name, hollow=name == "before")
        elif name == "goal":
            sheet.line(x + 10, y - 8, x + 10, y + 8, "ink", 2, dash="4 3")
        else:
            sheet.interval(x - 2, x + 12, y, 5, "muted")
        sheet.text(x + 20, y + 4, name, 11, "muted")
        x += width(name, 11) + 36


def _bands(sheet: Sheet, start: float, end: float, height: float) -> Callable[[float], float]:
    """Draw the axis of an occupancy from `y` down, and return what places a value on it."""

    def at(value: float) -> float:
        return start + (end - start) * min(max(value, 0.0), 1.0)

    sheet.rect(start, sheet.y, at(STARVED) - start, height, "starved")
    sheet.rect(at(OVERLOADED), sheet.y, end - at(OVERLOADED), height, "overloaded")
    for value in (0.0, STARVED, 0.6, OVERLOADED, 1.0):
        anchor = "end" if at(value) == RIGHT else "middle"
        sheet.line(at(value), sheet.y, at(value), sheet.y + height, "grid")
        sheet.text(at(value), sheet.y + height + 14, _percent(value, 0), 11, "muted", anchor)
    return at


# ---- numbers and texts -----------------------------------------------------------------------------------------------


def _shown(verdict: Any) -> tuple[str, str, str] | None:
    return next((shown for known, shown in VERDICTS.items() if known == verdict), None)


def _part(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return part if isinstance(part := document.get(key), Mapping) else {}


def _parts(parts: Any) -> list[Mapping[str, Any]]:
    return [part for part in parts if isinstance(part, Mapping)] if isinstance(parts, list | tuple) else []


def _number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER
    return float(value) if usable else None


def _estimate(value: Any) -> _Estimate | None:
    """A mean with its interval, or the bare figure of a formula."""
    mean, low, high = (
        _number(value.get(key)) if isinstance(value, Mapping) else _number(value) for key in ("mean", "low", "high")
    )
    return None if mean is None else (mean, mean if low is None else low, mean if high is None else high)


def _plain(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"  # noqa: PLR2004


def _percent(value: float | None, digits: int = 1) -> str:
    """From 1,000 % on it is no share of anything, and a number that is cut misleads."""
    return "–" if value is None or abs(value) >= 9.995 else f"{_plain(100 * value, digits)}{PER_CENT}"  # noqa: PLR2004


def _spelled(value: float | None, unit: Unit, digits: int = 1) -> str:
    match unit:
        case "share":
            return _percent(value, digits)
        case "seconds":
            return "–" if value is None else f"{_plain(value, digits)}{SECOND}"
        case "number":
            return _plain(value)
        case _:
            assert_never(unit)


def _bare(value: float, unit: Unit) -> str:
    """Without its unit, before one that has it."""
    return _spelled(value, unit).removesuffix(PER_CENT).removesuffix(SECOND)


def _capped(value: float, unit: Unit) -> float:
    return min(value, 1.0) if unit == "share" else value


def _limit(value: float | None, unit: Unit) -> str:
    """A share or a time that somebody chose: 80 %, not 80.0 %."""
    return _spelled(value, unit).replace(".0\u00a0", "\u00a0")


def _spread(estimate: _Estimate | None, unit: Unit) -> str:
    if estimate is None:
        return "not known"
    mean, low, high = estimate
    interval = f" ({_bare(low, unit)}–{_bare(high, unit)})" if low < high else ""
    return _spelled(mean, unit) + interval


def _change(sides: Sequence[Mapping[str, Any]], key: str) -> str:
    return "\u00a0→\u00a0".join(
        "unstable" if figures.get("unstable") is True else _spread(_estimate(figures.get(key)), FIGURES[key])
        for figures in sides
    )


def _duration(seconds: float) -> str:
    for size, limit, unit in ((1, 120, "s"), (60, 7200, "min"), (3600, 172800, "h")):
        if seconds < limit:
            return f"{round(seconds / size, 1):g}\u00a0{unit}"
    return f"{seconds / 86400:,.1f}\u00a0days"


def _label(key: str) -> str:
    return title_of(key).capitalize()
