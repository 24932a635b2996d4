"""What executions left behind: locks whose owner is over, and records that nobody closed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.client import client, reported, through_conflicts
from routing_weights.domain.record import CLOSED, OPENED
from routing_weights.domain.run import Origin, Run
from routing_weights.domain.status import Status
from routing_weights.errors import QueueBusy, StoreUnavailable

RECOVERY_S = 60
"""How long a plan waits for the recovery of the run before it, whatever it says about waiting."""
LOOK_BACK = timedelta(days=1)
LISTED = 100
NOT_RECORDED = "audit_not_written"
"""How an execution fails whose outcome could not be recorded; its cause is `{status, sentence}`, as JSON."""
OVER = ("FAILED", "TIMED_OUT", "ABORTED")
UNKNOWN = "UNKNOWN"
"""Our word for an execution that Step Functions does not know."""
SHOWS_WITHIN = timedelta(minutes=1)
"""DescribeExecution is eventually consistent: an execution that took its lock since then may run and be unknown."""


@dataclass(frozen=True)
class Lock:
    """An item of LocksTable: the execution that holds the lock of a queue, and since when."""

    queue_id: str
    holder: str
    taken_at: datetime

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> "Lock":
        taken_at = datetime.fromtimestamp(int(item["taken_at"]["N"]), UTC)
        return cls(item["queue_id"]["S"], item["holder"]["S"], taken_at)


@dataclass(frozen=True)
class Recovery:
    locks_table: str
    trail: AuditTrail
    recover_state_machine_arn: str

    def unblock(self, run: Run, now: datetime) -> int:
        """How many seconds to wait before `run` tries to lock its queue again; a dead holder's recovery is started.

        Raises:
            QueueBusy: the plan does not want to wait (any longer).
        """
        lock = self._lock(run.queue_id)
        if lock is None:
            return 1
        holder, waited = lock.holder, (now - run.started_at).total_seconds()
        over, recovering = _is_over(_execution(holder), lock, now), self._is_recovery(holder)
        if over:
            self.start(holder, run.queue_id)
        patience = max(run.wait_for_lock_s, RECOVERY_S) if recovering or over else run.wait_for_lock_s
        if waited >= patience:
            raise QueueBusy(
                f"Another distribution, {holder.rpartition(':')[2]}, is running on queue {run.queue_id}. Nothing was "
                "written; send the plan again when it has ended, or let it wait with wait_for_lock_s."
            )
        return max(1, min(2, int(patience - waited)))

    def begin(
        self, execution_arn: str, me: str, now: datetime, *, queue_id: str = "", told: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """What is left to do for an execution that is over, with its lock taken over by `me`.

        `queue_id` is the queue of the lock that led here: an execution that nobody knows any more cannot say it.
        `told` is what the event about the end of the execution says: `status`, `error` and `cause`.

        `{restore, open, locked, run, outcome}`: whether to put something back, whether its record is open, whether its
        lock is now ours.

        Raises:
            StoreUnavailable: the execution is over, and Step Functions does not show yet how it ended.
        """
        dead, execution_arn = execution_arn, self._origin_of(execution_arn)
        execution = _execution(execution_arn)
        if dead == execution_arn:
            execution = _as_told(execution, told or {})
        nothing = {"restore": False, "open": False, "locked": False}
        lock = self._lock(queue_id) if queue_id else None
        if not _is_over(execution, lock, now) or (dead != execution_arn and not _is_over(_execution(dead), lock, now)):
            return nothing
        name = execution_arn.rpartition(":")[2]
        opening = self.trail.find(name).get(OPENED, {})
        run = Run(
            distribution_id=name,
            execution_arn=execution_arn,
            started_at=execution.get("startDate") or opening.get("started_at") or now,
            queue_id=opening.get("queue_id") or queue_id,
            origin=Origin(door=opening.get("door") or "execution", caller=opening.get("caller") or ""),
        )
        outcome = _outcome(execution, now)
        locked = bool(run.queue_id) and self._take_over(run.queue_id, {dead, execution_arn, me}, me, now)
        lock = None if locked or not run.queue_id else self._lock(run.queue_id)
        if lock and self._is_recovery(
            lock.holder
        ):  # the record is its to close; what it leaves open, the sweeper finds
            return nothing
        # Read after the lock was taken: from then on nobody else closes a record of what was written.
        is_open = CLOSED not in self.trail.find(name)
        return {
            # Writes happen under the lock only, and a run that had verified them or came to none is not put back.
            "restore": locked and is_open and Status(outcome["status"]).failed_writing,
            "open": is_open,
            "locked": locked,
            "run": run.model_dump(mode="json"),
            "outcome": outcome,
        }

    def start(self, execution_arn: str, queue_id: str = "") -> None:
        """Start the recovery of an execution; a second one for the same finds the lock taken, or nothing to do."""
        with reported("start a recovery"):
            client("stepfunctions").start_execution(
                stateMachineArn=self.recover_state_machine_arn,
                input=json.dumps({"executionArn": execution_arn, "queue_id": queue_id}),
            )

    def sweep(self, state_machine_arn: str, now: datetime) -> int:
        """Start the recovery of whatever was left behind; how many there were."""
        left = {lock.holder: lock.queue_id for lock in self._locks() if _is_over(_execution(lock.holder), lock, now)}
        for arn in _over(state_machine_arn, now - LOOK_BACK):
            if CLOSED not in self.trail.find(arn.rpartition(":")[2]):
                left.setdefault(arn, "")
        for arn, queue_id in left.items():
            self.start(arn, queue_id)
        return len(left)

    def _is_recovery(self, execution_arn: str) -> bool:
        return execution_arn.rpartition(":")[0] == self.recover_state_machine_arn.replace(
            ":stateMachine:", ":execution:"
        )

    def _origin_of(self, execution_arn: str) -> str:
        """The distribution that a recovery, itself over, was to recover; any other execution is its own."""
        while self._is_recovery(execution_arn):
            given = json.loads(_execution(execution_arn).get("input") or "{}")
            if "executionArn" not in given:
                break
            execution_arn = given["executionArn"]
        return execution_arn

    def _lock(self, queue_id: str) -> Lock | None:
        with reported("read the lock of the queue"):
            answer = client("dynamodb").get_item(
                TableName=self.locks_table, Key={"queue_id": {"S": queue_id}}, ConsistentRead=True
            )
        return Lock.from_item(answer["Item"]) if "Item" in answer else None

    def _locks(self) -> Iterator[Lock]:
        start: dict[str, Any] = {}
        while True:
            with reported("read the locks"):
                page = client("dynamodb").scan(TableName=self.locks_table, ConsistentRead=True, **start)
            yield from map(Lock.from_item, page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _take_over(self, queue_id: str, owners: set[str], me: str, now: datetime) -> bool:
        from botocore.exceptions import ClientError  # noqa: PLC0415

        names = {f":o{number}": {"S": owner} for number, owner in enumerate(sorted(owners))}
        try:
            with reported("take over the lock", expected=("ConditionalCheckFailedException",)):
                change: Any = {
                    "TableName": self.locks_table,
                    "Key": {"queue_id": {"S": queue_id}},
                    "UpdateExpression": "SET holder = :me, taken_at = :now",
                    "ConditionExpression": f"holder IN ({', '.join(names)})",
                    "ExpressionAttributeValues": {":me": {"S": me}, ":now": {"N": f"{now.timestamp():.0f}"}, **names},
                }
                # The dead run's Audit may be closing its record at this moment, with a check of this lock.
                through_conflicts(lambda: client("dynamodb").update_item(**change))
        except ClientError:
            return False
        return True


def _execution(arn: str) -> dict[str, Any]:
    """The execution as Step Functions describes it; one that it does not know has the status UNKNOWN."""
    from botocore.exceptions import ClientError  # noqa: PLC0415

    try:
        with reported("read the execution", expected=("ExecutionDoesNotExist", "InvalidArn")):
            found: dict[str, Any] = dict(client("stepfunctions").describe_execution(executionArn=arn))
    except ClientError:
        return {"executionArn": arn, "status": UNKNOWN}
    return found


def _is_over(execution: Mapping[str, Any], lock: Lock | None, now: datetime) -> bool:
    """One that is not known (any more) is over, unless it took `lock` so recently that it may not show yet."""
    if execution["status"] == UNKNOWN:
        return not (lock and lock.holder == execution["executionArn"] and now - lock.taken_at <= SHOWS_WITHIN)
    return execution["status"] in (*OVER, "SUCCEEDED")


def _as_told(execution: dict[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """The execution as the event about its end has it, where the description is older than the event."""
    if told.get("status") not in OVER or execution["status"] not in {"RUNNING", UNKNOWN}:
        return execution
    if execution.get("redriveCount"):  # it was over, and runs again
        return execution
    # Without its cause, a run that completed and could not be recorded would be put back.
    if told["status"] == "FAILED" and not told.get("cause"):
        raise StoreUnavailable("The execution is over, and Step Functions does not show yet how it ended.")
    return {**execution, **{name: value for name, value in told.items() if value}}


def _over(state_machine_arn: str, since: datetime) -> Iterator[str]:
    """The newest executions that failed or were ended, back to `since`."""
    for status in OVER:
        with reported("list the executions"):
            page = client("stepfunctions").list_executions(
                stateMachineArn=state_machine_arn, statusFilter=status, maxResults=LISTED
            )
        yield from (item["executionArn"] for item in page["executions"] if item["startDate"] >= since)


def _outcome(execution: dict[str, Any], now: datetime) -> dict[str, Any]:
    """How the run is recorded: as it ended, where only its record is missing, else as interrupted."""
    cause = str(execution.get("cause") or "")
    if execution.get("error") == NOT_RECORDED:
        with suppress(ValueError, TypeError, KeyError):  # the input of a recovery may be a person's
            unrecorded = json.loads(cause)
            status, error = Status(unrecorded["status"]), {"Error": "Interrupted", "Cause": unrecorded["sentence"]}
            return {"status": status.value, "error": {} if status.green else error}
    if execution["status"] == UNKNOWN:
        ended = "is not known to Step Functions any more"
    else:
        ended = {"ABORTED": "was aborted", "TIMED_OUT": "ran out of time"}.get(execution["status"], "broke off")
        ended += f" at {execution.get('stopDate') or now:%Y-%m-%dT%H:%M:%SZ}"
    reason = f": {execution['error']} {cause}".rstrip() if execution.get("error") else ""
    sentence = f"The execution {ended}{reason}. See in the record what was put back."
    return {"status": Status.INTERRUPTED.value, "error": {"Error": "Interrupted", "Cause": sentence}}
