"""What the stack is doing now: one line for `make up`, and the page /metrics of the API, for people and as JSON.

AWS has no such route: there, the dashboard of the template shows the same metrics.
"""

from __future__ import annotations

import html
import json
import threading
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from werkzeug.wrappers import Request, Response

from local.stack.metrics import MINUTE_S, Series, Values, statistic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from local.stack.alarms import Alarm
    from local.stack.metrics import Metrics

PATH = "/metrics"
_OURS = "RoutingWeights"
_SHOWN_MINUTES = 60
_HTTP_ERROR, _HTTP_SERVER_ERROR = 400, 500
_SIGNS = {
    "GreaterThanOrEqualToThreshold": "≥",
    "GreaterThanThreshold": ">",
    "LessThanOrEqualToThreshold": "≤",
    "LessThanThreshold": "<",
}
_EVERY_S, _EVERY_S_WITHOUT_A_TERMINAL = 1.0, 10.0


@dataclass(frozen=True)
class Live:
    """Reads the metrics and judges the alarms anew, each time that it is asked."""

    metrics: Metrics
    alarms: tuple[Alarm, ...]
    clock: Callable[[], float] = time.time

    def summary(self) -> str:
        """Say in one line what has happened since the start of the stack."""
        self.metrics.collect()
        figures = [f"{label} {text}" for label, text in _figures(self.metrics.minutes())]
        fired = [alarm.name.removesuffix("Alarm") for alarm in self.alarms if self._state(alarm) == "ALARM"]
        return " · ".join([*figures, *(f"ALARM {name}" for name in fired)])

    def document(self) -> dict[str, Any]:
        """Return every series by the minute, and the state of every alarm."""
        self.metrics.collect()
        now = self.clock()
        return {
            "at": f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%SZ}",
            "alarms": [
                asdict(alarm) | {"state": evaluation.state, "values": evaluation.values}
                for alarm in self.alarms
                for evaluation in [alarm.evaluate(self.metrics.between, now)]
            ],
            "metrics": [
                {"namespace": series.namespace, "name": series.name, "dimensions": dict(series.dimensions)}
                | {"minutes": {minute * MINUTE_S: sorted(values.items()) for minute, values in sorted(minutes.items())}}
                for series, minutes in sorted(self.metrics.minutes().items())
            ],
        }

    def page(self) -> str:
        """Return the same for people, as HTML that loads itself anew."""
        self.metrics.collect()
        now, minutes = self.clock(), self.metrics.minutes()
        alarms = [(alarm, alarm.evaluate(self.metrics.between, now)) for alarm in self.alarms]
        fired = sum(evaluation.state == "ALARM" for _, evaluation in alarms)
        tiles = "".join(f"<li><b>{html.escape(text)}</b>{html.escape(label)}</li>" for label, text in _figures(minutes))
        rows_of_alarms = "".join(
            f'<tr class="{evaluation.state}"><td>{alarm.name.removesuffix("Alarm")}<td>{evaluation.state}'
            f"<td>{_last(evaluation.values)}<td>{html.escape(_SIGNS[alarm.comparison])} {alarm.threshold:,.12g}"
            f"<td>{html.escape(alarm.description)}"
            for alarm, evaluation in sorted(alarms, key=lambda each: (each[1].state != "ALARM", each[0].name))
        )
        tables = "".join(
            f"<h2>{namespace}</h2><table><tr><th>metric<th>of<th>count<th>sum<th>p99<th>last hour{rows}</table>"
            for namespace, rows in _rows(minutes, int(now // MINUTE_S)).items()
        )
        return _PAGE.format(
            tiles=tiles,
            fired=f"{fired} of {len(alarms)} alarms" if fired else f"No alarm of {len(alarms)}",
            alarms=rows_of_alarms,
            tables=tables,
            at=f"{datetime.fromtimestamp(now, UTC):%H:%M:%S} UTC",
        )

    def _state(self, alarm: Alarm) -> str:
        return alarm.evaluate(self.metrics.between, self.clock()).state


class WithMetrics:
    """The API with the page of metrics. It measures each request as API Gateway does."""

    def __init__(self, app: Callable[..., Any], live: Live, api_id: str) -> None:
        self._app, self._live, self._of = app, live, {"ApiId": api_id}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == PATH:
            return self._answer(Request(environ))(environ, start_response)
        began, statuses = time.monotonic(), list[int]()

        def begin(status: str, headers: Any, error: Any = None) -> Any:
            statuses.append(int(status.partition(" ")[0]))
            return start_response(status, headers, error)

        content = list(self._app(environ, begin))
        status = statuses[-1]
        counted = {"Count": 1, "4xx": _HTTP_ERROR <= status < _HTTP_SERVER_ERROR, "5xx": status >= _HTTP_SERVER_ERROR}
        for name, value in {**counted, "Latency": round(1000 * (time.monotonic() - began))}.items():
            self._live.metrics.put("AWS/ApiGateway", name, self._of, float(value))
        return content

    def _answer(self, request: Request) -> Response:
        if request.method != "GET":
            return Response(status=405, headers={"Allow": "GET"})
        if request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json":
            return Response(json.dumps(self._live.document()), content_type="application/json")
        return Response(self._live.page(), content_type="text/html; charset=utf-8")


class Ticking(threading.Thread):
    """Prints the summary: as one line that changes on a terminal, otherwise as a new line where it has changed."""

    def __init__(self, live: Live, out: TextIO) -> None:
        super().__init__(name="live summary", daemon=True)
        self._live, self._out, self._closing = live, out, threading.Event()

    def run(self) -> None:
        is_terminal, last = self._out.isatty(), ""
        while not self._closing.wait(_EVERY_S if is_terminal else _EVERY_S_WITHOUT_A_TERMINAL):
            summary = self._live.summary()
            if summary != last:
                self._out.write(f"\r\x1b[2K{summary}" if is_terminal else f"{summary}\n")
                self._out.flush()
            last = summary

    def close(self) -> None:
        self._closing.set()
        self.join()
        if self._out.isatty():
            self._out.write("\n")


def _figures(minutes: Mapping[Series, Mapping[int, Values]]) -> Iterator[tuple[str, str]]:
    """Yield label and text of each figure that has one."""
    ours: defaultdict[str, Values] = defaultdict(Values)
    for series, by_minute in minutes.items():
        if series.namespace == _OURS:
            for values in by_minute.values():
                ours[series.name] += values

    def total(*names: str) -> int:
        return round(sum(statistic("Sum", ours[name]) for name in names if ours[name]))

    ends = {name.removeprefix("Distribution") for name in ours if name.startswith("Distribution")} - {"Latency"}
    distributions = {name: total(f"Distribution{name}") for name in sorted(ends)}
    yield "distributions", str(sum(distributions.values()))
    for name, count in distributions.items():
        yield _words(name), str(count)
    if latency := ours["DistributionLatency"]:
        yield "s median", f"{statistic('p50', latency) / 1000:.1f}"
    for label, names in _TOTALS.items():
        if count := total(*(name for name in list(ours) if name in names)):
            yield label, str(count)


_TOTALS = {
    "requests to Genesys": {"GenesysRequests"},
    "limited by Genesys": {"GenesysThrottled"},
    "restored": {"RestoreRestored"},
    "not restored": {"RestorePartial", "RestoreFailed"},
    "drift": {"DriftFound"},
    "draws": {"Drawn", "DrawnNobody", "DrawNoneFree", "DrawNoShares", "DrawUncounted", "DrawFailed"},
    "approvals asked": {"ApprovalAsked"},
}


def _rows(minutes: Mapping[Series, Mapping[int, Values]], now: int) -> dict[str, str]:
    rows: defaultdict[str, str] = defaultdict(str)
    for series, by_minute in sorted(minutes.items(), key=lambda each: (each[0].namespace != _OURS, each[0])):
        values = sum(by_minute.values(), Values())
        of = ", ".join(value.rpartition(":")[2] for name, value in series.dimensions if name != "service")
        sums = [statistic("Sum", each) if each else 0.0 for each in _last_hour(by_minute, now)]
        rows[series.namespace] += (
            f"<tr><td>{html.escape(series.name)}<td>{html.escape(of)}<td>{values.total()}"
            f"<td>{statistic('Sum', values):,.0f}<td>{statistic('p99', values):,.0f}<td>{_spark(sums)}"
        )
    return rows


def _last_hour(by_minute: Mapping[int, Values], now: int) -> list[Values]:
    return [by_minute.get(minute, Values()) for minute in range(now - _SHOWN_MINUTES + 1, now + 1)]


def _spark(sums: Iterable[float]) -> str:
    """Draw a bar for each minute."""
    heights = list(sums)
    most = max(heights) or 1.0
    bars = "".join(
        f'<rect x="{3 * place}" y="{16 - 16 * height / most:.1f}" width="2" height="{16 * height / most:.1f}"/>'
        for place, height in enumerate(heights)
        if height > 0
    )
    return f'<svg width="{3 * _SHOWN_MINUTES}" height="16" role="img">{bars}</svg>'


def _last(values: tuple[float | None, ...]) -> str:
    known = [value for value in values if value is not None]
    return f"{known[-1]:g}" if known else "-"


def _words(name: str) -> str:
    """`SaturationBlocked` as `saturation blocked`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="5">
<meta name="viewport" content="width=device-width"><title>Routing Weights: metrics</title><style>
body {{ font: 14px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1d2733 }}
h1 {{ font-size: 1.4rem; margin: 0 }} h2 {{ font-size: 1.05rem; margin: 2rem 0 .4rem }}
ul {{ display: flex; flex-wrap: wrap; gap: .6rem; list-style: none; padding: 0 }}
li {{ border: 1px solid #d5dde5; border-radius: 6px; padding: .5rem .8rem; color: #52606d }}
li b {{ display: block; font-size: 1.35rem; color: #1d2733; font-variant-numeric: tabular-nums }}
table {{ border-collapse: collapse; width: 100% }} td, th {{ text-align: left; padding: .25rem .6rem .25rem 0;
border-bottom: 1px solid #e7ecf1; vertical-align: top; font-variant-numeric: tabular-nums }} th {{ color: #52606d;
font-weight: 600 }} .ALARM td {{ background: #fdecea }} .ALARM td:nth-child(2) {{ color: #b3261e; font-weight: 700 }}
.OK td:last-child {{ color: #7b8794 }} rect {{ fill: #2f6db5 }} p {{ color: #52606d; margin: .2rem 0 1rem }}
</style></head><body>
<h1>Routing Weights: metrics of the embedded stack</h1>
<p>{at} · {fired} · The same as JSON: <code>curl -H "Accept: application/json"</code></p>
<ul>{tiles}</ul>
<h2>Alarms</h2><table><tr><th>alarm<th>state<th>value<th>threshold<th>what to do{alarms}</table>
{tables}
</body></html>
"""
