"""The bounds that the project promises, each measured, with PASS or FAIL. Exits with 1 if one fails."""

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench import draws, fleets, pace, speed

Rows = Sequence[dict[str, Any]]
"""Rows that another section of the bench has measured; without them, a bound measures its own."""
MAX_CONCURRENT_WRITES = 16
"""The default of the template's parameter."""


@dataclass(frozen=True)
class Bound:
    """A figure and its bound. `at_least`: the bound is the least that passes."""

    what: str
    figure: float
    bound: float
    at_least: bool = False

    @property
    def passes(self) -> bool:
        return self.figure >= self.bound if self.at_least else self.figure <= self.bound

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"passes": self.passes}

    def __str__(self) -> str:
        sign = "≥" if self.at_least else "≤"
        return f"{'PASS' if self.passes else 'FAIL'}  {self.what}: {self.figure:.4g} (bound: {sign} {self.bound:g})"


def of_speed(rows: Rows = ()) -> Iterator[Bound]:
    """1,000 members at 20 ms, no limit, under either contract."""
    chosen = [row for row in rows if (row["latency_ms"], row["members"]) == (20, 1000)]
    for row in chosen or speed.measure((20.0,), (1000,))["rows"]:
        name = f"{row['contract']}, 1,000 members at 20 ms"
        yield Bound(f"{name}: times as fast as the naive client", row["ratio"], 8, at_least=True)
        yield Bound(f"{name}: connections", row["connections"], 64)
        yield Bound(f"{name}: requests in flight", row["in_flight"], MAX_CONCURRENT_WRITES)
        yield Bound(f"{name}: runs with an end state other than the naive client's", not row["same_end_state"], 0)
        yield Bound(f"{name}: writes of the same plan again", row["again_writes"], 0)


def of_states(rows: Rows = ()) -> Iterator[Bound]:
    """Transitions of the state machine."""
    most = {100: 15, 5000: 25}
    chosen = [row for row in rows if row["latency_ms"] == 0 and row["members"] in most]
    for row in chosen or speed.measure((0.0,), tuple(most))["rows"]:
        name = f"{row['contract']}, {row['members']:,} members: transitions"
        yield Bound(name, row["states"], most[row["members"]])


def of_pace(rows: Rows = ()) -> Iterator[Bound]:
    """100 members at 30 requests in 6 s."""
    for row in [row for row in rows if row["per_minute"] == 300] or [pace.at_rate(300, 100)]:
        yield Bound("100 members at 30 requests per 6 s: time ÷ (requests ÷ rate)", row["ratio"], 1.05)
        yield Bound("100 members at 30 requests per 6 s: answers 429", row["refused"], 0)


def of_recovery() -> Iterator[Bound]:
    """A single 429 and no limit thereafter."""
    found = pace.after_one_429(250)
    yield Bound("250 members after a single 429: times as long as without", found["ratio"], 3)


def of_tokens() -> Iterator[Bound]:
    """Four tokens, each with a limit of its own."""
    row = pace.at_rate(300, 1000, token_pool=4)
    yield Bound("1,000 rings at 300/min for each of 4 tokens: time ÷ a quarter of the bound", row["ratio"], 1.10)
    yield Bound("1,000 rings at 300/min for each of 4 tokens: answers 429", row["refused"], 0)


def of_fleet() -> Iterator[Bound]:
    """A fleet that the rate limit binds."""
    row = fleets.at_rate(3000, 200, 50)
    name = "200 queues of 50 members at 3,000/min"
    yield Bound(f"{name}: time ÷ (requests ÷ rate)", row["ratio"], 1.10)
    yield Bound(f"{name}: answers 429 after the first second", row["refused_late"], 0)
    yield Bound(f"{name}: queues that did not complete", row["queues"] - row["counts"].get("completed", 0), 0)


def of_door() -> Iterator[Bound]:
    """The door of fleets."""
    row = fleets.door(10_000, 5)
    yield Bound("10,000 plans of 5 members: seconds until they are started", row["accepted_s"], 30)
    yield Bound("10,000 plans of 5 members: MB of memory", row["memory_mb"], 512)
    name = "10,000 plans with one wrong line"
    yield Bound(f"{name}: seconds until they are refused", row["refused_s"], 30)
    yield Bound(f"{name}: answers that do not name exactly that line", row["lines"] != [row["wrong_line"]], 0)
    yield Bound(f"{name}: documents, records and executions written", row["written_when_refused"], 0)


def of_draws(found: Mapping[str, Any] | None = None) -> Iterator[Bound]:
    """50 draws a second for a minute, beside an empty function, and draws without DynamoDB."""
    found = found or draws.measure(50, 60)
    drawn, empty = found["rows"]
    name = "50 draws a second for a minute, one queue"
    wrong = sum(count for reason, count in drawn["answers"].items() if reason not in {"drawn", "nobody"})
    yield Bound(f"{name}: draws a second", drawn["per_second"], 49.5, at_least=True)
    yield Bound(f"{name}: draws that failed or were not counted", wrong, 0)
    yield Bound(f"{name}: draws that the counters miss or have twice", drawn["miscounted"], 0)
    yield Bound(f"{name}: p99 in ms, without that of an empty function", drawn["p99_ms"] - empty["p99_ms"], 100)
    for kind, seconds in found["without"].items():
        yield Bound(f"DynamoDB {kind}: seconds until the empty list", seconds, 1)


BOUNDS: dict[str, Callable[..., Iterator[Bound]]] = {
    "speed": of_speed,
    "states": of_states,
    "pace": of_pace,
    "recovery": of_recovery,
    "tokens": of_tokens,
    "fleet": of_fleet,
    "door": of_door,
    "draws": of_draws,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Without arguments: those of the command line. Exits with 2 for a name that no bound has."""
    names = "\n".join(f"  {name:9} {measure.__doc__}" for name, measure in BOUNDS.items())
    parser = ArgumentParser(
        "python -m bench.bounds",
        description=__doc__,
        epilog=f"The names:\n{names}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a bound to measure; without names, all are")
    chosen = parser.parse_args(arguments).names
    if unknown := [name for name in chosen if name not in BOUNDS]:
        parser.error(f"no bound {', '.join(unknown)}; there are {', '.join(BOUNDS)}")
    passed = True
    for name in chosen or BOUNDS:
        for bound in BOUNDS[name]():
            print(bound, flush=True)
            passed = passed and bound.passes
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
