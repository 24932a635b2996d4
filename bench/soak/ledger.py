"""What a soak has done and found, as it is written to bench/soak.json."""

import threading
import time
from collections import Counter
from typing import Any


class Ledger:
    """Everything is counted from any thread. Times are seconds since the beginning."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self.runs: list[dict[str, Any]] = []
        self.draws: list[tuple[float, float]] = []
        """When each draw was asked, and its milliseconds."""
        self.done: Counter[str] = Counter()
        """What was done to the system: faults, kills, edits."""
        self.checked: Counter[str] = Counter()
        """How often each rule was checked."""
        self.broken: list[dict[str, Any]] = []
        """Each broken rule: when, which, and what was seen."""
        self.answers: Counter[str] = Counter()
        """The statuses of the HTTP API."""

    def now(self) -> float:
        return time.monotonic() - self._began

    def ran(self, door: str, record: dict[str, Any], seconds: float) -> None:
        restore = (record.get("restore") or {}).get("outcome") or ""
        row = {"at": self.now(), "door": door, "status": record["status"], "restore": restore, "seconds": seconds}
        with self._lock:
            self.runs.append(row)

    def drew(self, at: float, ms: float) -> None:
        with self._lock:
            self.draws.append((at, ms))

    def note(self, what: str, count: int = 1) -> None:
        with self._lock:
            self.done[what] += count

    def answered(self, status: object) -> None:
        with self._lock:
            self.answers[str(status)] += 1

    def check(self, rule: str, *found: str | None) -> None:
        """Count a check of a rule, and note what breaks it."""
        with self._lock:
            self.checked[rule] += 1
            self.broken += [{"at": self.now(), "rule": rule, "found": each} for each in found if each]
