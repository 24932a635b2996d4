"""Contract `platform`: the current contacts of a queue, its history, and the forecasts of WFM.

A test sets them with `GenesysSimulator.put_analytics`. Only the agents on queue come from the members.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from local.genesys.organisation import ById, Document, check_keys
from local.genesys.platform_listing import Query, bad_request, body_of
from local.genesys.wire import ApiError, Reply, is_number
from local.planted import planted

if TYPE_CHECKING:
    from local.genesys.platform_organisation import PlatformOrganisation
    from local.genesys.wire import Request

OBSERVATIONS = "/api/v2/analytics/queues/observations/query"
AGGREGATES = "/api/v2/analytics/conversations/aggregates/query"
UNITS = "/api/v2/workforcemanagement/businessunits"
FORECASTS = f"{UNITS}/{{businessUnitId}}/weeks/{{weekDateId}}/shorttermforecasts"
DOWNLOADS = "downloads"
SIGNATURE = f"signature={planted('signed-address', '1')}"
MEDIA = ("Voice", "Chat", "Email", "Callback", "Message", "Workitem")
INTERVALS_OF_A_WEEK = 7 * 96
_METRICS = {
    "nOffered": "offered",
    "tAnswered": "answered",
    "tHandle": "handled",
    "tWait": "waited",
    "tAbandon": "abandoned",
    "oServiceLevel": "counted",
}
_TIMES = {"tAnswered": "answer_s", "tHandle": "handle_s", "tWait": "wait_s", "tAbandon": "abandon_s"}
_TARGET = 0.8
_GROUPINGS = (["queueId", "mediaType"], ["queueId", "userId"])


def checked(spec: Document) -> Document:
    """Complete the analytics that a test sets. Raises ValueError if they are wrong.

    `load`: by queue id, the contacts `waiting` and `interacting`.
    `contacts`: a list of figures with a `start` (ISO 8601), a `queueId`, a `mediaType` and, if they are one user's, a
    `userId`: the numbers `offered`, `answered`, `handled`, `waited` and `abandoned`, the sums `answer_s`, `handle_s`,
    `wait_s` and `abandon_s`, and how many of the `counted` contacts were `in_time`.
    `forecasts`: a list of `id`, `businessUnitId`, `weekDate`, `weekCount`, `start`, `modified`, `usable`, `download`
    and `groups`. A group has `id`, `name`, `queues`, `media` (default: Voice only), `offered`, `aht` (both per 15
    minutes, all weeks in a row) and `goal`, a service level. An interval in which a queue is closed has 0 `offered`
    and an `aht` of 0.
    """
    check_keys(spec, {"load", "contacts", "forecasts"})
    contacts, numbers = [], {*_METRICS.values(), *_TIMES.values(), "in_time"}
    for fact in spec.get("contacts", []):
        check_keys(fact, {"queueId", "mediaType", "userId", "start"} | numbers)
        _require(fact, "queueId", "start")
        if not all(is_number(fact[name]) for name in numbers & fact.keys()):
            raise ValueError("the figures of what happened must be numbers")
        contacts.append({"mediaType": "voice"} | fact | {"start": _time(fact["start"])})
    forecasts = []
    for given in spec.get("forecasts", []):
        _require(given, "id", "businessUnitId", "weekDate", "groups")
        for group in given["groups"]:
            _require(group, "id", "queues", "offered", "aht")
            if not all(medium in MEDIA for medium in group.get("media", ["Voice"])):
                raise ValueError(f"the media of a planning group are among {', '.join(MEDIA)}")
        usual = {"weekCount": 1, "start": f"{given['weekDate']}T00:00:00Z", "usable": True, "download": False}
        forecasts.append(usual | {"modified": usual["start"]} | given)
    return {"load": ById(spec.get("load", {})), "contacts": contacts, "forecasts": forecasts}


def query_observations(organisation: PlatformOrganisation, request: Request) -> Reply:
    body = body_of(request, OBSERVATIONS)
    if body.get("detailMetrics") or set(body["metrics"]) - {"oOnQueueUsers", "oWaiting", "oInteracting"}:
        raise _not_simulated("metrics other than oOnQueueUsers, oWaiting and oInteracting")
    results: list[Document] = []
    for queue_id in map(organisation.queues.stored, _queues_of(body["filter"])):
        if queue_id not in organisation.queues:
            continue
        members = organisation.members(queue_id).values()
        listed = [member.get("routingStatus") or {} for member in members if member["joined"]]
        statuses = [status["status"] for status in listed if isinstance(status.get("status"), str)]
        agents = [
            {"metric": "oOnQueueUsers", "qualifier": status, "stats": {"count": statuses.count(status)}}
            for status in sorted({*statuses} - {"OFF_QUEUE"})
        ]
        load = organisation.analytics["load"].get(queue_id, {})
        contacts = [
            {"metric": metric, "stats": {"count": load.get(name, 0)}}
            for metric, name in (("oWaiting", "waiting"), ("oInteracting", "interacting"))
        ]
        for group, data in (({}, agents), ({"mediaType": "voice"}, contacts)):
            shown = [item for item in data if item["metric"] in body["metrics"]]
            if shown:
                results.append({"group": {"queueId": queue_id, **group}, "data": shown})
    return Reply(body={"systemToOrganizationMappings": {}, "results": results})


def query_aggregates(organisation: PlatformOrganisation, request: Request) -> Reply:
    """Sum up the contacts. Times are milliseconds. Metrics without contacts are left out.

    A group of contacts that are no user's has no userId.
    """
    body = body_of(request, AGGREGATES)
    dimensions = body.get("groupBy")
    if body.keys() - {"interval", "groupBy", "filter", "metrics"} or dimensions not in _GROUPINGS:
        raise _not_simulated("anything except interval, filter, metrics and a grouping by queue and medium or user")
    if unknown := set(body["metrics"]) - _METRICS.keys():
        raise _not_simulated(", ".join(sorted(unknown)))
    first, slash, last = body["interval"].partition("/")
    try:
        start, end = _time(first), _time(last)
    except ValueError:
        raise bad_request("interval must be two dates and times in ISO 8601 with a slash between them.") from None
    if not slash or start >= end:
        raise bad_request("interval must begin before it ends.")
    wanted = {queue_id.lower() for queue_id in _queues_of(body.get("filter") or {"type": "and"})}
    facts = [fact for fact in organisation.analytics["contacts"] if start <= fact["start"] < end]
    results = []
    groups = {tuple(fact.get(name, "") for name in dimensions) for fact in facts if fact["queueId"].lower() in wanted}
    for names in sorted(groups):
        own = [fact for fact in facts if tuple(fact.get(name, "") for name in dimensions) == names]
        metrics = []
        for metric in body["metrics"]:
            count = sum(fact.get(_METRICS[metric], 0) for fact in own)
            total = sum(fact.get(_TIMES.get(metric, ""), 0) for fact in own) * 1000
            stats = {"count": count} | ({"sum": total} if total else {})
            if metric == "oServiceLevel" and count:
                in_time = sum(fact.get("in_time", 0) for fact in own)
                stats = {"ratio": in_time / count, "numerator": in_time, "denominator": count, "target": _TARGET}
            if count:
                metrics.append({"metric": metric, "stats": stats})
        data = [{"interval": body["interval"], "metrics": metrics}]
        group = {dimension: name for dimension, name in zip(dimensions, names, strict=True) if name}
        results.append({"group": group, "data": data})
    return Reply(body={"results": results})


def list_forecasts(organisation: PlatformOrganisation, request: Request, unit: str, week: str) -> Reply:  # noqa: ARG001
    forecasts = organisation.forecasts(unit)
    if week != "recent":
        day = _week(week)
        forecasts = [
            forecast
            for forecast in forecasts
            if timedelta(0) <= day - _week(forecast["weekDate"]) < timedelta(weeks=forecast["weekCount"])
        ]
    entities = [
        {
            "id": forecast["id"],
            "weekDate": forecast["weekDate"],
            "weekCount": forecast["weekCount"],
            "creationMethod": "Advanced",
            "metadata": {"version": 1, "dateModified": forecast["modified"]},
            "canUseForScheduling": forecast["usable"],
        }
        for forecast in forecasts
    ]
    return Reply(body={"entities": entities})


def get_forecast_data(
    organisation: PlatformOrganisation, request: Request, unit: str, week: str, forecast_id: str
) -> Reply:
    forecast = organisation.forecast(unit, _week(week).isoformat(), forecast_id)
    query = Query(request)
    query.refuse("forceDownloadService")
    number = query.one("weekNumber") or "1"
    if not re.fullmatch("[1-9][0-9]?", number) or int(number) > forecast["weekCount"]:  # our choice
        raise bad_request("weekNumber must be a week of the forecast.")
    if forecast["download"]:
        names = "/".join(quote(name, safe="") for name in (unit, week, forecast_id, number))
        return Reply(body={"downloadUrl": f"{organisation.url}/{DOWNLOADS}/{names}?{SIGNATURE}"})
    return Reply(body={"result": _result(forecast, int(number))})


def list_planning_groups(
    organisation: PlatformOrganisation,
    request: Request,  # noqa: ARG001
    unit: str,
    week: str,
    forecast_id: str,
) -> Reply:
    forecast = organisation.forecast(unit, _week(week).isoformat(), forecast_id)
    entities = [
        {
            "id": group["id"],
            "name": group.get("name", group["id"]),
            "routePaths": [
                {"queue": {"id": queue_id}, "mediaType": medium}
                for queue_id in group["queues"]
                for medium in group.get("media", ["Voice"])
            ],
            "serviceGoalTemplate": {"serviceLevel": group["goal"]} if "goal" in group else {},
        }
        for group in forecast["groups"]
    ]
    return Reply(body={"entities": entities})


def download(organisation: PlatformOrganisation, request: Request) -> Reply:
    """Answer as a store of signed URLs does: the signature authorizes, and a second authorization is refused."""
    if request.method != "GET" or len(request.segments) != 5:  # noqa: PLR2004 - downloads and four names
        raise ApiError(404, "not.found", f"There is nothing at {request.path}.")
    if request.authorization:
        raise ApiError(400, "InvalidArgument", "Only one auth mechanism is allowed.")
    if request.query != SIGNATURE:
        raise ApiError(403, "AccessDenied", "The signature does not match.")
    _, unit, week, forecast_id, number = request.segments
    return Reply(body=_result(organisation.forecast(unit, week, forecast_id), int(number)))


def _result(forecast: Document, number: int) -> Document:
    week = slice(INTERVALS_OF_A_WEEK * (number - 1), INTERVALS_OF_A_WEEK * number)
    groups = [
        {
            "planningGroupId": group["id"],
            "offeredPerInterval": group["offered"][week],
            "averageHandleTimeSecondsPerInterval": group["aht"][week],
        }
        for group in forecast["groups"]
    ]
    return {
        "referenceStartDate": forecast["start"],
        "planningGroups": groups,
        "weekNumber": number,
        "weekCount": forecast["weekCount"],
    }


def _queues_of(wanted: Document) -> list[str]:
    """Return the queues of a filter that names one, or several with `or`."""
    predicates = wanted.get("predicates", [])
    simple = all(
        predicate.get("dimension") == "queueId"
        and predicate.get("operator", "matches") == "matches"
        and "value" in predicate
        for predicate in predicates
    )
    if not simple or not predicates or wanted.get("clauses") or (wanted["type"] == "and" and len(predicates) > 1):
        raise _not_simulated("a filter that is not one queue, or several with or")
    return [predicate["value"] for predicate in predicates]


def _require(given: Document, *names: str) -> None:
    if missing := [name for name in names if name not in given]:
        raise ValueError(f"missing: {', '.join(missing)}")


def _week(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise bad_request("weekDateId must be a date.") from None


def _time(text: Any) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _not_simulated(what: str) -> ApiError:
    return ApiError(501, "not.simulated", f"{what}: real, and not simulated.")
