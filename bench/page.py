"""docs/reference/benchmarks.md and its pictures, drawn from the results of a run. No figure is written by hand."""

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.charts import bars, plot
from bench.growth import growth
from bench.outside import ROOT

REFERENCE = ROOT / "docs" / "reference"
PAGE = REFERENCE / "benchmarks.md"
SHARE_OF_A_PROCESSOR = 512 / 1769
"""Of a function with 512 MB, after its init phase: 1,769 MB have one whole processor.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html"""

Rows = Sequence[dict[str, Any]]


def files(results: dict[str, Any]) -> dict[Path, str]:
    """Return the texts of the page and its pictures, by path."""
    pictures = dict(_pictures(results))
    lines = [line for text in _page(results, pictures) for line in wrapped(text)]
    return {PAGE: "\n".join(lines).rstrip() + "\n"} | {
        REFERENCE / f"benchmarks-{name}.svg": picture for name, picture in pictures.items()
    }


def _page(results: dict[str, Any], pictures: dict[str, str]) -> Iterator[str]:
    yield "# Benchmarks"
    yield ""
    yield (
        "`make bench` measures everything and writes this page; `python -m bench --quick` measures a small part and "
        "prints it. Seconds are those of one machine, so the ratios come first: both sides of a ratio were measured in "
        "the same run. The simulator of Genesys and the embedded stack are processes of their own. Runtimes, state "
        "machine, API and AWS services share the cores of this machine with them. In a deployment they do not. The "
        "figures are in [bench/results.json](../../bench/results.json)."
    )
    for name, write in SECTIONS.items():
        if name in results:
            yield ""
            yield from write(results[name]["found"], pictures)
    if len(results) > 1:
        yield ""
        yield from _growths(results)
    yield ""
    yield from _sections(results)


def wrapped(text: str) -> list[str]:
    return [text] if text.startswith(("|", "![")) else textwrap.wrap(text, 140, break_long_words=False) or [""]


