"""The soak's oracle finds lies, its slopes are right, and its report is drawn from the results alone."""

import hashlib
import json
import random
from decimal import Decimal

import pytest
import rfc8785

from bench.soak import page
from bench.soak.actors import RULES
from bench.soak.ledger import Ledger
from bench.soak.oracle import WRAP_UP, Model, broken_chains, miscounted, misheld, rings
from bench.soak.trend import trend

OLD = {"a": 1.0, "b": 1.0, WRAP_UP: 30.0}
NEW = {"a": 1.0, "b": 6.0, WRAP_UP: 45.0}


def record(status="completed", **more):
    return {"distribution_id": "d-1", "status": status, "errors": [] if status == "completed" else ["x"], **more}


@pytest.mark.parametrize(
    ("closed", "now", "wrong"),
    [
        (record(), NEW, ""),
        (record(), NEW | {"b": 1.0}, "b is 1.0 instead of 6.0"),
        (record("member_update_failed"), OLD, ""),
        (record("member_update_failed"), NEW, "wrap_up_timeout_s is 45.0 instead of 30.0"),
        (record("member_update_failed", restore={"unrestored": ["b"]}), OLD | {"b": 6.0}, ""),
        (record("member_update_failed", restore={"unrestored": ["b"]}), OLD, "could not be restored, but it was"),
        (record("saturation_blocked", errors=[]), OLD, "the errors of the record are []"),
        (record(errors=["x"]), NEW, "the errors of the record are ['x']"),
    ],
)
def test_a_record_that_lies_is_found(closed, now, wrong):
    found = Model(dict(OLD)).judge(closed, NEW, now)
    assert bool(found) is bool(wrong)
    assert wrong in "".join(found)


def test_a_revert_leads_to_the_image_that_it_names():
    model = Model(dict(OLD))
    assert model.judge(record(), NEW, NEW) == []
    revert = record() | {"distribution_id": "d-2", "restores": {"distribution_id": "d-1", "image": "before"}}
    assert model.judge(revert, {}, OLD) == []
    repair = record() | {"distribution_id": "d-3", "restores": {"distribution_id": "d-1", "image": "after"}}
    model.edit("a", 3.0)
    assert misheld(model, OLD) == {"a"}
    assert model.judge(repair, {}, OLD) != []
    assert model.judge(repair, {}, NEW) == []


def test_the_rings_of_weights_are_those_of_the_page():
    assert rings({"a": 0.5, "b": 0.3, "c": 0.05}) == {"a": 1.0, "b": 3.0, "c": 6.0}


@pytest.mark.parametrize(
    ("counted", "unsure", "fine"), [(7, 0, True), (6, 0, False), (8, 0, False), (8, 1, True), (9, 1, False)]
)
def test_a_draw_that_is_lost_or_counted_twice_is_found(counted, unsure, fine):
    assert (miscounted({"drawn": 5, "nobody": 2, "none_free": 9}, unsure, counted) is None) is fine


def test_a_slope_is_found_with_its_interval_and_a_process_that_starts_is_no_trend():
    rng = random.Random(1)
    leaks = [[(t, 100 + level + t / 60 + rng.gauss(0, 1)) for t in range(0, 1800, 10)] for level in (0, 500)]
    steady = [[(t, 100 + rng.gauss(0, 1)) for t in range(900)], [(t, 700 + rng.gauss(0, 1)) for t in range(900, 1800)]]
    found, flat = trend(leaks), trend(steady)
    assert found.low < 60 < found.high
    assert found.high - found.low < 2
    assert not found.flat
    assert flat.flat
    assert trend([[(0.0, 1.0)] * 4]) is None


def test_samples_that_resemble_their_neighbours_count_as_fewer():
    rng = random.Random(2)
    walk, level = [], 0.0
    for t in range(180):
        level = 0.95 * level + rng.gauss(0, 1)
        walk.append((t * 10.0, level))
    shuffled = [(t, y) for (t, _), y in zip(walk, rng.sample([y for _, y in walk], len(walk)), strict=True)]
    alike, independent = trend([walk]), trend([shuffled])
    assert alike.high - alike.low > 3 * (independent.high - independent.low)


def results():
    ledger = Ledger()
    for rule in RULES:
        ledger.check(rule)
    ledger.check("truth", "d-1: a | b")
    ledger.ran("api", record(), 3.0)
    ledger.ran("fleet", record("member_update_failed", restore={"outcome": "partial"}), 9.0)
    ledger.drew(1.0, 20.0)
    ledger.note("runtimes killed: patch")
    processes = [
        {"pid": n, "name": name, "mb": 100.0 + n, "files": 9, "threads": 1}
        for n, name in enumerate(("stack", "nursery", "patch"))
    ]
    samples = [{"at": at, "load": 1.0, "processes": processes} for at in range(0, 900, 10)]
    found = {"samples": samples, "runs": ledger.runs, "draws": ledger.draws, "done": dict(ledger.done)}
    found |= {"checked": dict(ledger.checked), "broken": ledger.broken, "answers": {"200": 3}, "queues": 2}
    found |= {"at": "2026-01-01T00:00:00+00:00", "minutes": 15.0, "interrupted": True, "cores": 2}
    return json.loads(json.dumps(found))


def test_the_report_states_every_rule_and_every_finding():
    files = page.files(results())
    text = files.pop(page.PAGE)
    assert [rule for rule in RULES.values() if rule not in " ".join(text.split())] == []
    assert "d-1: a \\| b" in text
    assert "when somebody ended it" in text
    assert len(files) == 3
    assert all(f"({path.name})" in text and picture.startswith("<svg") for path, picture in files.items())


def test_outcomes_are_told_apart():
    of = {run["status"]: page.outcome_of(run) for run in results()["runs"]}
    assert of == {"completed": "completed", "member_update_failed": "failed, leftovers named"}


def chained(*contents):
    """Items of the audit table as boto3 gives them."""
    items, before = [], ""
    for number, content in enumerate(contents, 1):
        item = {"distribution_id": f"d-{number}", "record": "9-closed", "content": content}
        item |= {"chain_queue": "q", "chain_number": number, "chain_before": before}
        before = hashlib.sha256(rfc8785.dumps(item)).hexdigest()
        items.append(item | {"chain_hash": before, "chain_number": Decimal(number)})
    return items


def test_a_changed_missing_or_moved_record_breaks_its_chain():
    whole = chained("a", "b", "c")
    assert broken_chains([*whole, {"distribution_id": "chain#q", "record": "1"}, {"distribution_id": "old"}]) == []
    changed = [whole[0], whole[1] | {"content": "x"}, whole[2]]
    assert broken_chains(changed) == ["chain q: d-2 9-closed is not what was hashed"]
    assert "d-3 9-closed is number 3 instead of 2" in broken_chains([whole[0], whole[2]])[0]
    moved = [whole[0], whole[1] | {"chain_number": Decimal(3)}, whole[2] | {"chain_number": Decimal(2)}]
    assert broken_chains(moved) != []


RESULTS = json.loads(page.RESULTS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", page.files(RESULTS), ids=lambda path: path.name)
def test_the_report_and_its_pictures_are_drawn_from_the_results(path):
    assert path.read_text(encoding="utf-8") == page.files(RESULTS)[path], "python -m bench.soak --page"
