"""The machine, and how much its times vary: a fixed loop of the processor, and the naive client, each several times."""

import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

from bench import naive
from bench.distribution import put_queue, values_of
from bench.outside import genesys

STEPS = 2_000_000


def measure(runs: int) -> dict[str, Any]:
    with genesys("platform", latency_ms=20.0) as simulator:
        put_queue(simulator, "bench-noise", 50)
        values = values_of("platform", 50)
        naive_s = [naive.write_all(simulator, "bench-noise", values) for _ in range(runs)]
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "loop": spread([_loop() for _ in range(runs)]),
        "naive": spread(naive_s),
    }


def spread(seconds: list[float]) -> dict[str, float]:
    median = statistics.median(seconds)
    return {"runs": len(seconds), "median_s": median, "spread": (max(seconds) - min(seconds)) / median}


def _loop() -> float:
    started, number = time.perf_counter(), 1
    for step in range(STEPS):
        number = (number * 31 + step) & 0xFFFF
    return time.perf_counter() - started


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
