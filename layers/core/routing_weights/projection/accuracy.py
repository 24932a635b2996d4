"""The accuracy of projections: predicted and realised figures of a queue, for one projection and for many.

A projected interval is that of a mean. One hour of a queue scatters around its mean even where the model is perfect, so
beside `inside`, the projected interval itself, there is `within_chance`: the interval, widened by what as many
independent contacts scatter by. Waiting contacts are not independent, which makes it a lower bound of chance.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from routing_weights.domain.record import Interval, Prediction, Realised
from routing_weights.projection.erlang import Performance, erlang_a

FIGURES = ("offered", "aht_s", "service_level", "abandonment", "mean_wait_s")
INTERVAL = timedelta(minutes=30)
SPAN = 2 * INTERVAL
"""The measured time: the two whole half-hours (UTC) after the completion."""
LOOK_BACK = timedelta(days=1)
"""How long a failed measurement is tried again."""
FEW = 10
"""With fewer projections than this, one odd hour decides."""
SAME = 0.005
"""A difference that would be shown as 0 %."""
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure. Null if it has no source, such as a service level without contacts."""

    predicted: float | None
    realised: float | None
    error: float | None
    """Realised less predicted."""
    low: float | None = None
    high: float | None = None
    """The projected 95 % interval of the mean; None for what was an input."""
    inside: bool | None = None
    within_chance: bool | None = None


@dataclass(frozen=True, slots=True)
class Blame:
    """The error of the service level, in two parts: by a wrong forecast, and by everything else."""

    erlang_a_forecast: float
    erlang_a_realised: float
    """Erlang A for the realised volume and handle time, with the projected agents and patience."""
    by_forecast: float
    """The part of the error that Erlang A explains by the difference between the two volumes."""
    by_model: float
    """The rest: the model, agents who came or left, and another definition of the service level."""


