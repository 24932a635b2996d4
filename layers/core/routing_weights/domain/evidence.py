"""Judges the stored records by their chains, the heads of the chains, and the signed checkpoints.

Whoever verifies reads in this order: checkpoints, heads, all items of the audit table, heads again. A record that is
written meanwhile is then never taken for a wrong one: what is judged is what the first reading of the heads covers.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from routing_weights.domain.chain import OWN_HASH, Head, digest, digest_of_record

LINK = ("chain_queue", "chain_number", "chain_before", OWN_HASH)
MOST_FINDINGS = 100
"""How many findings a report lists. It counts all of them."""

_NUMBER = re.compile("[0-9]{12}")
_LARGEST = 2**53 - 1
"""The largest whole number of canonical JSON."""
STATED = {"number", "at", "before", "chains", "root", "older_root", "key"}
"""What a checkpoint's statement has."""

Key = tuple[str, str]
"""Of a record: its distribution and its kind."""


class Stored(NamedTuple):
    """A link as its own item has it."""

    leads_to: Key
    before: str
    hash: str
    is_plain: bool = True
    """False if the item has a field that no link has."""


class Claim(NamedTuple):
    """A link as its record states it."""

    chain: str
    number: int
    before: str
    hash: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not fit, and where."""

    kind: Literal["altered", "removed", "inserted", "moved", "document", "unreadable", "head", "checkpoint"]
    sentence: str
    chain: str | None = None
    number: int | None = None
    distribution_id: str | None = None
    record: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


# ---- checkpoints -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Checkpoint:
    """What is signed is the statement. Its roots bind the heads, and the records that are older than the chains."""

    statement: Mapping[str, Any]
    """`number`, `at`, `before` (the SHA-256 of the checkpoint before, as stored), `root`, `older_root`, `key`."""
    heads: tuple[Head, ...]
    older: tuple[tuple[str, str, str], ...]
    """Distribution, kind and digest of each record without a link. Only the first checkpoint has them."""
    signature: str = ""
    """Of the statement's canonical JSON, by the key of the checkpoints; base64."""

    @property
    def number(self) -> int:
        number: int = self.statement["number"]
        return number

    @property
    def fits(self) -> bool:
        """True if the roots of the statement are those of heads and older records."""
        roots = (self.statement["root"], self.statement["older_root"])
        return roots == (merkle_root(map(_leaf, self.heads)), merkle_root(map(list, self.older)))

    def to_json(self) -> dict[str, Any]:
        heads = [[head.chain, head.number, head.hash] for head in self.heads]
        return {
            "statement": dict(self.statement),
            "signature": self.signature,
            "heads": heads,
            "older": [list(each) for each in self.older],
        }

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> "Checkpoint":
        """Raises KeyError, TypeError or ValueError if it is no checkpoint."""
        heads = tuple(Head(str(chain), _whole(number), str(hash_)) for chain, number, hash_ in document["heads"])
        older = tuple((str(a), str(b), str(c)) for a, b, c in document["older"])
        statement = dict(document["statement"])
        if missing := STATED - statement.keys():
            raise ValueError(f"the statement has no {', '.join(missing)}")
        _whole(statement["number"]), _whole(statement["chains"])
        if not all(isinstance(statement[name], str) for name in STATED - {"number", "chains"}):
            raise TypeError("a field of the statement is no text")
        return cls(statement, heads, older, str(document["signature"]))


def _whole(number: Any) -> int:
    if type(number) is not int or not 0 <= number <= _LARGEST:
        raise ValueError("no whole number")
    return number


HIGHEST = 99_999_999_999
"""No checkpoint gets so high a number. One above is forged, and nothing follows it."""


def number_of(name: str) -> int:
    """Return the number in the name of a link or a checkpoint: 12 digits. 0: it is not the name of one."""
    return int(name) if _NUMBER.fullmatch(name) else 0


def stated(number: int, at: str, before: str, key: str, heads: Iterable[Head], older: Iterable[Any]) -> Checkpoint:
    """Return a checkpoint that nobody has signed yet."""
    sorted_heads = tuple(sorted(heads, key=lambda head: head.chain))
    sorted_older = tuple(sorted(older))
    statement = {
        "number": number,
        "at": at,
        "before": before,
        "chains": len(sorted_heads),
        "root": merkle_root(map(_leaf, sorted_heads)),
        "older_root": merkle_root(map(list, sorted_older)),
        "key": key,
    }
    return Checkpoint(statement, sorted_heads, sorted_older)


