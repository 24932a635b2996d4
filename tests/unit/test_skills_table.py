"""Skills and their queues: each skill carries the weights of one queue."""

import pytest

from routing_weights.adapters.aws.skills_table import SkillOwners
from routing_weights.errors import (
    PlanNotApplicable,
    StoreUnavailable,
)


@pytest.fixture
def owners(aws):
    aws("dynamodb").create_table(
        TableName="skills",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "skill_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "skill_id", "KeyType": "HASH"}],
    )
    return SkillOwners("skills")


def test_a_skill_that_nobody_owns_may_be_used_and_is_not_claimed_by_asking(owners):
    owners.require("skill-1", "queue-001")
    owners.require("skill-1", "queue-002")


def test_a_skill_is_its_queues_from_the_first_claim_on(owners):
    owners.claim("skill-1", "queue-001")
    owners.claim("skill-1", "queue-001")
    owners.require("skill-1", "queue-001")
    owners.claim("skill-2", "queue-002")


@pytest.mark.parametrize("act", [SkillOwners.require, SkillOwners.claim])
def test_a_skill_has_one_owner_however_its_id_is_written(owners, act):
    owners.claim("SKILL-1", "queue-001")
    with pytest.raises(PlanNotApplicable):
        act(owners, "skill-1", "queue-002")


@pytest.mark.parametrize("act", [SkillOwners.require, SkillOwners.claim])
def test_another_queues_skill_is_refused_with_its_owner_and_two_ways_out(owners, act):
    owners.claim("skill-1", "queue-001")
    with pytest.raises(PlanNotApplicable) as caught:
        act(owners, "skill-1", "queue-002")
    (found,) = caught.value.details["errors"]
    assert (found["path"], found["type"]) == ("skill", "skill_owned")
    assert found["message"] == (
        "skill skill-1 carries the weights of queue queue-001: name another one, or free it by deleting its item in "
        "SkillsTable"
    )
    owners.require("skill-1", "queue-001")


def test_a_skill_that_was_freed_may_be_claimed_by_another_queue(owners, aws):
    owners.claim("skill-1", "queue-001")
    aws("dynamodb").delete_item(TableName="skills", Key={"skill_id": {"S": "skill-1"}})
    owners.claim("skill-1", "queue-002")
    owners.require("skill-1", "queue-002")


def test_a_claim_that_aws_refuses_is_not_taken_for_another_owner(owners, aws_answers):
    aws_answers("dynamodb", "PutItem", "ThrottlingException")
    with pytest.raises(StoreUnavailable):
        owners.claim("skill-1", "queue-001")
