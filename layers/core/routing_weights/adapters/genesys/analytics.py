"""Contract `platform`: what Genesys knows of a queue's load. It reads; contract `score` has none of it.

Evidence: publicapi-v2 as the official Python SDK 269.0.0 has it, paths, models and enums; the required fields and the
permissions are from its docs, the names of the metrics from the Java SDK's `ConversationAggregationQuery`.

Not verified on a real organisation: that times of aggregates are milliseconds (Genesys's own examples of views read
them so); that a wait counts contacts that were answered, abandoned or flowed out (help, "Metric definitions"); whether
`referenceStartDate` of a week after the first is the forecast's or the week's (either is understood); whether a
download holds the result or its envelope (either is understood); that `oServiceLevel` comes as `numerator` and
`denominator` (the SDK's StatisticalSummary has both, and programs of others divide them) and counts by the queue's own
settings; how late the figures of an interval that is over still change; that grouped by `userId`, `tAnswered` counts
the contacts that a user accepted from the queue, in the interval in which the user answered (help, "What is the
difference between the answered and handle metrics?": a contact handed over to a colleague counts as answered for the
first one only), while the time of `tHandle` counts in the interval in which the handling ended, transfers included;
that an interval may begin at any second, and last 31 days; how many groups an answer holds.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts.reading import Entity, child, children
from routing_weights.domain.record import Handled, Realised
from routing_weights.errors import GenesysAnswerInvalid, RoutingWeightsError
from routing_weights.projection.inputs import CALLS, HISTORY_INTERVAL, History, Observed, Predicted, Volume, is_call

OBSERVATIONS = "/api/v2/analytics/queues/observations/query"
AGGREGATES = "/api/v2/analytics/conversations/aggregates/query"

FIRST_WEEKS, MOST_WEEKS, FEWEST_WEEKS = 4, 8, 3
"""How many weeks are read at first and at most. A history needs contacts in at least three of them."""
MAX_QUEUES = 100
"""The most queues in one query."""

WFM_INTERVAL = timedelta(minutes=15)
WEEK = timedelta(days=7)
MAX_FORECASTS = 3
"""How many of the newest forecasts are tried."""
MAX_DOWNLOAD_BYTES = 16_000_000
"""A week of 100 planning groups is about 2 MB."""
LARGEST = 1e15
"""The largest figure: the milliseconds of waiting that a queue of e-mails adds up are about as large."""

_REALISED = {
    "nOffered": {"count": "offered"},
    "tAnswered": {"count": "answered"},
    "tAbandon": {"count": "abandoned"},
    "tHandle": {"count": "handled", "sum": "handle_s"},
    "tWait": {"count": "waited", "sum": "wait_s"},
    "oServiceLevel": {"numerator": "in_time", "denominator": "counted"},
}
"""The figures in the statistics of each metric."""


@dataclass
class Analytics:
    client: GenesysClient
    wall_clock: Callable[[], float] = time.time
    _histories: dict[str, History | None] = field(default_factory=dict, init=False)
    _forecasts: dict[tuple[str, int], Any] = field(default_factory=dict, init=False)
    """By path and week: every queue of a business unit is in the same answers."""

    # ---- now --------------------------------------------------------------------------------------------------------

    def observe(self, queue_id: str) -> Observed:
        """Return the agents on queue by routing status, and the contacts waiting and interacting. One request."""
        metrics = ["oOnQueueUsers", "oWaiting", "oInteracting"]
        predicate = {"type": "dimension", "dimension": "queueId", "operator": "matches", "value": queue_id}
        body = {"filter": {"type": "and", "predicates": [predicate]}, "metrics": metrics}
        answer = self.client.query(OBSERVATIONS, body)
        on_queue: dict[str, int] = {}
        contacts = dict.fromkeys(metrics[1:], 0)
        for result in _listed(answer, "results", OBSERVATIONS):
            for data in children(result, "data"):
                metric, count = str(data.get("metric")), int(_figure(child(data, "stats"), "count"))
                if metric == metrics[0] and count:
                    status = str(data.get("qualifier") or "ON_QUEUE")
                    on_queue[status] = on_queue.get(status, 0) + count
                elif metric in contacts:
                    contacts[metric] += count
        return Observed(on_queue, contacts["oWaiting"], contacts["oInteracting"], self.wall_clock(), "observations")

    # ---- the past ---------------------------------------------------------------------------------------------------

    def history(self, queue_ids: Sequence[str]) -> dict[str, History | None]:
        """Return the queues' history on this weekday and half hour (UTC). None for a queue with too few weeks.

        It takes one request a week: for four weeks, and for up to eight if some had no contacts. A history that is
        known already is not read again.
        """
        missing = [queue_id for queue_id in dict.fromkeys(queue_ids) if queue_id not in self._histories]
        seconds = HISTORY_INTERVAL.total_seconds()
        start = datetime.fromtimestamp(self.wall_clock() // seconds * seconds, UTC)
        weeks: list[dict[str, _Interval]] = []

        def enough() -> bool:
            return all(sum(queue_id in week for week in weeks) >= FEWEST_WEEKS for queue_id in missing)

        while missing and len(weeks) < MOST_WEEKS and not (len(weeks) >= FIRST_WEEKS and enough()):
            weeks.append(self._interval(missing, start - WEEK * (len(weeks) + 1)))
        for queue_id in missing:
            self._histories[queue_id] = _median([week[queue_id] for week in weeks if queue_id in week])
        return {queue_id: self._histories[queue_id] for queue_id in queue_ids}

    def _interval(self, queue_ids: Sequence[str], start: datetime) -> "dict[str, _Interval]":
        """Return the figures of a past interval by queue, without queues that had no contacts."""
        intervals: dict[str, _Interval] = {}
        metrics = ["nOffered", "tHandle", "tWait", "tAbandon"]
        for queue_id, medium, metric, stats in self._of_media(queue_ids, start, start + HISTORY_INTERVAL, metrics):
            figures = _figure(stats, "count"), _figure(stats, "sum") / 1000
            intervals.setdefault(queue_id, {})[medium, metric] = figures
        return intervals

    def realised(self, queue_ids: Sequence[str], start: datetime, end: datetime) -> dict[str, Realised]:
        """Return the queues' figures from `start` to `end`, without queues that had no contacts. One request.

        If a queue had calls, only its calls count, as in a forecast.
        """
        realised: dict[str, dict[str, float]] = {}
        media: dict[str, set[str]] = {}
        aggregates = list(self._of_media(queue_ids, start, end, list(_REALISED)))
        calling = {queue_id for queue_id, medium, _, _ in aggregates if is_call(medium)}
        for queue_id, medium, metric, stats in aggregates:
            if queue_id in calling and not is_call(medium):
                continue
            figures = realised.setdefault(queue_id, {})
            media.setdefault(queue_id, set()).add(medium)
            for statistic, name in _REALISED.get(metric, {}).items():
                value = _figure(stats, statistic) / (1000 if statistic == "sum" else 1)
                figures[name] = figures.get(name, 0.0) + value
            if metric == "oServiceLevel":
                wanted = _figure(stats, "denominator") * _figure(stats, "target")
                figures["wanted"] = figures.get("wanted", 0.0) + wanted
        return {
            queue_id: Realised(**figures, media=tuple(sorted(media[queue_id])))
            for queue_id, figures in realised.items()
        }

    def realised_by_member(
        self, queue_ids: Sequence[str], start: datetime, end: datetime
    ) -> dict[str, dict[str, Handled]]:
        """Return by queue and user, both in lower case, what each user handled from `start` to `end`.

        All media together. A user without a contact, and a queue without such users, are left out. One request for
        each 100 queues: an answer has no pages, it holds every group.
        """
        realised: dict[str, dict[str, Handled]] = {}
        for first in range(0, len(queue_ids), MAX_QUEUES):
            some, metrics = queue_ids[first : first + MAX_QUEUES], ["tAnswered", "tHandle"]
            for group, metric, stats in self._aggregates(some, start, end, metrics, ["queueId", "userId"]):
                queue_id, user_id = (str(group.get(name) or "").lower() for name in ("queueId", "userId"))
                if not user_id:  # a contact that nobody answered
                    continue
                users = realised.setdefault(queue_id, {})
                handled = users.get(user_id, Handled())
                if metric == "tAnswered":
                    handled = replace(handled, contacts=handled.contacts + round(_figure(stats, "count")))
                elif metric == "tHandle":
                    handled = replace(handled, handle_s=handled.handle_s + _figure(stats, "sum") / 1000)
                users[user_id] = handled
        return realised

    def _of_media(
        self, queue_ids: Sequence[str], start: datetime, end: datetime, metrics: list[str]
    ) -> Iterator[tuple[str, str, str, Entity]]:
        """Yield queue, medium, metric and statistics. One request."""
        for group, metric, stats in self._aggregates(queue_ids, start, end, metrics, ["queueId", "mediaType"]):
            yield str(group.get("queueId")).lower(), str(group.get("mediaType") or "").lower(), metric, stats

    def _aggregates(
        self, queue_ids: Sequence[str], start: datetime, end: datetime, metrics: list[str], group_by: list[str]
    ) -> Iterator[tuple[Entity, str, Entity]]:
        """Yield group, metric and statistics. One request."""
        predicates = [
            {"type": "dimension", "dimension": "queueId", "operator": "matches", "value": queue_id}
            for queue_id in queue_ids
        ]
        body = {
            "interval": f"{_moment(start)}/{_moment(end)}",
            "groupBy": group_by,
            "filter": {"type": "or", "predicates": predicates},
            "metrics": metrics,
        }
        for result in _listed(self.client.query(AGGREGATES, body), "results", AGGREGATES):
            for metric in (metric for data in children(result, "data") for metric in children(data, "metrics")):
                yield child(result, "group"), str(metric.get("metric")), child(metric, "stats")

    # ---- the future -------------------------------------------------------------------------------------------------

    def predicted(self, business_unit: str, queue_id: str) -> Predicted | str:
        """Return the queue's calls in the newest short-term forecast for this moment, or a sentence that says why not.

        A forecast is per planning group. A group has route paths, each with a queue and a medium. If a group has more
        than the queue's calls, these get their share by the contacts offered in the last weeks. If that is unknown,
        equal shares are assumed.
        """
        unit = f"/api/v2/workforcemanagement/businessunits/{business_unit}/weeks"
        now, path = datetime.fromtimestamp(self.wall_clock(), UTC), f"{unit}/recent/shorttermforecasts"
        candidates = sorted(_covering(_listed(self._get(path), "entities", path), now), reverse=True)
        for forecast in candidates[:MAX_FORECASTS]:
            path = f"{unit}/{forecast.week_date}/shorttermforecasts/{quote(forecast.id, safe='')}"
            interval = self._forecast_interval(path, forecast, now)
            if interval is None:
                continue
            groups = {
                str(group.get("id")).lower(): group
                for group in _listed(self._get(f"{path}/planninggroups"), "entities", path)
                if queue_id in {queue for queue, _ in _paths(group)}
            }
            if not groups:
                return f"no planning group of forecast {forecast.id} has this queue"
            media = {medium for group in groups.values() for queue, medium in _paths(group) if queue == queue_id}
            counted = {key: group for key, group in groups.items() if _calls(_paths(group), queue_id)}
            if not counted:
                return f"forecast {forecast.id} has no calls of this queue: its media are {', '.join(sorted(media))}"
            shares, how = self._shares(queue_id, counted)
            return _predicted(forecast, now, interval, counted, shares, how, media)
        return f"none of the {len(candidates)} short-term forecasts around this week covers this moment"

    def _forecast_interval(
        self, path: str, forecast: "_Listed", now: datetime
    ) -> dict[str, tuple[float, float]] | None:
        """Return offered contacts and handle time of this quarter hour by planning group. None if there are none."""
        first = datetime.combine(forecast.week_date, datetime.min.time(), UTC)
        week = min(max((now - first) // WEEK, 0), forecast.weeks - 1)
        for _ in range(2):  # the first answer shows when, in UTC, the weeks of the unit begin
            answer = self._get(f"{path}/data", week + 1)
            result = child(answer, "result") if isinstance(answer, dict) and "result" in answer else answer
            groups = _listed(result, "planningGroups", f"{path}/data")
            reference = _time(result.get("referenceStartDate"), path)
            start = min((reference, reference + WEEK * week), key=lambda at: abs(at - first - WEEK * week))
            wanted = week + (now - start) // WEEK
            if wanted == week or not 0 <= wanted < forecast.weeks:
                index = (now - start) // WFM_INTERVAL
                return _at(groups, index) if index >= 0 else None
            week = wanted
        return None

    def _get(self, path: str, week_number: int = 0) -> Any:
        """Return an answer, or what it refers to for download. It is read once."""
        key = (path, week_number)
        if key not in self._forecasts:
            answer = self.client.get(path, **({"weekNumber": week_number} if week_number else {}))
            url = answer.get("downloadUrl") if isinstance(answer, dict) else None
            if isinstance(url, str) and url and not child(answer, "result"):
                answer = self.client.download(url, MAX_DOWNLOAD_BYTES)
            self._forecasts[key] = answer
        return self._forecasts[key]

    def _shares(self, queue_id: str, groups: dict[str, Entity]) -> tuple[dict[str, float], str]:
        """Return the share of the queue's calls in each group, and where the shares come from."""
        paths = {key: _paths(group) for key, group in groups.items()}
        ours = {key: _calls(routes, queue_id) for key, routes in paths.items()}
        if ours == paths:
            return dict.fromkeys(groups, 1.0), ""
        everyone = sorted({queue for routes in paths.values() for queue, _ in routes})
        try:
            known = self.history(everyone) if len(everyone) <= MAX_QUEUES else {}
        except RoutingWeightsError:  # a forecast with assumed shares is better than none
            known = {}
        shares = {}
        for key, routes in paths.items():
            offered = {path: history.offered_in(path[1]) for path in routes if (history := known.get(path[0]))}
            total = sum(offered.values())
            if ours[key] != routes and not (total and known.get(queue_id)):
                return {key: len(ours[key]) / len(routes) for key, routes in paths.items()}, "equal"
            shares[key] = sum(offered[path] for path in ours[key]) / total if ours[key] != routes else 1.0
        return shares, "history"