@dataclass(frozen=True, slots=True)
class Comparison:
    figures: dict[str, Figure]
    blame: Blame | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A figure over many projections."""

    count: int
    mean_error: float
    mean_absolute_error: float
    relative: float | None
    """Sum of realised / sum of predicted - 1."""
    inside: float | None
    """The share of them."""
    within_chance: float | None


def window_after(completed: str) -> datetime:
    """When the first whole half-hour begins that follows the timestamp of a record."""
    seconds = INTERVAL.total_seconds()
    return datetime.fromtimestamp(-(-datetime.fromisoformat(completed).timestamp() // seconds) * seconds, UTC)


def predicted(projection: Mapping[str, Any] | None) -> Prediction | str:
    """What a recorded projection says of the queue after the plan; a sentence where there is nothing to compare."""
    models = (projection or {}).get("models")
    if projection is None or not models:
        return "The plan was projected with a load alone, so no model said what would happen."
    if models["indicative"]:
        return "Offered volume and handle time were not known: what the models said was indicative."
    after = (models["simulation"] or {}).get("after", {})
    forecast, pooled = models["forecast"], models["erlang_a"]["after"] or {}
    return Prediction(
        **{name: forecast[name] for name in ("offered", "interval_s", "aht_s", "patience_s", "source")},
        service_level=_interval(after.get("service_level")),
        abandonment=_interval(after.get("abandonment")),
        mean_wait_s=_interval(after.get("mean_wait_s")),
        answer_within_s=models["target"]["answer_within_s"],
        agents=projection["active_agents"],
        # Of all queues on the agents, where they carry other queues of the fleet too: no error of this queue's.
        erlang_a=None if projection.get("neighbours") else pooled.get("service_level"),
    )


def _interval(figure: Mapping[str, float] | None) -> Interval | None:
    return Interval(figure["mean"], figure["low"], figure["high"]) if figure else None


def compare(prediction: Prediction, realised: Realised, span_s: float) -> Comparison:
    """A projection, against what happened in `span_s` seconds."""
    intervals = span_s / prediction.interval_s
    offered, aht_s = prediction.offered, prediction.aht_s
    figures = {
        # As in the models, arrivals are a Poisson process and handle times are exponential.
        "offered": _figure(offered, realised.offered / intervals, math.sqrt(offered * intervals) / intervals),
        "aht_s": _figure(aht_s, _ratio(realised.handle_s, realised.handled), aht_s / math.sqrt(realised.handled or 1)),
        "service_level": _share(prediction.service_level, realised.in_time, realised.counted),
        "abandonment": _share(prediction.abandonment, realised.abandoned, realised.offered),
        "mean_wait_s": _figure(prediction.mean_wait_s, _ratio(realised.wait_s, realised.waited), None),
    }
    return Comparison(figures, _blame(prediction, realised, span_s, figures))


def summarise(comparisons: Sequence[Comparison]) -> dict[str, Summary]:
    """By figure. A figure that was never both predicted and realised is left out."""
    summaries = {}
    for name in FIGURES:
        figures = [comparison.figures[name] for comparison in comparisons]
        figures = [figure for figure in figures if figure.error is not None]
        if figures:
            errors = [figure.error or 0.0 for figure in figures]
            total = math.fsum(figure.predicted or 0.0 for figure in figures)
            summaries[name] = Summary(
                count=len(figures),
                mean_error=math.fsum(errors) / len(errors),
                mean_absolute_error=math.fsum(map(abs, errors)) / len(errors),
                relative=math.fsum(errors) / total if total else None,
                inside=_share_of([figure.inside for figure in figures]),
                within_chance=_share_of([figure.within_chance for figure in figures]),
            )
    return summaries


def sentence(comparisons: Sequence[Comparison]) -> str:
    """What the comparisons mean, in plain words."""
    if not comparisons:
        return "Nothing has been compared yet."
    summaries, parts = summarise(comparisons), []
    volumes = [
        f"{what} was {_relative(summaries[name])} forecast"
        for name, what in (("offered", "offered"), ("aht_s", "handle time"))
        if name in summaries
    ]
    if level := summaries.get("service_level"):
        well = round((level.within_chance or 0.0) * level.count)
        parts.append(
            f"Of {_projections(level.count)}, {well} had a service level that was within what chance allows; "
            f"on average it was {_points(level.mean_error)}."
        )
    else:
        parts.append(
            f"Of {_projections(len(comparisons))}, none had contacts that a service level could be taken from."
        )
    blames = [comparison.blame for comparison in comparisons if comparison.blame]
    if blames:
        forecast = math.fsum(blame.by_forecast for blame in blames) / len(blames)
        model = math.fsum(blame.by_model for blame in blames) / len(blames)
        parts.append(
            f"Of that, a wrong forecast explains {100 * forecast:+.1f} points, and everything else {100 * model:+.1f} "
            "points: the model, agents who came or left, how Genesys counts."
        )
    volume = ", and ".join(volumes)
    parts.append(f"{volume[:1].upper()}{volume[1:]}.")
    if len(comparisons) < FEW:
        parts.append("These are few: one odd hour weighs much.")
    return " ".join(parts)


def _blame(prediction: Prediction, realised: Realised, span_s: float, figures: Mapping[str, Figure]) -> Blame | None:
    error, aht_s = figures["service_level"].error, figures["aht_s"].realised or prediction.aht_s
    if error is None or prediction.erlang_a is None or not prediction.agents:
        return None
    queue = erlang_a(
        realised.offered / span_s,
        aht_s=aht_s,
        agents=prediction.agents,
        patience_s=prediction.patience_s,
        within_s=prediction.answer_within_s,
    )
    if not isinstance(queue, Performance):
        return None
    by_forecast = queue.service_level - prediction.erlang_a
    return Blame(prediction.erlang_a, queue.service_level, by_forecast, error - by_forecast)


def _share(expected: Interval | None, part: float, whole: float) -> Figure:
    """A share of `whole` contacts. Its scatter is taken two contacts away from 0 and 1, where it would be none."""
    noise = None
    if expected and whole:
        p = (min(1.0, max(0.0, expected.mean)) * whole + 2) / (whole + 4)
        noise = math.sqrt(p * (1 - p) / whole)
    return _figure(expected, _ratio(part, whole), noise)


def _figure(expected: float | Interval | None, realised: float | None, noise: float | None) -> Figure:
    """`noise` is the standard deviation of `realised` by chance; None where it is not known."""
    interval = expected if isinstance(expected, Interval) else None
    mean = expected.mean if isinstance(expected, Interval) else expected
    low, high = (interval.low, interval.high) if interval else (None, None)
    if mean is None or realised is None:
        return Figure(mean, realised, None, low, high)
    least, most = (mean if low is None else low), (mean if high is None else high)
    room = None if noise is None else _Z * noise
    return Figure(
        predicted=mean,
        realised=realised,
        error=realised - mean,
        low=low,
        high=high,
        inside=None if interval is None else least <= realised <= most,
        within_chance=None if room is None else least - room <= realised <= most + room,
    )


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _share_of(marks: Sequence[bool | None]) -> float | None:
    known = [mark for mark in marks if mark is not None]
    return sum(known) / len(known) if known else None


def _projections(count: int) -> str:
    return "1 projection" if count == 1 else f"{count} projections"


def _relative(summary: Summary) -> str:
    value = summary.relative
    if value is None:
        return "more than" if summary.mean_error else "as"
    return "as" if abs(value) < SAME else f"{abs(value):.0%} {'more' if value > 0 else 'less'} than"


def _points(value: float) -> str:
    """0.0312 -> "3.1 points above what was projected"."""
    if abs(value) < SAME / 10:
        return "what was projected"
    return f"{abs(value) * 100:.1f} points {'above' if value > 0 else 'below'} what was projected"
