"""Shares in force, how strict they are, and the routing rules that follow from that."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from routing_weights.domain.shares import (
    SCORES,
    RoutingRule,
    SharesInForce,
    as_text,
    from_text,
    openings,
    rules,
)
from routing_weights.domain.types import ShareOptions

OPTIONS = st.builds(ShareOptions, hold_s=st.integers(2, 600), then=st.one_of(st.just(0), st.integers(2, 600)))


@pytest.mark.parametrize(
    ("options", "text", "opens"),
    [
        ({}, "100 for 10 s; 80 for 5 s; 60 for 5 s; 40 for 5 s; any for 5 s", (0, 10, 15, 20, 25)),
        ({"hold_s": 30, "then": 0}, "100 for 30 s", (0, 30, 30, 30, 30)),
        ({"hold_s": 2, "then": 3}, "100 for 2 s; any for 3 s", (0, 2, 2, 2, 2)),
        ({"hold_s": 4, "then": 5}, "100 for 4 s; 80 for 2 s; any for 3 s", (0, 4, 6, 6, 6)),
        ({"then": 7}, "100 for 10 s; 80 for 2 s; 60 for 2 s; any for 3 s", (0, 10, 12, 14, 14)),
    ],
)
def test_the_rules_hold_a_contact_for_the_drawn_agent_and_then_open_level_by_level(options, text, opens):
    made = ShareOptions(**options)
    assert as_text(rules(made)) == text
    assert openings(made) == opens


@given(OPTIONS)
def test_the_rules_last_as_long_as_the_options_say_and_genesys_takes_them(options):
    made = rules(options)
    assert len(made) <= 6
    assert made[0] == RoutingRule(100, options.hold_s)
    assert sum(rule.wait_s for rule in made) == options.anyone_s
    assert all(2 <= rule.wait_s <= 259_200 for rule in made)
    opens = openings(options)
    assert list(opens) == sorted(opens)
    assert len(opens) == len(SCORES)
    assert opens[-1] <= options.anyone_s


@given(OPTIONS)
def test_rules_and_options_are_read_back_from_their_text(options):
    assert from_text(as_text(rules(options))) == rules(options)
    assert ShareOptions.parse(str(options)) == options


@pytest.mark.parametrize("text", ["", "100 for ever", "100 for 10 s;80 for 5 s", "ANY for 5 s"])
def test_another_text_is_no_rule(text):
    with pytest.raises(ValueError, match="no routing rule"):
        from_text(text)


@pytest.mark.parametrize(
    "wrong", [{"hold_s": 1}, {"hold_s": 601}, {"hold_s": 2.5}, {"then": 1}, {"then": 601}, {"x": 1}]
)
def test_options_outside_their_bounds_are_refused(wrong):
    with pytest.raises(ValidationError):
        ShareOptions.model_validate(wrong)


def test_shares_are_stored_as_text_and_read_back():
    shares = SharesInForce("q", "plan-1", {"b": 0.1, "a": 0.7 / 3}, ShareOptions(hold_s=4, then=0), 7)
    text = shares.to_json()
    assert SharesInForce.from_json("q", text, 7) == shares
    assert list(SharesInForce.from_json("q", text, 7).weights) == ["a", "b"]


def test_shares_that_a_newer_release_has_stored_are_read():
    text = '{"distribution_id":"d","weights":{"a":0.5},"share":{"hold_s":4,"then":0,"more":1},"new":2}'
    assert SharesInForce.from_json("q", text, 1) == SharesInForce(
        "q", "d", {"a": 0.5}, ShareOptions(hold_s=4, then=0), 1
    )


def test_the_rest_of_the_sum_is_nobodys():
    def nobody(*weights):
        return SharesInForce("q", "d", dict(enumerate(weights)), ShareOptions(), 1).nobody

    assert math.isclose(nobody(0.4, 0.35), 0.25)
    assert nobody(*[0.1] * 10) == 0
    assert nobody() == 1