_Interval = dict[tuple[str, str], tuple[float, float]]
"""By medium and metric: count, and sum in seconds."""


class _Listed(NamedTuple):
    """A forecast of the listing. Forecasts sort from the worst to the best."""

    usable: bool
    modified: float
    id: str
    week_date: date
    weeks: int


def _covering(entities: list[Entity], now: datetime) -> Iterator[_Listed]:
    """Yield the forecasts whose weeks may contain this moment, with a day more at both ends for the time zone."""
    for entity in entities:
        weeks = min(max(int(_figure(entity, "weekCount")), 1), 104)
        try:
            week_date = date.fromisoformat(str(entity.get("weekDate")))
            first, last = week_date - timedelta(days=1), week_date + WEEK * weeks
        except (ValueError, OverflowError):
            continue
        if isinstance(entity.get("id"), str) and first <= now.date() <= last:
            modified = child(entity, "metadata").get("dateModified")
            at = _time(modified, "shorttermforecasts").timestamp() if modified else 0.0
            yield _Listed(entity.get("canUseForScheduling") is not False, at, entity["id"], week_date, weeks)


def _predicted(
    forecast: _Listed,
    now: datetime,
    interval: dict[str, tuple[float, float]],
    groups: dict[str, Entity],
    shares: dict[str, float],
    how: str,
    media: set[str],
) -> Predicted | str:
    """Return the queue's forecast. `media` are all media of the queue in the forecast."""
    parts = [(shares[key] * interval[key][0], interval[key][1]) for key in groups if key in interval]
    offered = sum(part for part, _ in parts)
    handled = sum(part * aht for part, aht in parts)
    aht = handled / offered if offered else max((aht for _, aht in parts), default=0.0)
    if not parts:
        return f"forecast {forecast.id} has no figures of this queue's planning groups for this interval"
    if offered and aht <= 0:  # without contacts the queue is closed
        return f"forecast {forecast.id} has no handle time for this interval"
    goal = child(child(next(iter(groups.values())), "serviceGoalTemplate"), "serviceLevel") if len(groups) == 1 else {}
    percent, seconds = _figure(goal, "percent"), _figure(goal, "seconds")
    volume = Volume(
        offered,
        WFM_INTERVAL.total_seconds(),
        aht,
        service_level_target=percent / 100 if 0 < percent <= 100 else None,  # noqa: PLR2004
        answer_within_s=seconds or None,
    )
    of = ", ".join(f"{shares[key]:.1%} of planning group {group.get('name') or key}" for key, group in groups.items())
    by = {
        "": "",
        "history": "; a group is split by the contacts that its queues were offered in the last weeks",
        "equal": "; a group is split equally among its route paths, which is an assumption",
    }
    counted, left_out = (sorted(filter(None, media & set(CALLS))), sorted(m for m in media if not is_call(m)))
    detail = f"; counted: {', '.join(counted) or 'no medium is named'}"
    detail += f"; not counted: {', '.join(left_out)}" if left_out else ""
    return Predicted(
        volume,
        max(0.0, now.timestamp() - forecast.modified) if forecast.modified else None,
        f"WFM short-term forecast {forecast.id}, week of {forecast.week_date}: {of}{by[how]}{detail}",
        ("equal shares of the planning group's route paths",) if how == "equal" else (),
        tuple(counted),
    )


