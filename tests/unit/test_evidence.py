"""One changed, removed, inserted, moved or replayed item in any table or bucket is found and named."""

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from moto.s3.models import FakeKey, s3_backends

from local.stack import moto_seam
from local.stack.template import ACCOUNT
from routing_weights.adapters.aws.audit_table import document_of
from routing_weights.adapters.aws.evidence import AuditItems, BoundDocuments, CheckpointBucket, CheckpointKey
from routing_weights.api.evidence import report_of
from routing_weights.application.make_checkpoint import MakeCheckpoint
from routing_weights.application.verify_chain import VerifyChain
from routing_weights.domain.chain import Head, linked
from routing_weights.domain.evidence import merkle_root
from routing_weights.domain.record import Closing, expiry_cancelled, opened, timestamp
from routing_weights.errors import CheckpointExists, VerificationTooLong
from tests.support.fakes import plan, run_of

START = datetime(2026, 1, 31, 8, 0, 0, tzinfo=UTC)


class Evidence:
    """An audit trail in moto with two chains, and what makes and verifies checkpoints. It also tampers with both."""

    def __init__(self, aws, trail, documents):
        self.db, self.s3 = aws("dynamodb"), aws("s3")
        self.trail, self.documents = trail, documents
        self.s3.create_bucket(
            Bucket="evidence",
            CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
            ObjectLockEnabledForBucket=True,
        )
        rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3650}}
        self.s3.put_object_lock_configuration(
            Bucket="evidence", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
        )
        key = aws("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        self.items, self.bucket, self.key = (
            AuditItems("audit", "chains"),
            CheckpointBucket("evidence"),
            CheckpointKey(key),
        )
        for number in range(1, 6):
            self.record(f"d-{number}")
        self.record("other", "queue-002")
        reference = documents.put("d-3", "work", {"before": "image"})
        documents.find("d-3", "work")
        trail.append(
            Closing(
                distribution_id="d-3",
                timestamp=timestamp(START),
                queue_id="queue-001",
                status="completed",
                before_image=reference,
                documents=documents.read("d-3", "work"),
            )
        )
        trail.append(self.opening("large").model_copy(update={"reason": "x" * 250_000}))

    def opening(self, name, queue_id="queue-001"):
        return opened(run_of(START).model_copy(update={"distribution_id": name}), plan(queue_id=queue_id), START)

    def record(self, name, queue_id="queue-001"):
        assert self.trail.append(self.opening(name, queue_id))

    def checkpoint(self, after=timedelta(0)):
        return MakeCheckpoint(self.items, self.bucket, self.key).make(START + after)

    def verify(self, has_time=lambda: True):
        return VerifyChain(self.items, self.bucket, self.key, BoundDocuments("documents-bucket"), has_time).verify()

    def findings(self):
        return [(finding.kind, finding.sentence) for finding in self.verify().findings]

    # ---- what an attacker with write access does ---------------------------------------------------------------------

    def item(self, name, kind="0-opened"):
        key = {"distribution_id": {"S": name}, "record": {"S": kind}}
        return self.db.get_item(TableName="audit", Key=key)["Item"]

    def links(self, queue_id):
        query = {"TableName": "audit", "KeyConditionExpression": "distribution_id = :chain"}
        return self.db.query(**query, ExpressionAttributeValues={":chain": {"S": f"chain#{queue_id}"}})["Items"]

    def put(self, item, **changes):
        self.db.put_item(TableName="audit", Item=item | changes)

    def delete(self, name, kind="0-opened"):
        self.db.delete_item(TableName="audit", Key={"distribution_id": {"S": name}, "record": {"S": kind}})

    def rewrite(self, name, number, before, **changes):
        """Change a record and compute its link anew. Returns the new hash."""
        record = document_of(self.item(name)) | changes
        forged = linked(
            {k: v for k, v in record.items() if not k.startswith("chain_")}, Head("queue-001", number - 1, before)
        )
        self.db.put_item(TableName="audit", Item=moto_item(forged))
        link = self.item("chain#queue-001", f"{number:012}")
        self.put(link, before={"S": before}, hash={"S": forged["chain_hash"]})
        return forged["chain_hash"]


