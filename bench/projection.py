"""CPU time and memory of a projection before and after a plan, in fresh processes."""

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

PROJECTION = """
import json, sys, time, tracemalloc
rule, agents, contacts, hours, traced = json.loads(sys.argv[1])
def peak_kb():
    status = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
base_kb = peak_kb()
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
    "rss_mb": (peak_kb() - base_kb) / 1e3,
    "contacts": result.before.contacts + result.after.contacts,
    "levels": [side.queues["q"].service_level.mean for side in (result.before, result.after)],
    "numpy": "numpy" in sys.modules,
}))
"""


def measure(runs: int = RUNS) -> dict[str, Any]:
    rows = []
    for rule, agents, contacts, hours in CASES:
        case: list[Any] = [rule, agents, contacts, hours]
        measured = [_project(case, traced=False) for _ in range(runs)]
        first, last = measured[0]["levels"]
        figures = {name: _median(measured, name) for name in ("imports_s", "closed_s", "cpu_s", "rss_mb")}
        rows.append(
            {
                "rule": rule,
                "agents": agents,
                "hours": hours,
                "contacts": measured[0]["contacts"],
                "heap_mb": _project(case, traced=True)["traced_mb"],
                "service_level_before": first,
                "service_level_after": last,
                "numpy": any(run["numpy"] for run in measured),
            }
            | figures
        )
    return {"runs": runs, "rows": rows}


def _project(case: list[Any], *, traced: bool) -> dict[str, Any]:
    script = f"import sys; sys.path.insert(0, {str(ROOT / 'layers' / 'core')!r})\n{PROJECTION}"
    command = [sys.executable, "-c", script, json.dumps([*case, traced])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _median(runs: list[dict[str, Any]], name: str) -> float:
    return float(statistics.median(run[name] for run in runs))
