"""Shows the queues by name, what runs and what is in force in them, and what Genesys holds for their members."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from routing_weights.domain.directory import MemberInForce, QueueInForce, QueueState, evaluation
from routing_weights.domain.record import Applied, ExpiryCancelled, last_completed, timestamp
from routing_weights.domain.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from routing_weights.application.ports import (
        Approvals,
        Connect,
        Directory,
        Documents,
        DriftEntries,
        NewestRuns,
        Trail,
    )
    from routing_weights.domain.access import Queues
    from routing_weights.domain.actuation import Actuation
    from routing_weights.domain.directory import ListedQueue
    from routing_weights.domain.record import RunSummary

NAMES_HOLD_S = 15.0
"""How long a process relies on a listing of queues. A page that reloads costs no request."""
AGAIN_AFTER_S = 2.0
"""How old a listing is, at least, before it is read again because it lacks a queue."""
MOST_RUNS = 50
"""How many distributions of a queue are looked at together with those of others. Whoever edits weights leaves many dry
runs."""


@dataclass
class KnownQueues:
    """The queues of the organisation, as they were some moments ago. Kept for the whole process."""

    monotonic: Callable[[], float]
    _read_at: float = field(default=float("-inf"), init=False)
    _queues: list[ListedQueue] = field(default_factory=list, init=False)
    _reading: threading.Lock = field(default_factory=threading.Lock, init=False)

    def through(self, directory: Directory, seen: Queues) -> list[ListedQueue]:
        """Return the queues by name. They are read by `directory` if that is some seconds ago.

        A listing that lacks a queue among `seen` is read again sooner: the queue may be new.
        """
        with self._reading:
            age = self.monotonic() - self._read_at
            is_complete = not seen or seen <= {queue.queue_id for queue in self._queues}
            if age > (NAMES_HOLD_S if is_complete else AGAIN_AFTER_S):
                self._queues = sorted(directory.queues(), key=lambda queue: queue.place)
                self._read_at = self.monotonic()
            return self._queues


@dataclass(frozen=True)
class StatesOfQueues:
    trail: Trail
    newest: NewestRuns
    drift: DriftEntries
    approvals: Approvals

    def of(self, queues: Sequence[ListedQueue], now: datetime) -> list[QueueState]:
        """What the records say of these queues, in their order.

        One query for each queue, and requests for records and drift that do not grow with each queue by itself.
        """
        if not queues:
            return []
        ids = [queue.queue_id for queue in queues]
        runs, drift = self.newest.of(ids, MOST_RUNS), self.drift.open(ids)
        waiting = {approval.queue_id: approval.distribution_id for approval in self.approvals.waiting(now)}
        for queue_id, found in runs.items():
            if (
                len(found) == MOST_RUNS
                and not last_completed(found)
                and (earlier := self.trail.last_completed(queue_id))
            ):
                found.append(earlier)
        in_force = {queue_id: _in_force(runs[queue_id]) for queue_id in ids}
        temporary = [run.distribution_id for run in in_force.values() if run and (run.until or "") > timestamp(now)]
        kept = self.trail.of_kind(ExpiryCancelled, temporary)
        return [
            _state(
                queue,
                runs[queue.queue_id],
                waits_for=waiting.get(queue.queue_id),
                returns=[name for name in temporary if name not in kept],
                drifted=drift[queue.queue_id].distribution_id if queue.queue_id in drift else None,
            )
            for queue in queues
        ]


def _in_force(runs: Sequence[RunSummary]) -> RunSummary | None:
    last = last_completed(runs)
    return next((run for run in runs if run.distribution_id == last), None)


def _state(
    queue: ListedQueue, runs: Sequence[RunSummary], waits_for: str | None, returns: Sequence[str], drifted: str | None
) -> QueueState:
    in_force = _in_force(runs)
    runs = [run for run in runs if not run.dry_run and run.status is not Status.DRY_RUN]
    running = next((run.distribution_id for run in runs if not run.status.terminal), waits_for)
    return QueueState(
        queue,
        last=next((run for run in runs if run.status.terminal), None),
        running=running,
        # What drifted from an earlier distribution is over.
        drift=int(in_force is not None and drifted == in_force.distribution_id),
        returns_at=in_force.until if in_force and in_force.distribution_id in returns else None,
        waiting=waits_for is not None,
    )


@dataclass(frozen=True)
class ListKnownQueues:
    directory: Directory
    known: KnownQueues
    states: StatesOfQueues

    def list(
        self, seen: Queues, name: str, limit: int, after: tuple[str, str] | None, now: datetime
    ) -> tuple[list[QueueState], tuple[str, str] | None]:
        """A page of the queues that a person may see, by name, and the place of its last one; None on the last page.

        Args:
            seen: what the person may see.
            name: a part of the name, in any case. Empty for all.
            limit: how many queues a page has, at most.
            after: the place of the last queue of the page before.
            now: the time.

        Raises:
            QueuesNotListable: under contract `score`.
        """
        part = name.casefold()
        found = [
            queue
            for queue in self.known.through(self.directory, seen)
            if part in queue.name.casefold()
            and (seen is None or queue.queue_id in seen)
            and (after is None or queue.place > after)
        ]
        page = found[:limit]
        return self.states.of(page, now), page[-1].place if len(found) > limit else None


@dataclass(frozen=True)
class ShowQueue:
    directory: Directory
    states: StatesOfQueues
    trail: Trail

    def show(self, queue_id: str, now: datetime) -> QueueInForce:
        """Raises QueueNotFound."""
        queue, settings = self.directory.queue(queue_id)
        (state,) = self.states.of([queue], now)
        return QueueInForce(state, evaluation(settings), applied_to(queue_id, self.trail))


def applied_to(queue_id: str, trail: Trail) -> Applied | None:
    """What the newest completed distribution of a queue has put in force. None if there was none."""
    last = trail.last_completed(queue_id)
    return trail.of_kind(Applied, [last.distribution_id]).get(last.distribution_id) if last else None


@dataclass(frozen=True)
class ShowMembers:
    trail: Trail
    documents: Documents
    connect: Connect
    deployed: Actuation
    """The actuator of the deployment, for a queue in which nothing is in force."""

    def show(self, queue_id: str) -> list[MemberInForce]:
        """The members of a queue by name, in one request for each 100 members and one for the queue.

        Raises:
            QueueNotFound.
        """
        applied = applied_to(queue_id, self.trail)
        work = self.documents.find_work(applied.distribution_id) if applied else None
        same_contract = work and work.decision.actuation.actuator.contract == self.deployed.actuator.contract
        actuation = work.decision.actuation if work and same_contract else self.deployed
        weights = applied.requested_weights if applied else {}
        members = [
            MemberInForce(member, actuation.actuator.name, weights.get(member.user_id))
            for member in self.connect(actuation).read_queue(queue_id).members
        ]
        return sorted(members, key=lambda each: ((each.member.name or "").casefold(), each.member.user_id))
