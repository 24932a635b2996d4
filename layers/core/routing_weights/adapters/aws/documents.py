"""Documents in S3: plans, work, projections, readings. States pass references, never the documents."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.plan import Plan
from routing_weights.domain.queue import Queue
from routing_weights.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from routing_weights.domain.decision import Image, Work
    from routing_weights.domain.fleet import Line
    from routing_weights.domain.restore import Restoration

Name = Literal["plan", "work", "before", "projection", "writing", "after", "restore", "target", "actuation"]
"""The last two are of releases without decisions, and are only read."""
REFUSED = (
    "NoSuchKey",
    "AccessDenied",
    "InvalidObjectState",
    "KeyTooLongError",
    "KMS.DisabledException",
    "KMS.NotFoundException",
    "ParamValidationError",
)
"""Why S3 does not give a document, however often it is asked: there is none, it is archived, or the key is gone."""


def reference_of(distribution_id: str, name: str) -> str:
    """Return the key of a run's document."""
    return f"distributions/{distribution_id}/{name}.json"


def sha256_of(text: str) -> str:
    """Return the SHA-256 of a stored document, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _as_text(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))


@dataclass(frozen=True)
class Documents:
    """Accepted plans are `plans/{fingerprint}.json`, documents of a run `distributions/{id}/{name}.json`."""

    bucket: str
    _read: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    """The SHA-256 of each document that was read whole, by its key."""

    def keep_plan(self, plan: Plan) -> str:
        """Store a plan and return its reference. Equal plans have the same reference."""
        reference = f"plans/{plan.fingerprint()}.json"
        self._put(reference, plan.canonical())
        return reference

    def kept_plan(self, reference: str) -> str | None:
        """Return the text behind a reference, None if there is none. It is not trusted: validate it again."""
        return self._find(reference)

    def fleet_line(self, fleet_id: str, start: int, length: int) -> Line | None:
        """Return the line of a fleet's plan, by its range of bytes; None if no line is there. It is not trusted."""
        from routing_weights.domain.fleet import Line  # noqa: PLC0415  only a fleet's queues read it

        text = self._find(f"fleets/{fleet_id}/plans.jsonl", Range=f"bytes={start}-{start + length - 1}")
        return None if text is None else Line.parse(text)

    def put(self, distribution_id: str, name: Name, document: Any) -> str:
        """Store one document of a run and return its reference."""
        return self._put_json(reference_of(distribution_id, name), document)

    def put_field(self, distribution_id: str, record: str, field: str, value: Any) -> tuple[str, str]:
        """Store a field that is too large for its audit record. Returns its reference, and its SHA-256 in hex.

        The reference has the hash: of two writers of the same record, the one that loses must not replace the field.
        """
        text = _as_text(value)
        sha256 = sha256_of(text)
        reference = reference_of(distribution_id, f"{record}-{field}-{sha256[:16]}")
        self._put(reference, text)
        return reference, sha256

    def get(self, distribution_id: str, name: Name) -> Any:
        return self.resolve(reference_of(distribution_id, name))

    def find(self, distribution_id: str, name: Name) -> Any | None:
        """Like `get`, None if the run did not come that far."""
        text = self._find(reference_of(distribution_id, name))
        return None if text is None else json.loads(text)

    def reference(self, distribution_id: str, name: Name) -> str:
        """Return what the audit record calls a document."""
        return reference_of(distribution_id, name)

    def read(self, distribution_id: str, *names: Name) -> dict[str, str]:
        """Return the SHA-256 of these documents of a run, in hex and by reference, as far as they were read here."""
        references = [reference_of(distribution_id, name) for name in names]
        return {reference: self._read[reference] for reference in references if reference in self._read}

    def save_plan(self, distribution_id: str, plan: Plan) -> None:
        self.put(distribution_id, "plan", plan.model_dump(exclude_defaults=True))

    def plan(self, distribution_id: str) -> Plan:
        return Plan.model_validate(self.get(distribution_id, "plan"))

    def find_plan(self, distribution_id: str) -> Plan | None:
        document = self.find(distribution_id, "plan")
        return Plan.model_validate(document) if document else None

    def save_before(self, distribution_id: str, queue: Queue) -> None:
        self.put(distribution_id, "before", queue.to_json())

    def find_before(self, distribution_id: str) -> Queue | None:
        document = self.find(distribution_id, "before")
        return Queue.from_json(document) if document else None

    def save_projection(self, distribution_id: str, projection: Mapping[str, Any]) -> None:
        self.put(distribution_id, "projection", projection)

    def find_projection(self, distribution_id: str) -> dict[str, Any] | None:
        projection: dict[str, Any] | None = self.find(distribution_id, "projection")
        return projection

    def mark_writing(self, distribution_id: str) -> None:
        """The document is empty: its existence is the mark."""
        self.put(distribution_id, "writing", {})

    def may_have_written(self, distribution_id: str) -> bool:
        return self.find(distribution_id, "writing") is not None

    def save_after(self, distribution_id: str, queue: Queue | None) -> None:
        self.put(distribution_id, "after", queue.to_json() if queue else None)

    def after(self, distribution_id: str) -> Queue:
        return Queue.from_json(self.get(distribution_id, "after"))

    def find_after(self, distribution_id: str) -> Queue | None:
        document = self.find(distribution_id, "after")
        return Queue.from_json(document) if document else None

    def save_restoration(self, distribution_id: str, restoration: Restoration) -> None:
        self.put(distribution_id, "restore", restoration.to_json())

    def find_restoration(self, distribution_id: str) -> Restoration | None:
        from routing_weights.domain.restore import Restoration  # noqa: PLC0415  two states of the run read it

        document = self.find(distribution_id, "restore")
        return Restoration(**document) if document else None

    def keep_work(self, distribution_id: str, work: Work) -> None:
        self.put(distribution_id, "work", work.to_json())

    def work(self, distribution_id: str) -> Work:
        work = self.find_work(distribution_id)
        if work is None:
            raise StoreUnavailable(f"Document distributions/{distribution_id}/work.json is not in the bucket.")
        return work

    def find_work(self, distribution_id: str) -> Work | None:
        """Return what was decided for a run, None if nothing was."""
        from routing_weights.domain.decision import Work  # noqa: PLC0415  doors and Validate read plans only

        if document := self.find(distribution_id, "work"):
            return Work.from_json(document)
        target, statement = self.find(distribution_id, "target"), self.find(distribution_id, "actuation")
        if target is None or statement is None:
            return None
        plan, before = (self.get(distribution_id, name) for name in ("plan", "before"))
        return Work.of_earlier(plan, before, target, statement)

    def find_image(self, distribution_id: str, which: Literal["before", "after"]) -> Image | None:
        """Return what a queue held before or after a run, None if that is not known."""
        from routing_weights.domain.decision import Image  # noqa: PLC0415  doors and Validate read plans only

        work = self.find_work(distribution_id)
        if work is None:
            return None
        if which == "before":
            return Image(work.decision, work.before)
        after = self.find_after(distribution_id)
        return Image(work.decision, after) if after else None

    def resolve(self, reference: str) -> Any:
        return json.loads(self._get(reference))

    def _put_json(self, key: str, document: Any) -> str:
        self._put(key, _as_text(document))
        return key

    def _put(self, key: str, text: str) -> None:
        with reported(f"store document {key}"):
            client("s3").put_object(Bucket=self.bucket, Key=key, Body=text.encode(), ContentType="application/json")

    def _get(self, key: str) -> str:
        text = self._find(key)
        if text is None:
            raise StoreUnavailable(f"Document {key} is not in the bucket.", aws_error="NoSuchKey")
        return text

    def _find(self, key: str, **part: str) -> str | None:
        """Needs s3:ListBucket: without it, S3 answers 403 instead of 404 for a missing document."""
        try:
            with reported(f"read document {key}", expected=("NoSuchKey", "InvalidRange")):
                body: bytes = client("s3").get_object(Bucket=self.bucket, Key=key, **part)["Body"].read()
        except ClientError:
            return None
        if not part:
            self._read[key] = hashlib.sha256(body).hexdigest()
        return body.decode(errors="replace")