def moto_item(document):
    from routing_weights.adapters.aws.audit_table import _to_item  # noqa: PLC0415

    return _to_item(document)


@pytest.fixture
def evidence(aws, trail, documents):
    moto_seam.refuse_invalid_signatures()
    yield Evidence(aws, trail, documents)
    for backend in s3_backends[ACCOUNT].values():  # moto closes only the newest version of each key
        for bucket in backend.buckets.values():
            for _key, versions in bucket.keys.lists():
                for version in versions:
                    if isinstance(version, FakeKey):
                        version.dispose()


def test_what_nobody_touched_has_no_findings(evidence):
    evidence.checkpoint()
    evidence.record("d-6")
    evidence.checkpoint(timedelta(days=1))
    evidence.record("d-7")
    evidence.trail.append(expiry_cancelled("d-7", "somebody", START))
    inspection = evidence.verify()
    assert inspection.findings == []
    assert (inspection.records, inspection.chains, len(inspection.checkpoints)) == (11, 3, 2)
    assert len(inspection.documents) == 2


def flipped(text):
    return {"S": text["S"][:-1] + ("0" if text["S"][-1] != "0" else "1")}


CHAIN_3 = ("chain#queue-001", "000000000003")
HERE = "record 0-opened of distribution d-3"
TAMPERING = {
    "a field of a record": (lambda e: e.put(e.item("d-3"), reason={"S": "another"}), "altered", HERE),
    "a number of a record": (lambda e: e.put(e.item("d-3"), overflow_threshold={"N": "0.5"}), "altered", HERE),
    "a field that JSON does not have": (lambda e: e.put(e.item("d-3"), reason={"SS": ["a"]}), "altered", HERE),
    "the hash of a record": (
        lambda e: e.put(e.item("d-3"), chain_hash=flipped(e.item("d-3")["chain_hash"])),
        "altered",
        HERE,
    ),
    "the link of a record, taken away": (
        lambda e: e.put({k: v for k, v in e.item("d-3").items() if not k.startswith("chain_")}),
        "inserted",
        HERE,
    ),
    "a record, with its hash computed again": (
        lambda e: e.db.put_item(
            TableName="audit",
            Item=moto_item(
                linked(
                    {k: v for k, v in document_of(e.item("d-3")).items() if not k.startswith("chain_")}
                    | {"reason": "x"},
                    Head("queue-001", 2, e.item("d-3")["chain_before"]["S"]),
                )
            ),
        ),
        "altered",
        HERE,
    ),
    "a removed record": (lambda e: e.delete("d-3"), "removed", HERE),
    "the newest record, removed": (lambda e: e.delete("large"), "removed", "record 0-opened of distribution large"),
    "a removed link": (lambda e: e.delete(*CHAIN_3), "removed", HERE),
    "the newest link, removed": (
        lambda e: e.delete("chain#queue-001", "000000000007"),
        "removed",
        "record 0-opened of distribution large",
    ),
    "a record and its link, removed": (
        lambda e: (e.delete("d-3"), e.delete(*CHAIN_3)),
        "removed",
        "Link 3 of the chain of queue queue-001",
    ),
    "the newest record with its link, removed": (
        lambda e: (e.delete("large"), e.delete("chain#queue-001", "000000000007")),
        "removed",
        "Link 7 of the chain of queue queue-001",
    ),
    "the hash of a link": (lambda e: e.put(e.item(*CHAIN_3), hash=flipped(e.item(*CHAIN_3)["hash"])), "altered", HERE),
    "where a link comes from": (lambda e: e.put(e.item(*CHAIN_3), before={"S": "00"}), "altered", HERE),
    "where a link leads to": (lambda e: e.put(e.item(*CHAIN_3), leads_to={"S": "d-2"}), "inserted", HERE),
    "two links, in each other's place": (
        lambda e: (
            e.put(e.item(*CHAIN_3), leads_to={"S": "d-4"}, hash=e.item("d-4")["chain_hash"]),
            e.put(e.item("chain#queue-001", "000000000004"), leads_to={"S": "d-3"}, hash=e.item("d-3")["chain_hash"]),
        ),
        "moved",
        HERE,
    ),
    "an inserted record": (
        lambda e: e.put(moto_item(linked(e.opening("forged").to_json(), Head("queue-001", 7, "aa")))),
        "inserted",
        "record 0-opened of distribution forged",
    ),
    "an inserted record without a link": (
        lambda e: e.put(moto_item(e.opening("forged").to_json())),
        "inserted",
        "record 0-opened of distribution forged",
    ),
    "a record, replayed under another name": (
        lambda e: e.put(e.item("d-3"), distribution_id={"S": "again"}),
        "inserted",
        "record 0-opened of distribution again",
    ),
    "a moved field in the bucket": (
        lambda e: e.s3.put_object(
            Bucket="documents-bucket", Key=e.item("large")["reason"]["M"]["document"]["S"], Body=b'"y"'
        ),
        "document",
        "record 0-opened of distribution large",
    ),
    "a before-image in the bucket": (
        lambda e: e.s3.put_object(
            Bucket="documents-bucket", Key="distributions/d-3/work.json", Body=b'{"before": "Image"}'
        ),
        "document",
        "record 9-closed of distribution d-3",
    ),
    "a document, removed": (
        lambda e: e.s3.delete_object(Bucket="documents-bucket", Key="distributions/d-3/work.json"),
        "document",
        "record 9-closed of distribution d-3",
    ),
    "a head, removed": (
        lambda e: e.db.delete_item(TableName="chains", Key={"chain": {"S": "queue-001"}}),
        "head",
        "chain of queue queue-001",
    ),
    "a head, rewound": (
        lambda e: e.db.put_item(
            TableName="chains",
            Item={"chain": {"S": "queue-001"}, "number": {"N": "3"}, "hash": e.item("d-3")["chain_hash"]},
        ),
        "head",
        "chain of queue queue-001",
    ),
    "the hash of a head": (
        lambda e: e.db.put_item(
            TableName="chains", Item={"chain": {"S": "queue-001"}, "number": {"N": "7"}, "hash": {"S": "aa"}}
        ),
        "head",
        "chain of queue queue-001",
    ),
    "a checkpoint, written again": (
        lambda e: e.s3.put_object(Bucket="evidence", Key="checkpoints/000000000001.json", Body=b"{}"),
        "checkpoint",
        "Checkpoint 1",
    ),
    "a checkpoint, deleted": (
        lambda e: e.s3.delete_object(Bucket="evidence", Key="checkpoints/000000000001.json"),
        "checkpoint",
        "Checkpoint 1",
    ),
}


