"""docs/reference/soak.md and its pictures, drawn from bench/soak.json. No figure is written by hand."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.charts import timeline, towers
from bench.outside import ROOT
from bench.page import REFERENCE, table, wrapped
from bench.soak.actors import RULES
from bench.soak.trend import Trend, trend

PAGE = REFERENCE / "soak.md"
RESULTS = ROOT / "bench" / "soak.json"
WARM_UP_S = 300.0
"""Memory before it is no trend: every function starts once, and caches fill."""
CLASSES = {
    "completed": ("completed",),
    "dry run": ("dry_run",),
    "not begun": ("saturation_blocked", "approval_required", "projection_failed", "queue_busy", "validation_failed",
                  "projection_inconclusive", "rejected", "approval_expired"),
    "failed, and restored": (),
    "failed, leftovers named": (),
}  # fmt: skip
"""Outcomes by status. A failed run is told by its restore."""
MINUTE_S = 60.0
_LATER = ("expiry", "repair")


def files(results: Mapping[str, Any]) -> dict[Path, str]:
    """Return the texts of the page and its pictures, by path."""
    pictures = dict(_pictures(results))
    lines = [line for text in _page(results) for line in wrapped(text)]
    return {PAGE: "\n".join(lines).rstrip() + "\n"} | {
        REFERENCE / f"soak-{name}.svg": picture for name, picture in pictures.items()
    }


def outcome_of(run: Mapping[str, Any]) -> str:
    for name, statuses in CLASSES.items():
        if run["status"] in statuses:
            return name
    return "failed, and restored" if run["restore"] in {"", "restored", "not_needed"} else "failed, leftovers named"


def _page(results: Mapping[str, Any]) -> Iterator[str]:
    minutes, runs, broken = results["minutes"], results["runs"], results["broken"]
    loads = [sample["load"] for sample in results["samples"]]
    yield "# Soak"
    yield ""
    yield (
        "`make soak` uses the embedded stack for half an hour as people, schedules and contact flows do, spoils what "
        "it depends on, and judges every distribution by what the simulated Genesys holds. `python -m bench.soak "
        "--help` has its options. The tool writes this page from [bench/soak.json](../../bench/soak.json)."
    )
    yield ""
    yield (
        f"This run began at {results['at'].replace('+00:00', 'Z')} and lasted {minutes:.1f} minutes"
        f"{', when somebody ended it' if results['interrupted'] else ''}. The machine has {results['cores']} cores, "
        f"and other work ran on it, not the same at each minute: its load was {min(loads):.1f} to "
        f"{max(loads):.1f}. So seconds say how the system behaves when it is slow, and nothing of its speed."
    )
    yield ""
    yield (
        f"**{len(runs)} distributions of {results['queues'] + 2} queues and {len(results['draws'])} draws. "
        + (f"{len(broken)} findings: see below.**" if broken else "No rule was broken.**")
    )
    yield from _rules(results)
    yield from _outcomes(runs)
    yield from _memory(results)
    yield from _latency(results)
    yield from _done(results)


def _rules(results: Mapping[str, Any]) -> Iterator[str]:
    found = Counter(each["rule"] for each in results["broken"])
    yield ""
    yield "## What must hold"
    yield ""
    yield from table(
        "rule|checks:|broken:",
        [[text, f"{results['checked'].get(rule, 0):,}", found[rule]] for rule, text in RULES.items()],
    )
    if results["broken"]:
        yield ""
        yield "## Findings"
        yield ""
        rows = [[f"{each['at'] / 60:.1f}", each["rule"], _cell(each["found"])] for each in results["broken"][:60]]
        yield from table("minute:|rule|what was seen", rows)
        if len(results["broken"]) > len(rows):
            yield ""
            yield f"{len(results['broken']) - len(rows)} more are in bench/soak.json."
        failed = Counter(r["door"] for r in results["runs"] if r["door"] in _LATER and r["status"] != "completed")
        if failed:
            yield ""
            yield (
                f"Repairs and expiries are distributions like any other. {failed.total()} of them failed under a fault "
                f"({', '.join(f'{n} of {door}' for door, n in sorted(failed.items()))}): each has a record, its queue "
                "stayed as it was. Neither is tried again: docs/operate/runbook.md says what a person does."
            )


def _outcomes(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield ""
    yield "## Distributions"
    yield ""
    yield "![Distributions of each minute by outcome](soak-outcomes.svg)"
    yield ""
    doors = sorted({run["door"] for run in runs})
    counts = Counter((run["status"], run["restore"] or "-", run["door"]) for run in runs)
    rows = sorted({(status, restore) for status, restore, _ in counts})
    yield from table(
        "status|restore|" + "|".join(f"{door}:" for door in doors),
        [[status, restore, *(counts[status, restore, door] or "" for door in doors)] for status, restore in rows],
    )


def _memory(results: Mapping[str, Any]) -> Iterator[str]:
    ended = len(results["runs"]) / max(results["minutes"] / 60, 1e-9)
    yield ""
    yield "## Memory and files"
    yield ""
    yield "![Resident memory of stack, nursery and runtimes](soak-memory.svg)"
    yield ""
    yield (
        f"The slopes are fitted to one sample in 20 s, after the first {WARM_UP_S / 60:g} minutes. Runtimes share one "
        "slope, and each has a level of its own, so that a killed runtime is no trend. The intervals are of 95 %, and "
        "count samples that resemble their neighbours as fewer."
    )
    yield ""
    rows = []
    for name, series in _processes(results).items():
        for unit, figure in (("MB", "mb"), ("open files", "files"), ("threads", "threads")):
            found = trend(_late(series, figure))
            rows.append([name, unit, *_ends(series, figure), *_shown(found)])
    yield from table("process|figure|first:|last:|change in an hour:|95 % interval|verdict", rows)
    growth = trend(_late(_processes(results)["stack"], "mb"))
    if growth and not growth.flat and growth.per_hour > 0:
        yield ""
        yield (
            f"The stack is the database, the bucket and the state machine of this run, all in memory, and keeps every "
            f"record, document and execution. Its growth is {growth.per_hour * 1024 / ended:.0f} kB for each "
            f"distribution."
        )


def _latency(results: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## How long it took"
    yield ""
    yield "![Seconds of distributions and milliseconds of draws in each minute](soak-latency.svg)"
    yield ""
    by_door: dict[str, list[float]] = defaultdict(list)
    for run in results["runs"]:
        by_door[run["door"]].append(run["seconds"])
    rows = [[f"distribution, {door}, s", len(took), *_quantiles(took, 1)] for door, took in sorted(by_door.items())]
    draws = [ms for _, ms in results["draws"]]
    rows += [["draw, ms", len(draws), *_quantiles(draws, 0)]] if draws else []
    yield from table("what|count:|median:|95 %:|longest:", rows)
    yield ""
    yield "A distribution is counted from its request to its closed record, with its waits for locks and for Genesys."


def _done(results: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield "## What was done to it"
    yield ""
    yield from table("what|count:", [[_cell(name), f"{count:,}"] for name, count in results["done"].items()])
    yield ""
    yield "Answers of the HTTP API: " + ", ".join(f"{status} {n:,} times" for status, n in results["answers"].items())
    yield ""
    yield (
        "A 500, 503 or 504 comes from a killed runtime or a fault of DynamoDB. The tool then does what "
        "docs/openapi.json tells callers: it sends the request again, a plan with the same Idempotency-Key."
    )


def _pictures(results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    shown = _processes(results)
    memory = {name: _by_minute([(p["at"], p["mb"]) for each in series.values() for p in each], statistics.fmean)
              for name, series in shown.items()}  # fmt: skip
    yield "memory", timeline("Resident memory, MB", memory)
    minutes = range(int(results["minutes"]) + 1)
    outcomes = {
        name: [sum(outcome_of(r) == name and int(r["at"] // MINUTE_S) == minute for r in results["runs"])
               for minute in minutes]
        for name in CLASSES
    }  # fmt: skip
    yield "outcomes", towers("Distributions that ended in each minute", outcomes)
    took = [(run["at"], run["seconds"]) for run in results["runs"]]
    draws = [(at, ms / 1000) for at, ms in results["draws"]]
    yield (
        "latency",
        timeline(
            "Seconds, in each minute",
            {
                "distribution, slowest": _by_minute(took, max),
                "distribution, median": _by_minute(took, statistics.median),
                "draw, slowest": _by_minute(draws, max),
                "draw, median": _by_minute(draws, statistics.median),
            },
            logarithmic=True,
        ),
    )


def _processes(results: Mapping[str, Any]) -> dict[str, dict[int, list[dict[str, Any]]]]:
    """Return the samples of stack, nursery and runtimes, by process."""
    found: dict[str, dict[int, list[dict[str, Any]]]] = {name: {} for name in ("stack", "nursery", "a runtime")}
    for sample in results["samples"]:
        for each in sample["processes"]:
            name = each["name"] if each["name"] in found else "a runtime"
            found[name].setdefault(each["pid"], []).append(each | {"at": sample["at"]})
    return found


def _late(series: Mapping[int, Sequence[Mapping[str, Any]]], figure: str) -> list[list[tuple[float, float]]]:
    """Return (seconds, figure) of each process after the warm-up; of a young runtime, after its own first minute."""
    return [
        [(p["at"], p[figure]) for p in points if p["at"] >= max(WARM_UP_S, points[0]["at"] + MINUTE_S)]
        for points in series.values()
    ]


def _ends(series: Mapping[int, Sequence[Mapping[str, Any]]], figure: str) -> tuple[str, str]:
    """Return the first figure after the warm-up, and the last one, as means over the processes."""
    late = [points for points in _late(series, figure) if points]
    if not late:
        return "-", "-"
    return f"{statistics.fmean(p[0][1] for p in late):,.0f}", f"{statistics.fmean(p[-1][1] for p in late):,.0f}"


def _shown(found: Trend | None) -> tuple[str, str, str]:
    if found is None:
        return "-", "-", "too short"
    verdict = "flat" if found.flat else "grows" if found.per_hour > 0 else "shrinks"
    return f"{found.per_hour:+,.1f}", f"{found.low:+,.1f} to {found.high:+,.1f}", verdict


def _by_minute(points: Sequence[tuple[float, float]], of: Any) -> list[tuple[float, float]]:
    minutes: dict[int, list[float]] = defaultdict(list)
    for at, value in points:
        minutes[int(at // MINUTE_S)].append(value)
    return [(minute + 0.5, float(of(values))) for minute, values in sorted(minutes.items())]


def _quantiles(values: Sequence[float], decimals: int) -> list[str]:
    ranked = sorted(values)
    at = [ranked[len(ranked) // 2], ranked[min(len(ranked) - 1, int(len(ranked) * 0.95))], ranked[-1]]
    return [f"{value:,.{decimals}f}" for value in at]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:300]
