"""Exports the records of a queue, as they are stored, for other systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from routing_weights.domain.audit_export import as_csv, json_lines
from routing_weights.domain.problems import problem, request_invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from routing_weights.application.ports import Exports, Trail
    from routing_weights.errors import RequestInvalid

PAGE = 50
MOST_RECORDS = 5_000
MOST_BYTES = 50_000_000
Format = Literal["jsonl", "csv"]
Record = dict[str, Any]


@dataclass(frozen=True)
class ExportAudit:
    trail: Trail
    exports: Exports
    has_time: Callable[[], bool]
    most_records: int = MOST_RECORDS
    most_bytes: int = MOST_BYTES

    def export(
        self, queue_id: str, since: str, until: str, form: Format, shown: Callable[[Record], Record] = lambda each: each
    ) -> str:
        """Return the address of an export of all records of the distributions that were opened in this time.

        `shown` is what the caller may see of a record. A record that it changes no longer fits its hash.

        Raises:
            RequestInvalid: it would be larger than the bounds, or there is no time left. Nothing is exported.
        """
        records = map(shown, self._records(queue_id, since, until))
        pieces, size = [], 0
        for piece in as_csv(records) if form == "csv" else json_lines(records):
            size += len(piece.encode(errors="replace"))
            if size > self.most_bytes:
                raise self._too_large()
            pieces.append(piece)
        kind = "text/csv; charset=utf-8" if form == "csv" else "application/jsonl"
        return self.exports.put("".join(pieces), form, kind)

    def _records(self, queue_id: str, since: str, until: str) -> Iterator[Record]:
        """The newest distribution first. An unreadable record has the reason in its place."""
        after: str | None = None
        count = 0
        while True:
            page, after = self.trail.listed(queue_id, since=since, until=until, limit=PAGE, after=after)
            for run in page:
                if not self.has_time():
                    raise self._too_large()
                records = self.trail.exported(run.distribution_id)
                count += len(records)
                if count > self.most_records:
                    raise self._too_large()
                yield from records
            if after is None:
                return

    def _too_large(self) -> RequestInvalid:
        message = (
            f"an export has at most {self.most_records:,} records and {self.most_bytes // 1_000_000} MB, and takes at "
            "most 25 s, and this one would not fit: choose a shorter time with `from` and `to`, and export the rest "
            "with further requests"
        )
        return request_invalid(problem("from", message, "range_too_large"))
