"""All items of the audit table, the heads of the chains, the checkpoints in their bucket, and the key that signs."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from routing_weights.adapters.aws.audit_table import LINKS, document_of
from routing_weights.adapters.aws.client import client, reported
from routing_weights.adapters.aws.documents import REFUSED
from routing_weights.domain.chain import Head, canonical
from routing_weights.domain.evidence import Checkpoint, Stored, StoredCheckpoint, number_of
from routing_weights.errors import CheckpointExists

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from routing_weights.domain.evidence import Inspection

FOLDER = "checkpoints/"
DOCUMENTS = "distributions/"
"""The folder of what a record may rely on."""
LONGEST_KEY = 1024
CHUNK = 1 << 20
DOCUMENTS_AT_ONCE = 16
CHECKPOINTS_AT_ONCE = 16
EXPORT_S = 900
"""How long the address of an export works."""
_LINK_FIELDS = {"distribution_id", "record", "leads_to", "kind", "before", "hash"}
_ALGORITHM = "ECDSA_SHA_256"


@dataclass(frozen=True)
class AuditItems:
    """AuditTable and ChainsTable, as they are stored."""

    table: str
    chains_table: str

    def heads(self) -> dict[str, Head]:
        """The head of each chain."""
        items = self._scan(self.chains_table, "read the heads of the chains")
        return {item["chain"]: head_of(item) for item in map(document_of, items)}

    def inspect(self, inspection: Inspection) -> Iterator[None]:
        """Give every record and every link to an inspection. Yields after each page, which is at most 1 MB."""
        for page in self._pages(self.table, "read the audit table"):
            for item in map(document_of, page):
                if str(item["distribution_id"]).startswith(LINKS):
                    inspection.take_link(*link_of(item))
                else:
                    inspection.take_record(item)
            yield

    def _scan(self, table: str, action: str) -> Iterator[dict[str, Any]]:
        for page in self._pages(table, action):
            yield from page

    def _pages(self, table: str, action: str) -> Iterator[list[dict[str, Any]]]:
        start: dict[str, Any] = {}
        while True:
            with reported(action):
                page = client("dynamodb").scan(TableName=table, ConsistentRead=True, **start)
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def head_of(item: Mapping[str, Any]) -> Head:
    """The head in an item. One that somebody made unreadable has number 0, which no head has."""
    number = item.get("number")
    if type(number) is not int or number < 1:
        return Head(item["chain"])
    return Head(item["chain"], number, str(item.get("hash", "")))


def link_of(item: Mapping[str, Any]) -> tuple[str, str, Stored]:
    """Chain, name and link of an item. A field that somebody took away is empty, and fits nothing."""
    leads_to = (str(item.get("leads_to", "")), str(item.get("kind", "")))
    is_plain = item.keys() <= _LINK_FIELDS
    link = Stored(leads_to, str(item.get("before")), str(item.get("hash")), is_plain)
    return str(item["distribution_id"]).removeprefix(LINKS), str(item["record"]), link


@dataclass(frozen=True)
class BoundDocuments:
    """The documents in the bucket that records rely on."""

    bucket: str

    def sha256(self, keys: Sequence[str]) -> Iterator[str | None]:
        """The SHA-256 of each document, in hex; None if there is none, empty if S3 refuses to give it.

        Whoever may write a record or a document can name or make one that S3 refuses. It must not end the verification.
        """
        with ThreadPoolExecutor(DOCUMENTS_AT_ONCE) as pool:
            yield from pool.map(self._sha256, keys)

    def _sha256(self, key: str) -> str | None:
        if not key.startswith(DOCUMENTS) or len(key.encode()) > LONGEST_KEY:
            return None
        digest = hashlib.sha256()
        try:
            with reported(f"read document {key}", expected=REFUSED):
                body = client("s3").get_object(Bucket=self.bucket, Key=key)["Body"]
                for chunk in body.iter_chunks(CHUNK):
                    digest.update(chunk)
        except ClientError as error:
            return None if error.response["Error"]["Code"] == "NoSuchKey" else ""
        return digest.hexdigest()


@dataclass(frozen=True)
class CheckpointBucket:
    """`checkpoints/<number>.json`. The bucket locks each object, and keeps what somebody writes or deletes again."""

    bucket: str

    def all(self) -> tuple[StoredCheckpoint, ...]:
        """Every checkpoint in its order, each in its oldest version."""
        versions, again = self._versions()
        keys = sorted(versions)
        with ThreadPoolExecutor(CHECKPOINTS_AT_ONCE) as pool:
            return tuple(pool.map(lambda key: self._read(key, versions[key], key in again), keys))

    def put(self, checkpoint: Checkpoint) -> None:
        """Raises CheckpointExists if another one took its number."""
        body = json.dumps(checkpoint.to_json(), separators=(",", ":")).encode()
        key = f"{FOLDER}{checkpoint.number:012}.json"
        try:
            with reported("store the checkpoint", expected=("PreconditionFailed", "ConditionalRequestConflict")):
                client("s3").put_object(
                    Bucket=self.bucket, Key=key, Body=body, ContentType="application/json", IfNoneMatch="*"
                )
        except ClientError as error:
            raise CheckpointExists(
                f"Checkpoint {checkpoint.number} was made at this moment by another request. GET /checkpoints shows it."
            ) from error

    def _versions(self) -> tuple[dict[str, str], set[str]]:
        """The oldest version of each key, and the keys that have another one or a deletion."""
        oldest: dict[str, str] = {}
        again: set[str] = set()
        start: dict[str, str] = {}
        while True:
            with reported("list the checkpoints"):
                page = client("s3").list_object_versions(Bucket=self.bucket, Prefix=FOLDER, **start)
            for version in page.get("Versions", []):  # the newest of a key comes first
                again |= {version["Key"]} & oldest.keys()
                oldest[version["Key"]] = version["VersionId"]
            again |= {marker["Key"] for marker in page.get("DeleteMarkers", [])}
            if not page["IsTruncated"]:
                return oldest, again
            start = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def _read(self, key: str, version: str, rewritten: bool) -> StoredCheckpoint:
        with reported("read a checkpoint"):
            answer = client("s3").get_object(Bucket=self.bucket, Key=key, VersionId=version)
            body: bytes = answer["Body"].read()
        try:
            checkpoint = Checkpoint.parse(json.loads(body))
        except (KeyError, TypeError, ValueError, RecursionError):
            checkpoint = None
        sha256 = hashlib.sha256(body).hexdigest()
        number = number_of(key.removeprefix(FOLDER).removesuffix(".json"))
        return StoredCheckpoint(number, sha256, checkpoint, rewritten=rewritten)


@dataclass(frozen=True)
class CheckpointKey:
    """An asymmetric key of KMS. Its public half verifies a checkpoint outside AWS, too."""

    arn: str

    def sign(self, statement: Mapping[str, Any]) -> str:
        """Return the signature over the statement's canonical JSON, as base64."""
        with reported("sign the checkpoint"):
            answer = client("kms").sign(KeyId=self.arn, Message=canonical(statement), SigningAlgorithm=_ALGORITHM)
        return base64.b64encode(answer["Signature"]).decode()

    def is_signed(self, checkpoint: Checkpoint) -> bool:
        try:
            signature = base64.b64decode(checkpoint.signature, validate=True)
            message = canonical(checkpoint.statement)
        except ValueError:
            return False
        try:
            with reported("verify a checkpoint", expected=("KMSInvalidSignatureException",)):
                client("kms").verify(
                    KeyId=self.arn, Message=message, Signature=signature or b"\0", SigningAlgorithm=_ALGORITHM
                )
        except ClientError:
            return False
        return True


@dataclass(frozen=True)
class Exports:
    """Exported records in the bucket, for a day."""

    bucket: str

    def put(self, text: str, extension: str, content_type: str) -> str:
        """Store an export, and return the address from which anybody can fetch it for 15 minutes."""
        key = f"exports/{uuid.uuid4()}.{extension}"
        with reported("store the export"):
            client("s3").put_object(Bucket=self.bucket, Key=key, Body=text.encode(), ContentType=content_type)
            address: str = client("s3").generate_presigned_url(
                "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=EXPORT_S
            )
        return address