def table(heads: str, rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """`heads` are separated by |; one that ends with `:` is of a column of figures."""
    names = heads.split("|")
    yield "| " + " | ".join(name.removesuffix(":") for name in names) + " |"
    yield "|" + "|".join("---:" if name.endswith(":") else "---" for name in names) + "|"
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"


def seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _picture(pictures: dict[str, str], name: str, text: str) -> Iterator[str]:
    if name in pictures:
        yield f"![{text}](benchmarks-{name}.svg)"
        yield ""


# ---- sections --------------------------------------------------------------------------------------------------------


def _bounds(found: Rows, _: dict[str, str]) -> Iterator[str]:
    yield "## Promised, and measured"
    yield ""
    yield "Each figure is one command: `python -m bench.bounds NAME`."
    yield ""
    rows = [
        (row["name"], row["what"], f"{'≥' if row['at_least'] else '≤'} {row['bound']:g}", f"{row['figure']:.3g}",
         "pass" if row["passes"] else "**fail**")
        for row in found
    ]  # fmt: skip
    yield from table("name|figure|bound:|measured:|", rows)


def _speed(found: dict[str, Any], pictures: dict[str, str]) -> Iterator[str]:
    yield "## One queue, no rate limit, next to a naive client"
    yield ""
    yield (
        "The naive client (`bench/naive.py`) sends one PATCH after another over one session: no diff, no lock, no "
        "before-image, no verification. Its time per member is constant. So if all of its writes would take too long, "
        "only some of them were measured, and the time of all was computed. *Ratio* is its time ÷ that of the whole "
        "distribution, from the request to the API to the end of the execution: with validation, projection, reading "
        "back and the audit record. *Writing* is its time ÷ the time of the states that write and verify. Every member "
        "changes. *Again* is the number of writes when the same plan is sent once more."
    )
    yield ""
    yield from _picture(pictures, "speed", "How many times as fast as the naive client, by members and latency")
    heads = "contract|latency, ms:|members:|naive, s:|ours, s:|ratio:|writing:|writes:|reads:|requests per change:"
    rows = [
        (
            row["contract"], f"{row['latency_ms']:g}", f"{row['members']:,}",
            seconds(row["naive_s"]) + ("" if row["naive_members"] == row["members"] else "\\*"),
            seconds(row["seconds"]), f"{row['ratio']:.2f}", f"{row['writing_ratio']:.2f}", f"{row['writes']:,}",
            row["reads"], f"{row['requests'] / row['members']:.2f}", row["in_flight"], row["connections"],
            row["states"], row["again_writes"],
        )
        for row in found["rows"]
    ]  # fmt: skip
    yield from table(f"{heads}|in flight:|connections:|transitions:|again:", rows)
    yield ""
    yield "\\* computed from fewer writes."


def _pace(found: dict[str, Any], _: dict[str, str]) -> Iterator[str]:
    yield "## One queue that the rate limit binds"
    yield ""
    yield (
        f"The bound is requests ÷ rate. The simulator limits each token in windows of {found['window_s']:g} s, a tenth "
        "of a minute's requests in each. The time is that of the whole distribution."
    )
    yield ""
    heads = "requests per minute:|members:|requests:|bound, s:|measured, s:|time ÷ bound:|429:"
    rows = [
        (f"{row['per_minute']:,}", f"{row['members']:,}", f"{row['requests']:,}", seconds(row["bound_s"]),
         seconds(row["seconds"]), f"{row['ratio']:.3f}", row["refused"])
        for row in found["rows"]
    ]  # fmt: skip
    yield from table(heads, rows)


def _fleets(found: dict[str, Any], _: dict[str, str]) -> Iterator[str]:
    yield "## Fleets"
    yield ""
    yield (
        f"Queues of {found['members']} members in one fleet, without a limit and without latency: the time is that of "
        "this machine, whose cores run every distribution of the fleet. It is counted from the first request to "
        "Genesys to the last answer."
    )
    yield ""
    rows = [
        (f"{row['queues']:,}", row["status"], seconds(row["accepted_s"]), seconds(row["seconds"]),
         f"{row['seconds'] / row['queues']:.2f}", f"{row['requests']:,}", f"{row['requests'] / row['queues']:.1f}",
         row["refused"])
        for row in found["rows"]
    ]  # fmt: skip
    yield from table("queues:|status|accepted, s:|time, s:|s per queue:|requests:|requests per queue:|429:", rows)


def _door(found: dict[str, Any], _: dict[str, str]) -> Iterator[str]:
    yield "## The door of fleets"
    yield ""
    yield (
        "A fleet is validated, and stored or refused, by the function's code, with AWS in memory. A function has a "
        "part of a processor, by its memory. Memory is that of the whole process, with the stand-in for AWS."
    )
    yield ""
    rows = [
        (row["form"], f"{row['plans']:,}", row["members"], row["megabytes"], seconds(row["processor_s"]),
         row["peak_mb"], row["answer"])
        for row in found["rows"]
    ]  # fmt: skip
    yield from table("form|plans:|members:|MB:|s of a processor:|memory, MB:|answer", rows)


def _draws(found: dict[str, Any], _: dict[str, str]) -> Iterator[str]:
    drawn = found["rows"][0]
    yield "## Draws"
    yield ""
    yield (
        f"{found['wanted_per_second']} draws a second for {found['seconds']:g} s, all for one queue of "
        f"{found['members']} members, and then as many invocations of an empty function, in the same stack. The time "
        "is that of the invocation, as its caller sees it. DynamoDB takes most of a draw: the embedded one shares the "
        "cores of this machine. Two draws of a queue at the same moment write one after the other."
    )
    yield ""
    rows = [
        (row["function"], f"{row['invocations']:,}", f"{row['per_second']:.1f}", f"{row['p50_ms']:.1f}",
         f"{row['p99_ms']:.1f}", ", ".join(f"{count:,} {answer}" for answer, count in row["answers"].items()))
        for row in found["rows"]
    ]  # fmt: skip
    yield from table("function|invocations:|per second:|p50, ms:|p99, ms:|answers", rows)
    yield ""
    yield (
        f"Draws that the stored counters miss or have twice: {drawn['miscounted']}. While DynamoDB does not answer, "
        f"the empty list comes after {found['without']['hangs']:.2f} s; if nothing listens there, after "
        f"{found['without']['refuses']:.2f} s."
    )


def _starts(found: dict[str, Any], pictures: dict[str, str]) -> Iterator[str]:
    yield "## Starts and memory"
    yield ""
    yield (
        f"`import app` in a fresh process, the median of {found['runs']}, in ms of a whole processor: Lambda's init "
        "phase has one. The first event has less: a function with 512 MB has "
        f"{SHARE_OF_A_PROCESSOR:.0%} of a processor, so a millisecond takes {1 / SHARE_OF_A_PROCESSOR:.1f} there. "
        "*Later* is the number of modules that the first event imports. boto3 is counted, although the layer does not "
        "carry it. Memory is the peak of the process, at its start and after the event. The events of a run are those "
        f"of a queue of {found['members']:,} members; the figure in brackets is that of a tenth of them."
    )
    yield ""
    yield from _picture(pictures, "starts", "Import and first event of each function")
    heads = "function|import, ms:|modules:|first event, ms:|later:|idle, MB:|peak, MB:|configured, MB:|time-out, s:"
    rows = [
        (
            row["function"], f"{row['import_ms']:.0f}", row["modules"],
            f"{row['event_cpu_ms']:.0f}" if row["event"] else "", len(row["later"]) if row["event"] else "",
            f"{row['idle_mb']:.0f}",
            (f"{row['peak_mb']:.0f}" if row["event"] else "")
            + (f" ({row['peak_mb_small']:.0f})" if "peak_mb_small" in row else ""),
            row["memory_mb"], row["timeout_s"],
        )
        for row in sorted(found["functions"], key=lambda row: row["function"])
    ]  # fmt: skip
    yield from table(heads, rows)


def _projection(found: dict[str, Any], _: dict[str, str]) -> Iterator[str]:
    yield "## Projections"
    yield ""
    yield (
        f"Before and after a plan, ten replications each, the median of {found['runs']} fresh processes. The budget "
        "is 1 s of CPU and 128 MB over the baseline for 60 agents."
    )
    yield ""
    rows = [
        (row["rule"], row["agents"], f"{row['hours']:g}", f"{row['contacts']:,}", f"{row['imports_s'] * 1000:.0f}",
         f"{row['closed_s'] * 1000:.1f}", f"{row['cpu_s']:.2f}", f"{row['heap_mb']:.1f}", f"{row['rss_mb']:.0f}",
         f"{row['service_level_before']:.3f} → {row['service_level_after']:.3f}")
        for row in found["rows"]
    ]  # fmt: skip
    heads = "rule|agents:|hours:|contacts:|imports, ms:|formulas, ms:|simulation, s of CPU:|heap, MB:|memory, MB:"
    yield from table(f"{heads}|service level", rows)


def _conflicts(found: dict[str, Any], _: dict[str, str]) -> Iterator[str]:
    ended = ", ".join(f"{count} {status}" for status, count in found["statuses"].items())
    yield "## Plans that want the same queue at the same moment"
    yield ""
    yield (
        f"{found['plans']} plans on {found['queues']} queues, {found['at_once']} at a time, ended in "
        f"{found['seconds']:.0f} s: {ended}. DynamoDB's rule on transactions refused {found['refused']} writes in "
        f"{found['transactions']} transactions, which were repeated."
    )


def _noise(found: dict[str, Any], _: dict[str, str]) -> Iterator[str]:
    loop, naive = found["loop"], found["naive"]
    yield "## The machine, and its noise"
    yield ""
    yield (
        f"{found['system']}, {found['cores']} cores ({found['processor']}), Python {found['python']}. The load average "
        f"was {found['load'][0]:.1f} when the noise was measured. A fixed loop of the processor took "
        f"{loop['median_s'] * 1000:.0f} ms, and its {loop['runs']} runs were {loop['spread']:.0%} apart (slowest minus "
        f"fastest, divided by the median). 50 writes of the naive client at 20 ms took {naive['median_s']:.2f} s, and "
        f"were {naive['spread']:.0%} apart. A difference below that is noise."
    )


def _growths(results: dict[str, Any]) -> Iterator[str]:
    yield "## How each grows"
    yield ""
    yield (
        "The exponent of the power law through the points from 100 on, or through all points if there are fewer. 1 is "
        "linear. A distribution has a fixed part, so its exponent is below 1 if that part is large."
    )
    yield ""
    rows = []
    for what, points in _grown(results):
        large = [point for point in points if point[0] >= 100]
        chosen = large if len(large) > 1 else points
        if len(chosen) > 1:
            found = growth(chosen)
            sizes = f"{min(size for size, _ in chosen):,} to {max(size for size, _ in chosen):,}"
            fit = f"{found.r2:.3f}" if len(chosen) > 2 else ""
            rows.append((what, sizes, f"{found.exponent:.2f}", fit, found.word))
    yield from table("figure|sizes|exponent:|R²:|grows", rows)


def _grown(results: dict[str, Any]) -> Iterator[tuple[str, list[tuple[int, float]]]]:
    by_case: dict[tuple[str, float], Rows] = {}
    for row in results.get("speed", {"found": {"rows": []}})["found"]["rows"]:
        by_case.setdefault((row["contract"], row["latency_ms"]), []).append(row)  # type: ignore[attr-defined]
    for (contract, latency_ms), rows in by_case.items():
        case = f"{contract}, {latency_ms:g} ms"
        yield f"time of a distribution, {case}, by members", [(row["members"], row["seconds"]) for row in rows]
        yield f"time of the naive client, {case}, by members", [(row["members"], row["naive_s"]) for row in rows]
    for contract in dict.fromkeys(contract for contract, _ in by_case):
        rows = by_case[next(case for case in by_case if case[0] == contract)]
        yield f"requests of a distribution, {contract}, by members", [(row["members"], row["requests"]) for row in rows]
        yield f"transitions, {contract}, by members", [(row["members"], row["states"]) for row in rows]
    if "fleets" in results:
        rows = results["fleets"]["found"]["rows"]
        yield "time of a fleet, by queues", [(row["queues"], row["seconds"]) for row in rows]
        yield "time until a fleet is accepted, by queues", [(row["queues"], row["accepted_s"]) for row in rows]
        yield "requests of a fleet, by queues", [(row["queues"], row["requests"]) for row in rows]
    if "starts" in results:
        found = results["starts"]["found"]
        for row in found["functions"]:
            if "peak_mb_small" in row:
                points = [(found["members"] // 10, row["peak_mb_small"]), (found["members"], row["peak_mb"])]
                yield f"memory of {row['function']}, by members", points
                small_ms, large_ms = row["event_cpu_ms_small"], row["event_cpu_ms"]
                sizes = (found["members"] // 10, found["members"])
                yield f"processor of {row['function']}, by members", list(zip(sizes, (small_ms, large_ms), strict=True))


def _sections(results: dict[str, Any]) -> Iterator[str]:
    yield "## When, and under which load"
    yield ""
    yield (
        "The load average of the last minute, before and after each section. If it is above the number of cores, "
        "times are longer."
    )
    yield ""
    rows = [
        (name, section["at"], f"{section['seconds']:.0f}", " → ".join(f"{load:.1f}" for load in section["load"]))
        for name, section in results.items()
    ]
    yield from table("section|ended|took, s:|load", rows)


SECTIONS = {
    "bounds": _bounds,
    "speed": _speed,
    "pace": _pace,
    "fleets": _fleets,
    "door": _door,
    "draws": _draws,
    "starts": _starts,
    "projection": _projection,
    "conflicts": _conflicts,
    "noise": _noise,
}
"""From top to bottom of the page."""


# ---- pictures --------------------------------------------------------------------------------------------------------


def _pictures(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "speed" in results:
        series: dict[str, list[tuple[float, float]]] = {}
        for row in results["speed"]["found"]["rows"]:
            name = f"{row['contract']}, {row['latency_ms']:g} ms"
            series.setdefault(name, []).append((row["members"], row["ratio"]))
        title = "Times as fast as one PATCH after another"
        yield "speed", plot(title, series, "members of the queue", "naive time ÷ our time", (8.0, "promised: 8"))
    if "starts" in results:
        functions = sorted(results["starts"]["found"]["functions"], key=lambda row: str(row["function"]))
        shown = [(row["function"], row["import_ms"], row.get("event_cpu_ms", 0.0)) for row in functions]
        yield "starts", bars("Cold starts", shown, ("import, in the init phase", "first event"), "ms of CPU")