def _median(weeks: list[_Interval]) -> History | None:
    if len(weeks) < FEWEST_WEEKS:
        return None
    calls = [{key: figures for key, figures in week.items() if is_call(key[0])} for week in weeks]
    handles = []
    for week in calls:
        handled = [figures for (_, metric), figures in week.items() if metric == "tHandle" and figures[0] > 0]
        if handled:
            handles.append(sum(seconds for _, seconds in handled) / sum(count for count, _ in handled))
    abandons = _by_medium(calls, "tAbandon", 0)
    waits = _by_medium(calls, "tWait", 1)
    abandoned = {medium: count for medium, count in abandons.items() if count > 0}
    patience = sum(waits.get(medium, 0.0) for medium in abandoned) / sum(abandoned.values()) if abandoned else None
    offered = [_by_medium([week], "nOffered", 0) for week in weeks]
    media = {medium for week in weeks for medium, _ in week}
    return History(
        offered=_middle(sum(count for medium, count in week.items() if is_call(medium)) for week in offered),
        aht_s=_middle(handles) or None if handles else None,
        patience_s=patience or None,
        weeks=len(weeks),
        by_medium={medium: _middle(week.get(medium, 0.0) for week in offered) for medium in sorted(media)},
    )


def _middle(figures: Iterable[float]) -> float:
    """Return the median. The module `statistics` is much larger."""
    ordered = sorted(figures)
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _by_medium(weeks: list[_Interval], metric: str, part: int) -> dict[str, float]:
    totals: dict[str, float] = {}
    for medium, name, figures in ((*key, figures) for week in weeks for key, figures in week.items()):
        if name == metric:
            totals[medium] = totals.get(medium, 0.0) + figures[part]
    return totals