def merkle_root(leaves: Iterable[Any]) -> str:
    """Return the root over documents, in hex, after RFC 6962: 00 before a leaf, 01 before a pair. Empty: of nothing.

    A level of odd length passes its last node on.
    """
    level = [hashlib.sha256(b"\x00" + bytes.fromhex(digest(leaf))).digest() for leaf in leaves]
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + ([level[-1]] if len(level) % 2 else [])
    return level[0].hex() if level else hashlib.sha256(b"").hexdigest()


def _leaf(head: Head) -> list[Any]:
    return [head.chain, head.number, head.hash]


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint as it lies in the bucket: its oldest version."""

    number: int
    sha256: str
    checkpoint: Checkpoint | None
    """None if what is stored is no checkpoint."""
    signed: bool = True
    """False if the signature is not that of the key."""
    rewritten: bool = False
    """Somebody has written or deleted it again; the bucket kept what was first."""


# ---- the inspection --------------------------------------------------------------------------------------------------


@dataclass
class Inspection:
    """Takes every item of the audit table, in any order, and then says what does not fit."""

    heads: Mapping[str, Head]
    """As they were before the first item was read."""
    checkpoints: tuple[StoredCheckpoint, ...] = ()
    records: int = 0
    findings: list[Finding] = field(default_factory=list)
    documents: list[tuple[Key, str, str]] = field(default_factory=list)
    """What records rely on in the bucket: whose record, the document's key, and its SHA-256."""
    _known: set[Finding] = field(default_factory=set)
    _links: dict[str, dict[int, Stored]] = field(default_factory=dict)
    _claims: dict[Key, Claim] = field(default_factory=dict)
    _altered: set[Key] = field(default_factory=set)
    _older: dict[Key, str] = field(default_factory=dict)

    def take_link(self, chain: str, name: str, link: Stored) -> None:
        """`name` is the second part of the item's key."""
        number = number_of(name)
        if not number:
            self._add(Finding("inserted", f"Item chain#{chain} {name} of the audit table is no link.", chain))
            return
        self._links.setdefault(chain, {})[number] = link

    def take_record(self, record: Mapping[str, Any]) -> None:
        self.records += 1
        key = (str(record["distribution_id"]), str(record["record"]))
        if not any(name in record for name in LINK):
            self._older[key] = _digest_or_empty(record)
            return
        try:
            sound = digest_of_record(record) == record[OWN_HASH]
            chain, number, before, own = (record[name] for name in LINK)
            self._claims[key] = Claim(str(chain), int(number), str(before), str(own))
        except (KeyError, TypeError, ValueError):
            sound = False
        if sound:
            self.documents += ((key, reference, sha256) for reference, sha256 in _documents_of(record))
        else:
            self._altered.add(key)
            claim = self._claims.get(key)
            self._find("altered", key, claim, "is not as it was written: its hash does not fit")

    def take_document(self, key: Key, reference: str, wanted: str, sha256: str | None) -> None:
        """What the bucket has of a document: its SHA-256, None if there is none, empty if it could not be read."""
        if sha256 == "":
            what = f"relies on {reference}, which S3 does not give: nobody knows whether it is as it was written"
            self._find("unreadable", key, self._claims.get(key), what)
        elif sha256 != wanted:
            state = "is gone" if sha256 is None else "is not as it was written"
            self._find("document", key, self._claims.get(key), f"relies on {reference}, which {state}")

    def close(self, heads: Mapping[str, Head]) -> None:
        """Judge. `heads` are the heads as they are after the last item was read."""
        sound = self._judge_checkpoints()
        at_least: dict[str, int] = {}
        for checkpoint in sound:
            self._judge_growth(checkpoint, at_least)
            at_least.update({head.chain: max(head.number, at_least.get(head.chain, 0)) for head in checkpoint.heads})
        claimed: dict[str, dict[int, Key]] = {}
        for key, claim in self._claims.items():
            claimed.setdefault(claim.chain, {})[claim.number] = key
        for chain in sorted({*self._links, *self.heads, *at_least}):
            self._judge_chain(chain, heads.get(chain), at_least.get(chain, 0), claimed.get(chain, {}))
        self._judge_claims(heads)
        for checkpoint in sound:
            self._judge_signed_heads(checkpoint)
        self._judge_older(sound[0] if sound and sound[0].number == 1 else None)

    # ---- each part ---------------------------------------------------------------------------------------------------

    def _judge_chain(self, chain: str, now: Head | None, at_least: int, claimed: Mapping[int, Key]) -> None:
        links, before = self._links.get(chain, {}), self.heads.get(chain)
        last = max(links, default=0)
        head_is_wrong = (
            now is None or now.number < max(last, 1) or not self._leads(before, links) or not self._leads(now, links)
        )
        if head_is_wrong and (links or before or now):
            where = "is gone" if now is None else f"names link {now.number}, and is not what was written"
            self._add(Finding("head", f"The head of the chain of queue {chain} {where}.", chain))
        covered = last if head_is_wrong else before.number if before else 0
        end = max(covered, at_least)
        expected = 1
        for number in sorted(number for number in {*links, *claimed} if 1 <= number <= end):
            self._judge_gap(chain, expected, number - 1)
            self._judge_link(chain, number, links, claimed.get(number))
            expected = number + 1
        self._judge_gap(chain, expected, end)

    def _judge_gap(self, chain: str, first: int, last: int) -> None:
        """Numbers that neither a link nor a record has: one finding, however many somebody claims that there were."""
        if first <= last:
            links = f"Link {first}" if first == last else f"Links {first} to {last}"
            what = "its record are" if first == last else "their records are"
            self._add(Finding("removed", f"{links} of the chain of queue {chain} and {what} gone.", chain, first))

    def _leads(self, head: Head | None, links: Mapping[int, Stored]) -> bool:
        """False if a head that is there names another hash than its link. A link that was not read yet is no proof."""
        return head is None or head.number not in links or links[head.number].hash == head.hash

    def _judge_link(self, chain: str, number: int, links: Mapping[int, Stored], claimed_by: Key | None) -> None:
        link, previous = links.get(number), links.get(number - 1)
        if link is None:
            if claimed_by:
                sentence = f"Link {number} of the chain of queue {chain} of {_named(claimed_by)} is gone."
                self._add(Finding("removed", sentence, chain, number, *claimed_by))
            return
        claim = self._claims.get(link.leads_to)
        at = Claim(chain, number, link.before, link.hash)
        if not link.is_plain:
            self._find("altered", link.leads_to, at, "has a link with a field that no link has")
        if claim is None:
            if link.leads_to not in self._altered:
                self._find("removed", link.leads_to, at, "is gone")
        elif (claim.chain, claim.number) != (chain, number):
            self._find("moved", link.leads_to, at, f"says that it is number {claim.number} of queue {claim.chain}")
        elif claim.hash != link.hash and link.leads_to not in self._altered:
            self._find("altered", link.leads_to, at, "has another hash than its link")
        elif claim.before != link.before and link.leads_to not in self._altered:
            self._find("altered", link.leads_to, at, "followed another record than its link says now")
        follows = link.before == (previous.hash if previous else "") or (previous is None and number > 1)
        if not follows and not self._breaks_at(chain, number - 1, previous):
            self._find("altered", link.leads_to, at, f"has a link that does not follow link {number - 1}")

    def _breaks_at(self, chain: str, number: int, link: Stored | None) -> bool:
        """True if it is the link before that was changed, which has a finding of its own."""
        claim = self._claims.get(link.leads_to) if link else None
        return link is not None and (claim is None or claim != Claim(chain, number, link.before, link.hash))

    def _judge_claims(self, heads: Mapping[str, Head]) -> None:
        """Records with a link to which no link leads. One that was written while the items were read is passed over."""
        led_to = {link.leads_to for links in self._links.values() for link in links.values()}
        for key, claim in self._claims.items():
            known, now = self.heads.get(claim.chain), heads.get(claim.chain)
            written_meanwhile = now is not None and (known.number if known else 0) < claim.number <= now.number
            link_is_gone = claim.number not in self._links.get(claim.chain, {})
            is_found = link_is_gone and known is not None and 1 <= claim.number <= known.number
            if key not in led_to and not written_meanwhile and not is_found:
                self._find("inserted", key, claim, "is in no chain: no link leads to it")

    def _judge_checkpoints(self) -> list[Checkpoint]:
        """Return the ones that the key has signed."""
        sound, place, before = [], 0, ""
        for stored in self.checkpoints:
            if not stored.number:
                self._add(Finding("checkpoint", "An object among the checkpoints has the name of none."))
                continue
            first_gone, place = place + 1, stored.number
            is_next, checkpoint, wrong = place == first_gone, stored.checkpoint, None
            if not is_next:
                gone = f"Each checkpoint from {first_gone} to {place - 1} is gone."
                self._add(Finding("checkpoint", gone, number=first_gone))
            if checkpoint is None or checkpoint.number != place or not checkpoint.fits:
                wrong = f"Checkpoint {place} is not as it was signed."
            elif not stored.signed:
                wrong = f"Checkpoint {place} has a signature that is not of the key."
            else:
                sound.append(checkpoint)
                if stored.rewritten:
                    wrong = f"Checkpoint {place} was written or deleted again; the bucket kept the first version."
                elif is_next and checkpoint.statement["before"] != before:
                    wrong = f"Checkpoint {place} does not follow checkpoint {place - 1}: one of them was changed."
            if wrong:
                self._add(Finding("checkpoint", wrong, number=place))
            before = stored.sha256
        return sound

    def _judge_growth(self, checkpoint: Checkpoint, at_least: Mapping[str, int]) -> None:
        """A chain only grows. Whoever hides a head while a checkpoint is made keeps its chain out of it."""
        numbers = {head.chain: head.number for head in checkpoint.heads}
        for chain, least in at_least.items():
            if numbers.get(chain, 0) < least:
                sentence = (
                    f"Checkpoint {checkpoint.number} has link {numbers.get(chain, 0)} of the chain of queue {chain}, "
                    f"and an earlier one has link {least}: the head was not what was written."
                )
                self._add(Finding("checkpoint", sentence, chain, checkpoint.number))

    def _judge_signed_heads(self, checkpoint: Checkpoint) -> None:
        at = checkpoint.statement["at"]
        for head in checkpoint.heads:
            link = self._links.get(head.chain, {}).get(head.number)
            if head.number and link is not None and link.hash != head.hash:
                sentence = (
                    f"The chain of queue {head.chain} was rewritten up to link {head.number} or beyond: checkpoint "
                    f"{checkpoint.number} of {at} has another hash of that link."
                )
                self._add(Finding("checkpoint", sentence, head.chain, head.number, *link.leads_to))

    def _judge_older(self, first: Checkpoint | None) -> None:
        """Records without a link. The first checkpoint has all of them; before it, nothing is known of them."""
        if first is None:
            return
        sealed = {(distribution, kind): sha256 for distribution, kind, sha256 in first.older}
        for key in sorted({*sealed, *self._older}):
            if key in self._claims or key in self._altered:
                self._find("altered", key, None, "was older than the chains, and has a link now")
            elif key not in self._older:
                self._find("removed", key, None, "is gone; the first checkpoint has it")
            elif key not in sealed:
                self._find("inserted", key, None, "is in no chain, and not among the older records")
            elif sealed[key] != self._older[key]:
                self._find("altered", key, None, "is not as the first checkpoint has it")

    @property
    def older(self) -> Iterator[tuple[str, str, str]]:
        """The records without a link, for the first checkpoint."""
        return ((*key, sha256) for key, sha256 in self._older.items())

    @property
    def chains(self) -> int:
        return len({*self._links, *self.heads})

    def _find(self, kind: Any, key: Key, claim: Claim | None, what: str) -> None:
        place = f", number {claim.number} of queue {claim.chain}," if claim else ""
        sentence = f"The {_named(key)}{place} {what}."
        chain, number = (claim.chain, claim.number) if claim else (None, None)
        self._add(Finding(kind, sentence, chain, number, *key))

    def _add(self, finding: Finding) -> None:
        if finding not in self._known:
            self._known.add(finding)
            self.findings.append(finding)


def _named(key: Key) -> str:
    return f"record {key[1]} of distribution {key[0]}"


def _digest_or_empty(record: Mapping[str, Any]) -> str:
    try:
        return digest(dict(record))
    except ValueError:
        return ""


def _documents_of(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The key and the SHA-256 of each document that a record relies on."""
    for value in record.values():
        if isinstance(value, dict) and value.keys() == {"document", "sha256"}:
            yield str(value["document"]), str(value["sha256"])
    documents = record.get("documents")
    if isinstance(documents, dict):
        yield from ((str(reference), str(sha256)) for reference, sha256 in documents.items())
