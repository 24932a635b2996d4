"""The newest distributions of many queues, from the audit trail."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

from routing_weights.adapters.aws.audit_table import AuditTrail
from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.record import RunSummary, last_completed

STEPS = (0, 1, 5, 15, 50)
"""The places in a queue's history between which records are read together."""
QUEUES_AT_ONCE = 10
"""How many queues are looked up at once: as many as a client of boto3 has connections."""


@dataclass(frozen=True)
class NewestRuns:
    trail: AuditTrail

    def of(self, queue_ids: Sequence[str], most: int) -> dict[str, list[RunSummary]]:
        """By queue, its newest distributions, newest first, until a completed one is among them; at most `most`.

        One query for each queue, and a request for the records of each 50 queues. Where the newest distribution has not
        completed, as after dry runs, more are read at a time, for all such queues together.
        """
        with ThreadPoolExecutor(QUEUES_AT_ONCE) as pool:
            listed = pool.map(lambda queue_id: self._ids(queue_id, most), queue_ids)
            ids = dict(zip(queue_ids, listed, strict=True))
        runs: dict[str, list[RunSummary]] = {queue_id: [] for queue_id in queue_ids}
        for begin, end in pairwise(STEPS):
            wanted = {q: names[begin:end] for q, names in ids.items() if not last_completed(runs[q])}
            summaries = self.trail.summaries([name for names in wanted.values() for name in names])
            for queue_id, names in wanted.items():
                for name in names:
                    if name in summaries and not last_completed(runs[queue_id]):
                        runs[queue_id].append(summaries[name])
        return runs

    def _ids(self, queue_id: str, most: int) -> list[str]:
        with reported("read the audit trail of the queue"):
            page = client("dynamodb").query(
                TableName=self.trail.table,
                IndexName="by_queue",
                KeyConditionExpression="opened_queue_id = :queue",
                ExpressionAttributeValues={":queue": {"S": queue_id}},
                ScanIndexForward=False,
                Limit=most,
            )
        return [item["distribution_id"]["S"] for item in page["Items"]]
