"""`python -m bench.projection`: CPU time and memory of a projection before and after a plan, in fresh processes."""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RUNS = 5
CASES = (
    # rule after, agents, contacts per hour, hours
    ("ring", 60, 1000, 1.0),
    ("ring", 60, 1000, 2.0),
    ("proficiency", 60, 1000, 2.0),
    ("joined", 60, 1000, 2.0),
    ("ring", 600, 11_000, 0.25),
)
BUDGET = "budget: 1 s of CPU and 128 MB over the baseline for 60 agents and 10 replications"

PROJECTION = """
import json, resource, sys, time, tracemalloc
rule, agents, contacts, hours, traced = json.loads(sys.argv[1])
base_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
from routing_weights.projection.erlang import agents_needed, erlang_a
from routing_weights.projection.simulation import Demand, Place, Scenario, Seat, compare
from routing_weights.projection.stability import stability
imports_s = time.process_time() - start

def scenario(rule, value):
    demand = Demand("q", contacts / 3600, 180.0, 120.0, 20.0, rule, ring_timeouts_s=(10.0,) * 5)
    return Scenario((demand,), tuple(Seat(f"agent-{i}", {"q": Place(value(i))}) for i in range(agents)))

values = {
    "ring": lambda i: 1 + 6 * i // agents,
    "proficiency": lambda i: 5 * (1 - i / agents),
    "joined": lambda i: i % 6 > 0,
}
before, after = scenario("joined", lambda i: 1), scenario(rule, values[rule])
if traced:
    tracemalloc.start()
start = time.process_time()
stability({"q": contacts / 20}, {seat.agent_id: seat.places.keys() for seat in after.seats})
erlang_a(contacts / 3600, aht_s=180.0, agents=agents, patience_s=120.0, within_s=20.0)
in_time = lambda found: found.service_level >= 0.8
agents_needed(contacts / 3600, aht_s=180.0, patience_s=120.0, within_s=20.0, meets=in_time)
closed_s = time.process_time() - start
start = time.process_time()
result = compare(before, after, seed=1, horizon_s=hours * 3600)
print(json.dumps({
    "imports_s": imports_s,
    "closed_s": closed_s,
    "cpu_s": time.process_time() - start,
    "traced_mb": tracemalloc.get_traced_memory()[1] / 1e6 if traced else 0.0,
    "rss_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base_kb) / 1e3,
    "contacts": result.before.contacts + result.after.contacts,
    "levels": [side.queues["q"].service_level.mean for side in (result.before, result.after)],
    "numpy": "numpy" in sys.modules,
}))
"""


def main() -> None:
    print(f"Projections, before and after, 10 replications each (median of {RUNS} fresh processes)\n")
    print("  after        agents  hours  contacts  import ms  closed ms  CPU s  heap MB  RSS MB  SL before -> after")
    numpy = False
    for rule, agents, contacts, hours in CASES:
        case: list[Any] = [rule, agents, contacts, hours]
        runs = [_project(case, traced=False) for _ in range(RUNS)]
        heap_mb = _project(case, traced=True)["traced_mb"]
        first, last = runs[0]["levels"]
        numpy = numpy or any(run["numpy"] for run in runs)
        imports_ms, closed_ms = (_median(runs, name) * 1000 for name in ("imports_s", "closed_s"))
        print(
            f"  {rule:<12} {agents:>6} {hours:>6.2f} {runs[0]['contacts']:>9} {imports_ms:>10.1f} "
            f"{closed_ms:>10.1f} {_median(runs, 'cpu_s'):>6.2f} {heap_mb:>8.1f} "
            f"{_median(runs, 'rss_mb'):>7.1f}  {first:.3f} -> {last:.3f}"
        )
    print(f"\n  {BUDGET}.")
    print("  import: includes pydantic. heap: the peak of tracemalloc, in a separate run.")
    print(f"  numpy: {'imported' if numpy else 'not imported'}.")


def _project(case: list[Any], *, traced: bool) -> dict[str, Any]:
    script = f"import sys; sys.path.insert(0, {str(ROOT / 'layers' / 'core')!r})\n{PROJECTION}"
    command = [sys.executable, "-c", script, json.dumps([*case, traced])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _median(runs: list[dict[str, Any]], name: str) -> float:
    return float(statistics.median(run[name] for run in runs))


if __name__ == "__main__":
    main()