def _paths(group: Entity) -> set[tuple[str, str]]:
    """Return queue and medium of each route path. The medium is empty if the path names none."""
    routes = ((child(path, "queue").get("id"), path.get("mediaType")) for path in children(group, "routePaths"))
    return {(queue.lower(), str(medium or "").lower()) for queue, medium in routes if isinstance(queue, str)}


def _calls(paths: set[tuple[str, str]], queue_id: str) -> set[tuple[str, str]]:
    return {(queue, medium) for queue, medium in paths if queue == queue_id and is_call(medium)}


def _at(groups: list[Entity], index: int) -> dict[str, tuple[float, float]] | None:
    """Return the figures of an interval by planning group. None if the forecast ends before it."""
    figures_by_group = {}
    for group in groups:
        offered, aht = group.get("offeredPerInterval"), group.get("averageHandleTimeSecondsPerInterval")
        if isinstance(offered, list) and isinstance(aht, list) and index < min(len(offered), len(aht)):
            figures = {"offered": offered[index], "aht": aht[index]}
            figures_by_group[str(group.get("planningGroupId")).lower()] = (
                _figure(figures, "offered"),
                _figure(figures, "aht"),
            )
    return figures_by_group or None


def _figure(holder: Entity, key: str) -> float:
    """Return a number of at least 0. A missing number counts as 0."""
    value = holder.get(key) or 0.0
    if not isinstance(value, int | float) or not 0 <= value < LARGEST:  # NaN is not
        raise GenesysAnswerInvalid(f"Genesys holds {key} as something that is not a number of at least 0.")
    return float(value)


def _listed(holder: Any, key: str, path: str) -> list[Entity]:
    """Return the objects of a list. Raises GenesysAnswerInvalid for anything else; a missing list is empty."""
    entities = holder.get(key, []) if isinstance(holder, dict) else None
    if not isinstance(entities, list):
        raise GenesysAnswerInvalid(f"Genesys answered {path} without a list of {key}.")
    return [item for item in entities if isinstance(item, dict)]


def _time(text: Any, path: str) -> datetime:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        at = datetime(1, 1, 1, tzinfo=UTC)
    if not 2000 < at.year < 2200:  # noqa: PLR2004 - so that weeks can be added
        raise GenesysAnswerInvalid(f"Genesys answered {path} with a time that is none.")
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