@pytest.mark.parametrize(("tamper", "kind", "names"), TAMPERING.values(), ids=TAMPERING)
def test_what_somebody_changed_is_found_and_named(evidence, tamper, kind, names):
    evidence.checkpoint()
    evidence.checkpoint(timedelta(days=1))
    tamper(evidence)
    findings = evidence.findings()
    assert [sentence for found, sentence in findings if found == kind and names in sentence], findings
    assert len(findings) <= 3, findings


@pytest.mark.parametrize("with_head", [True, False])
def test_a_chain_that_is_rewritten_whole_is_found_by_the_newest_checkpoint(evidence, with_head):
    evidence.checkpoint()
    before = evidence.item("chain#queue-001", "000000000002")["hash"]["S"]
    evidence.record("after the checkpoint")
    before = evidence.rewrite("d-3", 3, before, reason="nothing happened here")
    for number in range(4, 9):
        link = evidence.item("chain#queue-001", f"{number:012}")
        name, kind = link["leads_to"]["S"], link["kind"]["S"]
        record = {k: v for k, v in document_of(evidence.item(name, kind)).items() if not k.startswith("chain_")}
        forged = linked(record, Head("queue-001", number - 1, before))
        evidence.put(moto_item(forged))
        evidence.put(link, before={"S": before}, hash={"S": forged["chain_hash"]})
        before = forged["chain_hash"]
    if with_head:
        head = {"chain": {"S": "queue-001"}, "number": {"N": "8"}, "hash": {"S": before}}
        evidence.db.put_item(TableName="chains", Item=head)
    found = {kind for kind, _ in evidence.findings()}
    assert found == ({"checkpoint"} if with_head else {"checkpoint", "head"})
    assert "was rewritten up to link 7" in next(s for k, s in evidence.findings() if k == "checkpoint")


