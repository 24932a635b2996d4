"""`python -m bench`: measures everything, one thing after another, and writes docs/reference/benchmarks.md from that.

The figures are in bench/results.json, and the page is drawn from them alone. `--quick` measures a small part in some
minutes, prints the page, and writes nothing. `--only` measures some sections anew and keeps the others.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from bench import bounds, conflicts, draws, fleet_door, fleets, noise, pace, page, projection, speed, starts
from bench.outside import ROOT

RESULTS = ROOT / "bench" / "results.json"
Section = Callable[[dict[str, Any]], Any]

FULL: dict[str, Section] = {
    "noise": lambda _: noise.measure(9),
    "speed": lambda _: speed.measure((0.0, 20.0, 100.0), (10, 100, 1000, 5000)),
    "pace": lambda _: pace.measure({30: 20, 300: 100, 3000: 1000}),
    "fleets": lambda _: fleets.measure((1, 10, 100), members=5),
    "door": lambda _: fleet_door.measured(),
    "starts": lambda _: starts.measure(members=5000, runs=5),
    "projection": lambda _: projection.measure(),
    "conflicts": lambda _: conflicts.measure(),
    "draws": lambda _: draws.measure(50, 60),
    "bounds": lambda results: _bounds(results),  # noqa: PLW0108 - it is defined below
}
QUICK: dict[str, Section] = {
    "noise": lambda _: noise.measure(3),
    "speed": lambda _: speed.measure((0.0, 20.0), (10, 100)),
    "pace": lambda _: pace.measure({300: 30}),
    "fleets": lambda _: fleets.measure((1, 5), members=5),
    "starts": lambda _: starts.measure(members=100, runs=1),
    "projection": lambda _: projection.measure(runs=1),
    "draws": lambda _: draws.measure(50, 5),
}
THOUSAND: Section = lambda _: fleets.measure((1, 10, 100, 1000), members=5)  # noqa: E731 - a section as the others


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures, and writes the benchmarks page.")
    parser.add_argument("--quick", action="store_true", help="measure a small part, print the page, write nothing")
    parser.add_argument("--thousand", action="store_true", help="measure a fleet of 1,000 queues, too")
    parser.add_argument("--only", metavar="SECTION", nargs="*", choices=[*FULL], help=f"of {', '.join(FULL)}")
    parser.add_argument("--page", action="store_true", help="measure nothing: draw the page from bench/results.json")
    options = parser.parse_args()
    sections = (QUICK if options.quick else FULL) | ({"fleets": THOUSAND} if options.thousand else {})
    chosen = [] if options.page else options.only or list(sections)
    known = RESULTS.exists() and (options.only or options.page)
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8")) if known else {}
    for name in chosen:
        print(f"bench: {name} ...", file=sys.stderr, flush=True)
        results[name] = _measured(sections[name], results)
        if not options.quick:
            RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    if options.quick:
        print(page.files(results)[page.PAGE])
        return 0
    for path, text in page.files(results).items():
        path.write_text(text, encoding="utf-8")
    print(f"bench: wrote {page.PAGE.relative_to(ROOT)}", file=sys.stderr)
    return 0 if all(bound["passes"] for bound in results.get("bounds", {"found": []})["found"]) else 1


def _measured(section: Section, results: dict[str, Any]) -> dict[str, Any]:
    before, started = os.getloadavg()[0], time.monotonic()
    found = section(results)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": time.monotonic() - started,
        "load": [before, os.getloadavg()[0]],
        "found": found,
    }


def _bounds(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Judge what the other sections have measured, and measure the rest."""
    rows = {name: results.get(name, {"found": {"rows": []}})["found"]["rows"] for name in ("speed", "pace")}
    judged: dict[str, Any] = {"speed": rows["speed"], "states": rows["speed"], "pace": rows["pace"]}
    judged |= {"draws": results["draws"]["found"]} if "draws" in results else {}
    found = []
    for name, bound in bounds.BOUNDS.items():
        for each in bound(judged[name]) if name in judged else bound():
            print(f"bench: {each}", file=sys.stderr, flush=True)
            found.append({"name": name} | each.to_json())
    return found


if __name__ == "__main__":
    sys.exit(main())
