"""The documents of fleets in S3: what callers upload, the accepted plans, and the list of the queues."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

from routing_weights.adapters.aws.client import client, reported
from routing_weights.domain.fleet import QueueItem
from routing_weights.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CHUNK_BYTES = 262_144


@dataclass(frozen=True)
class FleetDocuments:
    """An upload is `uploads/{id}`, or `uploads/{hash of its space}/{id}`.

    A fleet has `fleets/{id}/plans.jsonl` and `fleets/{id}/queues.json`.
    """

    bucket: str

    def put_plans(self, fleet_id: str, lines: bytes) -> None:
        """Store the accepted plans: a JSON object in each line."""
        self._put(f"fleets/{fleet_id}/plans.jsonl", lines)

    def put_queues(self, fleet_id: str, queues: Sequence[QueueItem]) -> None:
        """Store the list of the queues, in the order of the submission."""
        self.put_items(fleet_id, "queues", [queue.model_dump() for queue in queues])

    def are_stored(self, fleet_id: str) -> bool:
        """True if the plans of a fleet and the list of its queues are stored. The list is stored last."""
        try:
            with reported("look for the documents of the fleet", expected=("404",)):
                client("s3").head_object(Bucket=self.bucket, Key=f"fleets/{fleet_id}/queues.json")
        except ClientError:
            return False
        return True

    def queues(self, fleet_id: str) -> list[QueueItem]:
        key = f"fleets/{fleet_id}/queues.json"
        with reported(f"read document {key}"):
            body: bytes = client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return [QueueItem.model_validate(item) for item in json.loads(body)]

    def put_items(self, fleet_id: str, name: str, items: Sequence[Mapping[str, Any]]) -> str:
        """Store a JSON array, as the ItemReader of a Distributed Map reads it, and return its key."""
        key = f"fleets/{fleet_id}/{name}.json"
        self._put(key, json.dumps(list(items), separators=(",", ":")).encode())
        return key

    def upload_address(self, upload_id: str, expires_s: int, space: str = "") -> str:
        """The address to which an upload can be sent with PUT, for `expires_s` seconds, without credentials."""
        parameters = {"Bucket": self.bucket, "Key": _upload_key(upload_id, space)}
        with reported("sign the address of an upload"):
            address: str = client("s3").generate_presigned_url("put_object", Params=parameters, ExpiresIn=expires_s)
        return address

    def upload(self, upload_id: str, space: str = "") -> tuple[int, Iterator[bytes]] | None:
        """The size in bytes of what was uploaded, and its content in pieces; None if nothing was."""
        try:
            with reported("read the upload", expected=("NoSuchKey",)):
                answer = client("s3").get_object(Bucket=self.bucket, Key=_upload_key(upload_id, space))
        except ClientError:
            return None
        return answer["ContentLength"], _pieces(answer["Body"])

    def _put(self, key: str, content: bytes) -> None:
        with reported(f"store document {key}"):
            client("s3").put_object(Bucket=self.bucket, Key=key, Body=content, ContentType="application/json")


def _upload_key(upload_id: str, space: str) -> str:
    folder = f"{hashlib.sha256(space.encode()).hexdigest()}/" if space else ""
    return f"uploads/{folder}{upload_id}"


def _pieces(body: Iterator[bytes]) -> Iterator[bytes]:
    """The content of a streaming body. A connection that breaks off is no end of the content."""
    try:
        yield from body.iter_chunks(CHUNK_BYTES)  # type: ignore[attr-defined]  # botocore has no types
    except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError) as error:
        raise StoreUnavailable(f"Could not read the upload: {type(error).__name__}.") from error