def test_a_forged_checkpoint_has_no_signature_of_the_key(evidence):
    genuine = evidence.checkpoint()
    forged = replace(genuine, statement={**genuine.statement, "number": 2, "before": evidence.bucket.all()[0].sha256})
    evidence.bucket.put(forged)
    assert evidence.findings() == [("checkpoint", "Checkpoint 2 has a signature that is not of the key.")]


def test_a_forged_checkpoint_is_found_when_a_genuine_one_has_followed_it(evidence):
    genuine = evidence.checkpoint()
    forged = replace(genuine, statement={**genuine.statement, "number": 2, "before": evidence.bucket.all()[0].sha256})
    evidence.bucket.put(forged)
    evidence.checkpoint(timedelta(days=1))
    assert evidence.findings() == [("checkpoint", "Checkpoint 2 has a signature that is not of the key.")]


def test_an_object_that_is_no_checkpoint_stops_neither_checkpoints_nor_verification(evidence):
    evidence.checkpoint()
    evidence.s3.put_object(Bucket="evidence", Key="checkpoints/zzz.json", Body=b"[" * 100_000)
    evidence.s3.put_object(
        Bucket="evidence", Key="checkpoints/000000000002.json", Body=b'{"heads": [["q", 1e999, ""]]}'
    )
    assert evidence.checkpoint(timedelta(days=1)).number == 3
    assert {sentence for _, sentence in evidence.findings()} == {
        "An object among the checkpoints has the name of none.",
        "Checkpoint 2 is not as it was signed.",
    }


FORGED_LINKS = ["999999999999", "zzz", "100000000000", "99", "00000000000x", "000000000001x"]


@pytest.mark.parametrize("name", FORGED_LINKS)
def test_a_forged_link_keeps_no_record_from_its_place_and_is_named(evidence, name):
    """It sorts behind, or among, the newest links. A record after it would have no number that a link can have."""
    number = int(evidence.item("d-3", "9-closed")["chain_number"]["N"])
    link = evidence.item("chain#queue-001", f"{number:012}")
    evidence.put(link, record={"S": name}, leads_to={"S": "nobody"})
    for following in range(3):
        evidence.record(f"new-{following}")
    numbers = [int(evidence.item(f"new-{following}")["chain_number"]["N"]) for following in range(3)]
    assert numbers == [number + 2, number + 3, number + 4], "d-3 is followed by the large record"
    findings = evidence.findings()
    assert findings
    assert all("new-" not in sentence for _, sentence in findings), findings
    assert any(name in sentence or "nobody" in sentence for _, sentence in findings), findings


def test_a_forged_newest_link_without_a_hash_keeps_no_record_from_its_place(evidence):
    newest = max(int(item["record"]["S"]) for item in evidence.links("queue-001"))
    link = evidence.item("chain#queue-001", f"{newest:012}")
    evidence.db.put_item(TableName="audit", Item={key: value for key, value in link.items() if key != "hash"})
    evidence.record("new")
    assert int(evidence.item("new")["chain_number"]["N"]) == newest + 1
    assert "altered" in {kind for kind, _ in evidence.findings()}


@pytest.mark.parametrize("name", ["999999999999", "100000000000", "zzz", "999999999999999"])
def test_a_forged_checkpoint_keeps_no_checkpoint_from_its_number(evidence, name):
    evidence.checkpoint()
    evidence.s3.put_object(Bucket="evidence", Key=f"checkpoints/{name}.json", Body=b"{}")
    for day in (1, 2):
        assert evidence.checkpoint(timedelta(days=day)).number == day + 1
    findings = evidence.findings()
    assert {kind for kind, _ in findings} == {"checkpoint"}
    assert any("no checkpoint" in s or "name of none" in s or "not as it was signed" in s for _, s in findings), (
        findings
    )


