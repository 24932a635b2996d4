"""What somebody does who may write every table and bucket, against the inspection alone: no store is needed."""

from dataclasses import replace

import pytest

from routing_weights.adapters.aws.evidence import head_of, link_of
from routing_weights.domain.chain import Head, linked
from routing_weights.domain.evidence import Checkpoint, Inspection, StoredCheckpoint, stated


class Tables:
    """The items of the two tables as JSON, with one chain of five records."""

    def __init__(self, length=5, chain="q"):
        self.records, self.links, self.heads = {}, {}, {}
        for number in range(1, length + 1):
            self.append(chain, f"{chain}-{number}")

    def append(self, chain, name):
        before = self.heads.get(chain, Head(chain))
        self.keep(linked({"distribution_id": name, "record": "0-opened"}, before))

    def keep(self, record):
        """Write a record, its link, and its head."""
        chain, number, hash_ = record["chain_queue"], record["chain_number"], record["chain_hash"]
        self.records[record["distribution_id"]] = record
        self.links[chain, number] = {
            "distribution_id": f"chain#{chain}",
            "record": f"{number:012}",
            "leads_to": record["distribution_id"],
            "kind": "0-opened",
            "before": record["chain_before"],
            "hash": hash_,
        }
        self.heads[chain] = Head(chain, number, hash_)

    def inspection(self, *checkpoints):
        inspection = Inspection(dict(self.heads), checkpoints)
        for link in self.links.values():
            inspection.take_link(*link_of(link))
        for record in self.records.values():
            inspection.take_record(record)
        inspection.close(dict(self.heads))
        return inspection

    def findings(self, *checkpoints):
        return [(finding.kind, finding.sentence) for finding in self.inspection(*checkpoints).findings]

    def checkpoint(self, number=1, before=""):
        made = stated(number, "2026-01-31T08:00:00.000Z", before, "key", self.heads.values(), ())
        return StoredCheckpoint(number, f"sha-{number}", made)


@pytest.fixture
def tables():
    return Tables()


def test_a_record_that_is_rewritten_with_both_of_its_links_is_found_by_the_record_after_it(tables):
    """The record after it still has the hash of what was there. Heads and checkpoints do not change."""
    sealed = tables.checkpoint()
    forged = linked(
        {"distribution_id": "q-3", "record": "0-opened", "reason": "x"},
        Head("q", 2, tables.records["q-2"]["chain_hash"]),
    )
    tables.records["q-3"] = forged
    tables.links["q", 3]["hash"] = forged["chain_hash"]
    tables.links["q", 4]["before"] = forged["chain_hash"]
    ((kind, sentence),) = tables.findings(sealed)
    assert kind == "altered"
    assert "record 0-opened of distribution q-4" in sentence


@pytest.mark.parametrize("name", ["3", "abc", "0-opened", "000000000000", "-00000000001", "٣٣٣٣٣٣٣٣٣٣٣٣"])
def test_a_record_behind_a_link_that_has_no_number_of_a_link_is_found(tables, name):
    forged = linked({"distribution_id": "forged", "record": "0-opened"}, Head("q", 2, "aa"))
    tables.records["forged"] = forged
    tables.links["forged"] = tables.links["q", 3] | {"record": name, "leads_to": "forged"}
    findings = tables.findings()
    assert [s for kind, s in findings if kind == "inserted" and "distribution forged" in s], findings
    assert [s for kind, s in findings if kind == "inserted" and f"chain#q {name}" in s], findings


def test_a_link_with_a_field_of_another_item_is_found(tables):
    tables.links["q", 3]["opened_queue_id"] = "q"
    assert [kind for kind, _ in tables.findings()] == ["altered"]


@pytest.mark.parametrize("number", [10**9, 1e30, "many", None, 0, -1, 2.5])
def test_a_head_that_is_no_head_stops_no_verification(tables, number):
    tables.append("r", "r-1")
    tables.heads["q"] = head_of({"chain": "q", "number": number, "hash": "aa"})
    findings = tables.findings()
    assert 1 <= len(findings) <= 2
    assert all(" q" in sentence for _, sentence in findings)


def test_a_head_of_a_chain_that_nobody_wrote_is_found(tables):
    tables.heads["ghost"] = head_of({"chain": "ghost"})
    assert [kind for kind, _ in tables.findings()] == ["head"]


def test_a_queue_that_is_removed_whole_is_one_finding(tables):
    for number in range(1, 2001):
        tables.append("gone", f"gone-{number}")
    sealed = tables.checkpoint()
    del tables.heads["gone"]
    tables.links = {key: link for key, link in tables.links.items() if key[0] != "gone"}
    tables.records = {name: record for name, record in tables.records.items() if record["chain_queue"] != "gone"}
    ((kind, sentence),) = tables.findings(sealed)
    assert kind == "removed"
    assert "Links 1 to 2000 of the chain of queue gone" in sentence


def test_a_checkpoint_that_leaves_out_a_chain_or_its_newest_links_is_found(tables):
    tables.append("r", "r-1")
    first = tables.checkpoint()
    rewound = {"q": Head("q", 3, tables.records["q-3"]["chain_hash"])}
    made = stated(2, "2026-02-01T08:00:00.000Z", first.sha256, "key", rewound.values(), ())
    findings = tables.findings(first, StoredCheckpoint(2, "sha-2", made))
    assert [kind for kind, _ in findings] == ["checkpoint", "checkpoint"]
    assert {word for _, sentence in findings for word in ("queue q", "queue r") if word in sentence} == {
        "queue q",
        "queue r",
    }


def test_what_comes_after_a_missing_checkpoint_is_judged(tables):
    first, second, third = (tables.checkpoint(n, f"sha-{n - 1}" if n > 1 else "") for n in (1, 2, 3))
    assert tables.findings(first, second, third) == []
    sentences = [sentence for _, sentence in tables.findings(first, replace(third, rewritten=True))]
    assert [sentence.split(" was")[0] for sentence in sentences] == [
        "Each checkpoint from 2 to 2 is gone.",
        "Checkpoint 3",
    ]


@pytest.mark.parametrize("number", [float("inf"), 2**60, -1, "1"])
def test_a_document_that_is_no_checkpoint_stops_no_verification(tables, number):
    document = tables.checkpoint().checkpoint.to_json()
    for part in (
        document | {"heads": [["q", number, "aa"]]},
        document | {"statement": document["statement"] | {"number": number}},
    ):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Checkpoint.parse(part)
