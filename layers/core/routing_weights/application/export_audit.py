"""Exports the records of a queue, as they are stored, for other systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from routing_weights.domain.audit_export import as_csv, json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from routing_weights.application.ports import Exports, Trail

PAGE = 50
Format = Literal["jsonl", "csv"]
Record = dict[str, Any]


@dataclass(frozen=True)
class ExportAudit:
    trail: Trail
    exports: Exports

    def export(
        self, queue_id: str, since: str, until: str, form: Format, shown: Callable[[Record], Record] = lambda each: each
    ) -> str:
        """Return the address of an export of all records of the distributions that were opened in this time.

        `shown` is what the caller may see of a record. A record that it changes no longer fits its hash.
        """
        records = map(shown, self._records(queue_id, since, until))
        if form == "csv":
            return self.exports.put(as_csv(records), form, "text/csv; charset=utf-8")
        return self.exports.put(json_lines(records), form, "application/jsonl")

    def _records(self, queue_id: str, since: str, until: str) -> Iterator[Record]:
        """The newest distribution first."""
        after: str | None = None
        while True:
            page, after = self.trail.of_queue(queue_id, since=since, until=until, limit=PAGE, after=after)
            for run in page:
                yield from self.trail.stored(run.distribution_id)
            if after is None:
                return