@pytest.mark.parametrize("reference", ["", "x" * 2000, "plans/abc.json"])
def test_a_document_that_no_record_may_rely_on_stops_no_verification(evidence, reference):
    """Anybody can compute the hash of a record that names such a document."""
    forged = linked(evidence.opening("forged").to_json() | {"documents": {reference: "aa"}}, Head("queue-001", 7, "aa"))
    evidence.put(moto_item(forged))
    assert "document" in {kind for kind, sentence in evidence.findings() if "distribution forged" in sentence}


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState", "KMS.DisabledException"])
def test_a_document_that_s3_refuses_is_unreadable_and_not_altered(evidence, aws_answers, code):
    aws_answers("s3", "GetObject", code)
    inspection = evidence.verify()
    assert {finding.kind for finding in inspection.findings} == {"unreadable"}
    assert all("nobody knows whether it is as it was written" in each.sentence for each in inspection.findings)
    report = report_of(inspection)
    assert (report.finding_count, report.unreadable, report.sound) == (2, 2, False)


def test_the_bucket_gives_nobody_a_locked_checkpoint_to_delete(evidence):
    evidence.checkpoint()
    (version,) = evidence.s3.list_object_versions(Bucket="evidence")["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        evidence.s3.delete_object(Bucket="evidence", Key=version["Key"], VersionId=version["VersionId"])


def test_two_checkpoints_at_once_have_different_numbers(evidence):
    class Late(CheckpointBucket):
        def all(self):
            return ()

    evidence.checkpoint()
    with pytest.raises(CheckpointExists):
        MakeCheckpoint(evidence.items, Late("evidence"), evidence.key).make(START)


def test_older_records_pass_until_the_first_checkpoint_seals_them(evidence):
    evidence.put(moto_item(evidence.opening("older").to_json()))
    evidence.put(moto_item(evidence.opening("older too").to_json()))
    assert evidence.findings() == []
    evidence.checkpoint()
    assert evidence.findings() == []
    evidence.put(evidence.item("older"), reason={"S": "another"})
    evidence.delete("older too")
    assert [(kind, "distribution older" in sentence) for kind, sentence in evidence.findings()] == [
        ("altered", True),
        ("removed", True),
    ]


def test_a_record_that_is_written_while_the_items_are_read_is_no_finding(evidence):
    evidence.checkpoint()
    inspect = evidence.items.inspect

    class Busy(AuditItems):
        def inspect(self, inspection):
            evidence.record("meanwhile")
            evidence.record("first of its queue", "queue-003")
            yield from inspect(inspection)

    evidence.items = Busy("audit", "chains")
    assert evidence.findings() == []


def test_a_verification_without_time_left_says_so(evidence):
    with pytest.raises(VerificationTooLong, match="make audit-verify"):
        evidence.verify(lambda: False)


def test_a_signature_can_be_verified_with_the_public_key_alone(evidence, aws):
    import base64  # noqa: PLC0415

    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    evidence.checkpoint()
    (version,) = evidence.s3.list_object_versions(Bucket="evidence")["Versions"]
    stored = json.loads(evidence.s3.get_object(Bucket="evidence", Key=version["Key"])["Body"].read())
    public = serialization.load_der_public_key(aws("kms").get_public_key(KeyId=evidence.key.arn)["PublicKey"])
    import rfc8785  # noqa: PLC0415

    message = rfc8785.dumps(stored["statement"])
    public.verify(base64.b64decode(stored["signature"]), message, ec.ECDSA(hashes.SHA256()))


def test_a_root_covers_every_leaf_and_its_place():
    leaves = [["a", 1], ["b", 2], ["c", 3]]
    roots = {merkle_root(part) for part in ([], leaves[:1], leaves[:2], leaves, leaves[::-1], [*leaves, leaves[-1]])}
    assert len(roots) == 6
    with suppress(ValueError):
        assert merkle_root([["a", float("nan")]]) is None
