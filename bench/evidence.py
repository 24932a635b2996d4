"""How long a verification of 10,000 records takes: `python -m bench.evidence [RECORDS]`.

The records are those of distributions with 20 members, in 100 queues, with their links, as DynamoDB answers a scan.
Reading them from DynamoDB comes on top: about 50 pages of 1 MB.
"""

import sys
import time
from collections.abc import Iterator
from typing import Any

from routing_weights.adapters.aws.audit_table import _to_item, document_of
from routing_weights.adapters.aws.evidence import AuditItems
from routing_weights.domain.chain import Head, linked
from routing_weights.domain.evidence import Inspection

QUEUES, MEMBERS = 100, 20


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 10_000
    items, heads = stored(count)
    size = sum(len(str(item)) for item in items) / 1e6
    began = time.perf_counter()
    inspection = Inspection(heads)
    for _ in _InMemory(items).inspect(inspection):
        pass
    inspection.close(heads)
    took = time.perf_counter() - began
    print(f"{inspection.records} records ({size:.0f} MB of items) in {took:.1f} s, {len(inspection.findings)} findings")


def stored(count: int) -> tuple[list[dict[str, Any]], dict[str, Head]]:
    """Return the items of records and links, and the heads of the chains."""
    items, heads = [], {}
    for number in range(count):
        chain = f"queue-{number % QUEUES:03}"
        head = heads.get(chain, Head(chain))
        weights = {f"{number:08}-0000-4000-8000-{member:012}": member / 200 for member in range(MEMBERS)}
        changes = [{"member": m, "before": 0.0, "requested": w, "after": w} for m, w in weights.items()]
        record = linked(
            document_of(
                _to_item(
                    {
                        "distribution_id": f"d-{number}",
                        "record": "9-closed",
                        "timestamp": "2026-01-31T08:00:00.000Z",
                        "queue_id": chain,
                        "status": "completed",
                        "requested_weights": weights,
                        "applied_weights": weights,
                        "changes": changes,
                    }
                )
            ),
            head,
        )
        heads[chain] = Head(chain, record["chain_number"], record["chain_hash"])
        link = {
            "distribution_id": f"chain#{chain}",
            "record": f"{record['chain_number']:012}",
            "leads_to": record["distribution_id"],
            "kind": record["record"],
            "before": record["chain_before"],
            "hash": record["chain_hash"],
        }
        items += [_to_item(record), _to_item(link)]
    return items, heads


class _InMemory(AuditItems):
    """What a scan of DynamoDB would answer."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        object.__setattr__(self, "items", items)
        super().__init__("audit", "chains")

    def _pages(self, _table: str, _action: str) -> Iterator[list[dict[str, Any]]]:
        yield self.__dict__["items"]


if __name__ == "__main__":
    main()
