"""Statuses: one table says all that the rest of the system asks of each."""

from pathlib import Path

import pytest

from routing_weights.domain.status import FACTS, Status


@pytest.mark.parametrize("status", Status)
def test_every_status_but_initiated_is_terminal(status):
    assert status.terminal is (status.value != "initiated")


def test_the_seven_statuses_of_the_source_document_keep_their_words():
    assert {
        "initiated",
        "validation_failed",
        "projection_failed",
        "saturation_blocked",
        "queue_update_failed",
        "member_update_failed",
        "completed",
    } <= {status.value for status in Status}


def test_every_status_has_its_row_of_facts_and_of_the_page():
    assert FACTS.keys() == {*Status}
    page = (Path(__file__).parents[2] / "docs/reference/statuses.md").read_text(encoding="utf-8")
    assert [status.value for status in Status if f"\n| `{status.value}` |" not in page] == []


@pytest.mark.parametrize(
    ("status", "metric"),
    [
        ("completed", "DistributionCompleted"),
        ("saturation_blocked", "DistributionSaturationBlocked"),
        ("dry_run", "DistributionDryRun"),
    ],
)
def test_an_outcome_has_a_metric_of_its_own(status, metric):
    assert Status(status).metric == metric


def test_what_the_table_says_is_what_its_readers_need():
    failed = {"queue_update_failed", "member_update_failed", "verification_failed"}
    assert {status.value for status in Status if status.green} == {"completed", "dry_run"}
    assert {status.value for status in Status if status.wrote == "yes"} == {"completed", *failed}
    assert {status.value for status in Status if status.wrote == "perhaps"} == {"initiated", "interrupted"}
    assert {status.value for status in Status if status.failed_writing} == {"interrupted", *failed}


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_sentence_of_its_own(status):
    assert status.sentence.endswith(".")
    assert sum(status.sentence == other.sentence for other in Status) == 1
