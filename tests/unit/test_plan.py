"""What a valid plan is: every rule, every refusal with its path, and nothing that depends on an order."""

import itertools
import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.api.problem import problem_of
from routing_weights.domain import strict_json
from routing_weights.domain.plan import MAX_MEMBERS, Plan, parse_plan
from routing_weights.domain.weights import normalized, weight_sum
from routing_weights.errors import PlanInvalid
from tests.support.fakes import SMALLEST_PLAN, plan

shares = st.floats(0, 1, allow_nan=False)
member_ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
weight_sets = st.dictionaries(member_ids, shares, min_size=1, max_size=40)
big_sums = weight_sets.filter(lambda weights: weight_sum(weights) > 1)


def exact(value):
    return Fraction(Decimal(repr(value)))


def refusal(raw):
    with pytest.raises(PlanInvalid) as caught:
        parse_plan(raw)
    return caught.value


def problems(raw):
    return {(problem["path"], problem["type"]) for problem in refusal(raw).details["errors"]}


def document(**changes):
    return json.dumps(SMALLEST_PLAN | changes)


def text(field, raw):
    """The smallest plan with one field's value as raw JSON text, which may be nothing that Python would write."""
    return document(**{field: "@"}).replace('"@"', raw)


# ---- what is accepted ------------------------------------------------------------------------------------------------


def test_the_smallest_plan_has_the_documented_defaults():
    accepted = plan()
    assert accepted.member_weights == SMALLEST_PLAN["member_weights"]
    assert (accepted.projected_load, accepted.wrap_up_timeout_s, accepted.requested_by, accepted.reason) == (None,) * 4
    assert (accepted.normalize, accepted.dry_run, accepted.required_skills) == (False, False, [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("member_weights", {"a": 0, "b": 1}),
        ("member_weights", {"a": 0.0}),
        ("member_weights", {"x" * 64: 1.0}),
        ("overflow_threshold", 0),
        ("overflow_threshold", 1),
        ("utilization_target", 0),
        ("utilization_target", 1.0),
        ("projected_load", 0),
        ("projected_load", 1e6),
        ("projected_load", None),
        ("wrap_up_timeout_s", 1),
        ("wrap_up_timeout_s", 3600),
        ("required_skills", ["Español, nivel 2"]),
        ("required_skills", ["s"] * 20),
        ("requested_by", "r" * 200),
        ("reason", "Ünïcode ✓ " * 100),
        ("strategy_reference", "ring-by-weight"),
    ],
)
def test_a_value_on_the_edge_is_accepted(field, value):
    assert getattr(plan(**{field: value}), field) == value


def test_a_required_skill_survives_json_with_and_without_its_proficiency():
    sent = ["s", {"skill": "t", "min_proficiency": 5}, {"skill": "u"}, {"skill": "v", "min_proficiency": 0.5}]
    accepted = plan(required_skills=sent)
    assert [str(one) for one in accepted.requirements] == ["s", "t >= 5", "u", "v >= 0.5"]
    assert parse_plan(accepted.canonical()) == accepted


def test_five_thousand_members_are_accepted():
    assert len(plan(member_weights={f"m{i}": 0.0002 for i in range(MAX_MEMBERS)}).weights) == 5_000


def test_a_body_of_exactly_the_limit_is_accepted():
    body = document().encode()
    assert parse_plan(body + b" " * (strict_json.MAX_BODY_BYTES - len(body))) == plan()


def test_text_and_its_bytes_are_the_same_plan():
    assert parse_plan(document(reason="née")) == parse_plan(document(reason="née").encode())


# ---- the load --------------------------------------------------------------------------------------------------------

VOLUME = {"offered": 100, "aht_s": 180}


def test_a_forecast_has_the_documented_defaults():
    accepted = plan(forecast=VOLUME)
    assert accepted.forecast.model_dump() == {
        "offered": 100.0,
        "interval_s": 1800,
        "aht_s": 180.0,
        "patience_s": None,
        "service_level_target": None,
        "answer_within_s": None,
    }
    assert accepted.accept_uncertain is False


@pytest.mark.parametrize(
    "fields",
    [
        {"offered": 0},
        {"offered": 1e6, "aht_s": 1},
        {"interval_s": 60},
        {"interval_s": 86_400},
        {"aht_s": 0.001},
        {"patience_s": 86_400},
        {"service_level_target": 0, "answer_within_s": 20},
        {"service_level_target": 1.0},
        {"patience_s": None},
    ],
)
def test_a_forecast_on_the_edge_is_accepted(fields):
    accepted = plan(forecast=VOLUME | fields).forecast
    assert accepted.model_dump().items() >= fields.items()


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        *(("offered", raw) for raw in ("-1", "1000001", '"100"', "true", "NaN", "Infinity", "null")),
        *(("interval_s", raw) for raw in ("59", "86401", "1800.5", "true", '"1800"', "null")),
        *(("aht_s", raw) for raw in ("0", "-1", "86401", "false", "null", "[]")),
        *(("patience_s", raw) for raw in ("0", "-1", '"long"', "Infinity")),
        *(("service_level_target", raw) for raw in ("-0.1", "1.1", "80", '"80 %"')),
        *(("answer_within_s", raw) for raw in ("0", "-20", "true")),
        ("colour", '"red"'),
    ],
)
def test_an_invalid_value_of_a_forecast_is_named_with_its_path(field, raw):
    text = document(forecast=VOLUME | {field: "@"}).replace('"@"', raw)
    assert {path for path, _ in problems(text)} == {f"forecast.{field}"}


@pytest.mark.parametrize("missing", VOLUME)
def test_a_forecast_needs_contacts_and_their_handle_time(missing):
    raw = document(forecast={name: value for name, value in VOLUME.items() if name != missing})
    kind = "value_error" if missing == "aht_s" else "missing"
    assert problems(raw) == {(f"forecast.{missing}", kind)}


@pytest.mark.parametrize("forecast", ["100", 100, True, [VOLUME]])
def test_a_forecast_is_an_object(forecast):
    assert problems(document(forecast=forecast)) == {("forecast", "model_type")}


def test_a_forecast_of_impossible_load_is_refused_with_the_load():
    said = refusal(document(forecast={"offered": 1e6, "aht_s": 3600})).details["errors"]
    assert [(p["path"], "2e+06 erlangs" in p["message"]) for p in said] == [("forecast", True)]


@pytest.mark.parametrize("load", [0, 6.5])
def test_two_loads_in_one_plan_are_refused_since_they_could_contradict(load):
    said = refusal(document(forecast=VOLUME, projected_load=load)).details["errors"]
    assert [p["path"] for p in said] == ["forecast"]
    assert said[0]["message"] == "the plan has projected_load too, which could contradict it: send one of them"
    assert plan(forecast=None, projected_load=load)
    assert plan(forecast=VOLUME, projected_load=None)


def test_two_loads_are_refused_together_with_everything_else():
    found = problems(document(forecast=VOLUME, projected_load=1, colour="red", overflow_threshold=2))
    assert {path for path, _ in found} == {"forecast", "colour", "overflow_threshold"}


@pytest.mark.parametrize("raw", ["1", '"true"', "null"])
def test_uncertainty_is_accepted_by_a_boolean_alone(raw):
    assert {path for path, _ in problems(text("accept_uncertain", raw))} == {"accept_uncertain"}


def test_a_plan_with_a_forecast_survives_being_stored():
    kept = plan(forecast=VOLUME | {"patience_s": 90}, accept_uncertain=True)
    assert parse_plan(kept.canonical()) == kept
    assert parse_plan(kept.canonical()).fingerprint() == kept.fingerprint()
    assert kept.fingerprint() != plan(forecast=VOLUME, accept_uncertain=True).fingerprint()


# ---- the sum ---------------------------------------------------------------------------------------------------------


def test_ten_times_a_tenth_is_one():
    assert weight_sum(plan(member_weights={f"m{i}": 0.1 for i in range(10)}).member_weights) == 1.0


@pytest.mark.parametrize("order", list(itertools.permutations([0.7, 0.2, 0.1])))
def test_seven_two_and_one_tenths_are_valid_in_every_order(order):
    assert plan(member_weights=dict(zip("abc", order, strict=True)))


@given(st.lists(st.integers(0, 10**15), min_size=1, max_size=200).filter(lambda cuts: cuts[0] > 0))
def test_decimals_that_sum_to_exactly_one_are_valid(parts):
    total = sum(parts)
    tenths = [part * 10**15 // total for part in parts]
    tenths[0] += 10**15 - sum(tenths)
    assert plan(member_weights={f"m{i}": float(Decimal(part).scaleb(-15)) for i, part in enumerate(tenths)})


@pytest.mark.parametrize(
    "weights",
    [
        {"a": 0.7, "b": 0.5},
        {"a": 1.0, "b": 1e-9},
        {"a": 1.0, "b": 2.3e-16},
        {"a": 0.5, "b": 0.5, "c": 2**-53, "d": 2**-107},  # a compensated sum still says 1
        {f"m{i}": 0.0002 for i in range(4_999)} | {"last": 0.000201},
    ],
)
def test_a_sum_above_one_is_refused_at_the_weights(weights):
    assert problems(document(member_weights=weights)) == {("member_weights", "weight_sum")}


def test_the_refusal_of_a_sum_names_the_sum_and_the_two_ways_out():
    message = refusal(document(member_weights={"a": 0.7, "b": 0.5})).message
    assert message == "member_weights: the weights sum to 1.2, more than 1: lower them, or set normalize to true"


@given(st.data(), weight_sets)
def test_the_sum_does_not_depend_on_the_order(data, weights):
    shuffled = dict(data.draw(st.permutations(list(weights.items()))))
    assert weight_sum(shuffled) == weight_sum(weights)


# ---- normalize -------------------------------------------------------------------------------------------------------


def test_normalize_scales_in_proportion():
    accepted = plan(member_weights={"a": 1, "b": 0.6, "c": 0.4}, normalize=True)
    assert accepted.weights == {"a": 0.5, "b": 0.3, "c": 0.2}
    assert accepted.member_weights == {"a": 1, "b": 0.6, "c": 0.4}


def test_normalizing_weights_that_sum_to_one_changes_nothing():
    accepted = plan(normalize=True)
    assert accepted.weights == accepted.member_weights


def test_weights_are_scaled_once_and_those_of_a_copy_are_its_own():
    accepted = plan(member_weights={"a": 1, "b": 1}, normalize=True)
    assert accepted.weights is accepted.weights
    assert accepted.model_copy(update={"member_weights": {"a": 1.0}}).weights == {"a": 1.0}
    assert accepted.model_copy() == accepted
    assert "weights" not in accepted.model_dump()


def test_normalize_rounds_down():
    assert normalized({"a": 1.0, "b": 1.0, "c": 1.0}) == dict.fromkeys("abc", 0.333333333333333)


@given(weight_sets)
def test_normalized_weights_never_sum_to_more_than_one(weights):
    assert weight_sum(normalized(weights)) <= 1


@given(big_sums)
def test_scaled_weights_keep_their_shares_and_sum_to_at_most_one(weights):
    total, scaled = sum(exact(weight) for weight in weights.values()), normalized(weights)
    assert sum(exact(weight) for weight in scaled.values()) <= 1
    for member, weight in scaled.items():
        assert abs(exact(weight) - exact(weights[member]) / total) < Fraction(1, 10**12)


@given(weight_sets)
def test_normalizing_twice_is_normalizing_once(weights):
    once = normalized(weights)
    assert normalized(once) == once


@given(st.data(), big_sums)
def test_normalizing_does_not_depend_on_the_order(data, weights):
    shuffled = dict(data.draw(st.permutations(list(weights.items()))))
    assert normalized(shuffled) == normalized(weights)


@given(weight_sets)
def test_normalizing_keeps_every_weight_between_0_and_1_and_in_its_rank(weights):
    scaled = normalized(weights)
    assert all(0 <= weight <= 1 for weight in scaled.values())
    ranked = sorted(weights, key=weights.__getitem__)
    assert all(scaled[low] <= scaled[high] for low, high in itertools.pairwise(ranked))


# ---- refused values --------------------------------------------------------------------------------------------------

NOT_A_SHARE = ["NaN", "Infinity", "-Infinity", "1e999", "-0.1", "1.1", '"0.5"', "true", "false", "null", "[0.5]", "{}"]


@pytest.mark.parametrize("raw", NOT_A_SHARE)
def test_a_weight_is_a_number_between_0_and_1(raw):
    body = text("member_weights", f'{{"a": {raw}, "b": 0.5}}')
    assert {path for path, _ in problems(body)} == {"member_weights.a"}


@pytest.mark.parametrize("field", ["overflow_threshold", "utilization_target"])
@pytest.mark.parametrize("raw", NOT_A_SHARE)
def test_a_threshold_is_a_number_between_0_and_1(field, raw):
    assert {path for path, _ in problems(text(field, raw))} == {field}


@pytest.mark.parametrize("raw", ["-0.001", "NaN", "Infinity", "1e999", '"45"', "true", "1000001"])
def test_what_is_no_load_in_erlangs_is_refused(raw):
    assert {path for path, _ in problems(text("projected_load", raw))} == {"projected_load"}


@pytest.mark.parametrize("raw", ["0", "3601", "-1", "30.5", '"30"', "true"])
def test_a_wrap_up_timeout_is_a_whole_number_of_seconds_up_to_an_hour(raw):
    assert {path for path, _ in problems(text("wrap_up_timeout_s", raw))} == {"wrap_up_timeout_s"}


@pytest.mark.parametrize("field", ["normalize", "dry_run"])
@pytest.mark.parametrize("raw", ["1", "0", '"true"', "null", "[]"])
def test_a_switch_is_true_or_false_and_nothing_similar(field, raw):
    assert {path for path, _ in problems(text(field, raw))} == {field}


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("requested_by", "", "requested_by"),
        ("requested_by", "r" * 201, "requested_by"),
        ("requested_by", "two\nlines", "requested_by"),
        ("requested_by", 7, "requested_by"),
        ("reason", "r" * 1001, "reason"),
        ("reason", "", "reason"),
        ("reason", "bell\x07", "reason"),
        ("reason", "ends with a newline\n", "reason"),
        ("reason", "delete\x7f", "reason"),
        ("required_skills", ["s"] * 21, "required_skills"),
        ("required_skills", ["good", ""], "required_skills.1"),
        ("required_skills", ["s" * 201], "required_skills.0"),
        ("required_skills", ["tab\t"], "required_skills.0"),
        ("required_skills", [7], "required_skills.0"),
        ("required_skills", [None], "required_skills.0"),
        ("required_skills", [{"min_proficiency": 3}], "required_skills.0.skill"),
        ("required_skills", [{"skill": ""}], "required_skills.0.skill"),
        ("required_skills", ["s", {"skill": "s", "min_proficiency": 5.1}], "required_skills.1.min_proficiency"),
        ("required_skills", [{"skill": "s", "min_proficiency": -1}], "required_skills.0.min_proficiency"),
        ("required_skills", [{"skill": "s", "min_proficiency": "3"}], "required_skills.0.min_proficiency"),
        ("required_skills", [{"skill": "s", "level": 3}], "required_skills.0.level"),
        ("required_skills", "billing", "required_skills"),
        ("required_skills", None, "required_skills"),
        ("strategy_reference", "", "strategy_reference"),
        ("strategy_reference", "s" * 65, "strategy_reference"),
        ("strategy_reference", "a b", "strategy_reference"),
        ("strategy_reference", "v1\n", "strategy_reference"),
        ("member_weights", {}, "member_weights"),
        ("member_weights", None, "member_weights"),
        ("member_weights", [], "member_weights"),
        ("member_weights", [["a", 0.5]], "member_weights"),
        ("member_weights", {f"m{i}": 0.0001 for i in range(5_001)}, "member_weights"),
    ],
)
def test_a_value_over_the_edge_is_refused_at_its_path(field, value, path):
    assert {where for where, _ in problems(document(**{field: value}))} == {path}


BAD_IDS = {
    "empty": "",
    "slash": "a/b",
    "dot": "a.b",
    "path traversal": "../queues",
    "space": "a b",
    "unicode letter": "agent-é",
    "unicode digit": "agent-٣",
    "65 characters": "x" * 65,
    "newline at the end": "agent-1\n",
    "newline at the start": "\nagent-1",
    "NUL": "a\x00",
    "percent": "a%2Fb",
    "query": "a?b=c",
    "fragment": "a#b",
}


@pytest.mark.parametrize("bad", BAD_IDS.values(), ids=BAD_IDS.keys())
def test_a_queue_id_that_is_not_safe_in_a_path_is_refused(bad):
    assert problems(document(queue_id=bad)) == {("queue_id", "string_pattern_mismatch")}


@pytest.mark.parametrize("bad", BAD_IDS.values(), ids=BAD_IDS.keys())
def test_a_member_id_that_is_unsafe_in_a_path_is_refused_with_the_rule(bad):
    (found,) = refusal(document(member_weights={bad: 0.5, "good": 0.25})).details["errors"]
    assert found["path"] == f"member_weights.{bad}"
    assert found["message"] == "an id is 1 to 64 letters, digits, '-' and '_'"


@pytest.mark.parametrize("value", [7, None, True, ["queue-001"]])
def test_a_queue_id_is_a_string(value):
    assert {path for path, _ in problems(document(queue_id=value))} == {"queue_id"}


@pytest.mark.parametrize("field", SMALLEST_PLAN)
def test_a_plan_without_a_required_field_is_refused_at_that_field(field):
    incomplete = {name: value for name, value in SMALLEST_PLAN.items() if name != field}
    assert problems(json.dumps(incomplete)) == {(field, "missing")}


@pytest.mark.parametrize("name", ["member_weight", "Queue_id", "wrapUpTimeout", "__class__", ""])
def test_an_unknown_field_is_refused(name):
    (found,) = refusal(document(**{name: 1})).details["errors"]
    assert found == {"path": name, "message": "this field is unknown", "type": "extra_forbidden"}


# ---- bodies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", ["null", "[]", "7", '"plan"', "true", "[{}]"])
def test_a_body_that_is_not_an_object_is_refused_as_a_whole(raw):
    assert {path for path, _ in problems(raw)} == {""}


@pytest.mark.parametrize("raw", ["", "{", "{'queue_id': 1}", "{} {}", '{"a": 1,}', "\ufeff{}"])
def test_a_body_that_is_not_json_is_refused_as_a_whole(raw):
    assert problems(raw) == {("", "json_invalid")}


def test_a_syntax_error_is_named_with_its_line_and_column():
    assert refusal('{\n "queue_id": }').message == "plan: the body is not JSON: Expecting value at line 2 column 14"


def test_a_body_that_is_not_utf8_is_refused_at_its_first_bad_byte():
    assert refusal(b'{"queue_id": "\xff"}').message == "plan: the body is not UTF-8 at byte 14"


@pytest.mark.parametrize("one_too_many", [document() + " " * strict_json.MAX_BODY_BYTES, "é" * 524_289])
def test_a_body_over_the_limit_is_refused_unread(one_too_many):
    assert problems(one_too_many) == {("", "body_too_large")}


def test_a_body_one_byte_over_the_limit_is_refused():
    body = document().encode()
    assert problems(body.ljust(strict_json.MAX_BODY_BYTES + 1)) == {("", "body_too_large")}


@pytest.mark.parametrize("levels", [33, 500, 100_000])
def test_a_deeply_nested_body_is_refused(levels):
    found = problems(text("member_weights", "[" * levels + "]" * levels))
    assert "json_invalid" in {kind for _, kind in found}


def test_nesting_up_to_the_limit_is_refused_by_the_model_only():
    levels = strict_json.MAX_DEPTH
    assert problems(text("reason", "[" * levels + "]" * levels)) == {("reason", "string_type")}


@pytest.mark.parametrize("digits", [400, 4_000, 5_000, 200_000])
def test_a_number_of_thousands_of_digits_is_refused(digits):
    assert refusal(text("overflow_threshold", "9" * digits))


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (document()[:-1] + ', "queue_id": "queue-002"}', "queue_id"),
        (document()[:-1] + ', "queue_id": "queue-001"}', "queue_id"),
        (text("member_weights", '{"a": 0.1, "b": 0.2, "a": 0.3}'), "member_weights.a"),
        (text("reason", '[{"x": {"deep": 1, "deep": 1}}]'), "reason.0.x.deep"),
    ],
)
def test_a_key_that_appears_twice_is_refused_at_any_depth(raw, path):
    assert (path, "duplicate_key") in problems(raw)


def test_a_key_that_appears_three_times_is_one_problem():
    raw = text("member_weights", '{"a": 0.1, "a": 0.1, "a": 0.1}')
    assert [found["path"] for found in refusal(raw).details["errors"]] == ["member_weights.a"]


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_all_errors_are_reported_at_once():
    raw = json.dumps(
        {
            "queue_id": "a/b",
            "member_weights": {"a": 1.5, "b c": 0.1, "d": "0.5"},
            "overflow_threshold": -1,
            "strategy_reference": "ring-by-weight",
            "projected_load": -1,
            "surprise": 1,
        }
    )
    raw = raw[:-1] + ', "surprise": 2}'
    assert problems(raw) == {
        ("queue_id", "string_pattern_mismatch"),
        ("member_weights.a", "less_than_equal"),
        ("member_weights.b c", "string_pattern_mismatch"),
        ("member_weights.d", "float_type"),
        ("overflow_threshold", "greater_than_equal"),
        ("utilization_target", "missing"),
        ("projected_load", "greater_than_equal"),
        ("surprise", "duplicate_key"),
        ("surprise", "extra_forbidden"),
    }


def test_the_sum_is_reported_beside_another_fields_error():
    raw = document(member_weights={"a": 0.7, "b": 0.5}, overflow_threshold=2)
    assert problems(raw) == {("member_weights", "weight_sum"), ("overflow_threshold", "less_than_equal")}


def test_with_normalize_the_sum_is_not_reported_beside_another_error():
    raw = document(member_weights={"a": 0.7, "b": 0.5}, overflow_threshold=2, normalize=True)
    assert problems(raw) == {("overflow_threshold", "less_than_equal")}


def test_at_most_a_hundred_problems_are_listed_and_all_are_counted():
    error = refusal(document(member_weights={f"m{i}": 2 for i in range(250)}))
    assert (len(error.details["errors"]), error.details["error_count"]) == (100, 250)
    assert error.message.endswith("; and 247 more")
    assert error.message.count("member_weights.m") == 3


def test_three_problems_are_quoted_without_a_remainder():
    message = refusal(document(member_weights={f"m{i}": 2 for i in range(3)})).message
    assert (message.count("member_weights.m"), "more" in message) == (3, False)


@pytest.mark.parametrize(
    "raw",
    [
        document()[:-1] + ', "\\ud800": 1, "\\ud800": 2}',
        document(reason="\ud800"),
        document(member_weights={"\udfff": 0.5}),
        document(**{"\ud800": 1}),
    ],
    ids=["duplicate key", "value", "member id", "unknown field"],
)
def test_a_refusal_of_half_a_surrogate_pair_fits_an_answer_and_a_record(raw):
    error = refusal(raw)
    assert problem_of(error).model_dump_json()
    assert str(error).encode()


def test_the_refusal_of_a_huge_key_fits_a_step_functions_cause():
    key = "k" * 200_000
    error = refusal(document()[:-1] + f', "{key}": 1, "{key}": 2}}')
    assert len(str(error)) < 32_768


@given(st.binary(max_size=200))
def test_any_bytes_are_a_plan_or_a_refusal(raw):
    assert_plan_or_refusal(raw)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Plan.model_fields, "other"]), json_values, max_size=8))
def test_any_json_object_is_a_plan_or_a_refusal(changes):
    assert_plan_or_refusal(document(**changes).encode())


@given(st.data())
def test_any_damaged_plan_is_a_plan_or_a_refusal(data):
    raw = bytearray(document(normalize=True, reason="why").encode())
    for at, byte in data.draw(st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=4)):
        raw[at] = byte
    assert_plan_or_refusal(bytes(raw))


def assert_plan_or_refusal(raw):
    try:
        accepted, refused = parse_plan(raw), None
    except PlanInvalid as error:
        accepted, refused = None, error
    if refused:
        assert refused.details["error_count"] >= len(refused.details["errors"]) > 0
        assert all(found.keys() == {"path", "message", "type"} for found in refused.details["errors"])
    else:
        assert parse_plan(accepted.canonical()) == accepted


# ---- canonical form --------------------------------------------------------------------------------------------------


@given(st.data())
def test_the_fingerprint_does_not_depend_on_the_order_of_keys(data):
    full = SMALLEST_PLAN | {"reason": "why", "projected_load": 3.5, "dry_run": True}
    fields = dict(data.draw(st.permutations(list(full.items()))))
    weights = dict(data.draw(st.permutations(list(full["member_weights"].items()))))
    assert plan(**fields | {"member_weights": weights}).fingerprint() == plan(**full).fingerprint()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"overflow_threshold": 1}, {"overflow_threshold": 1.0}),
        ({"member_weights": {"a": 1}}, {"member_weights": {"a": 1.0}}),
        ({"projected_load": 45}, {"projected_load": 45.0}),
        ({}, {"normalize": False, "dry_run": False, "required_skills": [], "reason": None}),
    ],
)
def test_two_spellings_of_a_plan_have_one_fingerprint(one, other):
    assert plan(**one).fingerprint() == plan(**other).fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"member_weights": {"agent-1": 0.4000000000000001}},
        {"dry_run": True},
        {"normalize": True},
        {"queue_id": "queue-002"},
        {"reason": "another"},
    ],
)
def test_another_plan_has_another_fingerprint(change):
    assert plan(**change).fingerprint() != plan().fingerprint()


def test_the_canonical_text_is_compact_sorted_and_without_defaults():
    assert plan(member_weights={"b": 0.25, "a": 1e-7}).canonical() == (
        '{"member_weights":{"a":1e-07,"b":0.25},"overflow_threshold":0.85,"queue_id":"queue-001",'
        '"strategy_reference":"longest-available-agent","utilization_target":0.8}'
    )


def test_a_plan_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        plan().queue_id = "queue-002"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"queue_id": "a/b"}, "queue_id: an id is 1 to 64 letters, digits, '-' and '_'"),
        ({"member_weights": {"a/b": 0.5}}, "member_weights.a/b: an id is 1 to 64 letters, digits, '-' and '_'"),
        (
            {"strategy_reference": "a b"},
            "strategy_reference: a strategy's name is 1 to 64 letters, digits, '.', '-' and '_'",
        ),
        ({"reason": "a\nb"}, "reason: line breaks and control characters are not allowed"),
        (
            {"required_skills": [7]},
            'required_skills.0: a skill is an id or name, or {"skill": its id or name, "min_proficiency": 0 to 5}',
        ),
        ({"required_skills": ["\x00"]}, "required_skills.0: line breaks and control characters are not allowed"),
    ],
)
def test_a_pattern_is_explained_in_words(changes, words):
    assert refusal(document(**changes)).message == words


# ---- ids -------------------------------------------------------------------------------------------------------------


def test_ids_are_held_in_lower_case():
    groups = [{"id": "G-1", "type": "GROUP"}]
    found = plan(queue_id="9C2E6F0A", member_weights={"1F0B": 0.5}, shared_with=[{"queue_id": "Q-2"}],
                 overflow_groups=groups)  # fmt: skip
    assert (found.queue_id, found.member_weights) == ("9c2e6f0a", {"1f0b": 0.5})
    assert (found.shared_with[0].queue_id, found.overflow_groups[0].id) == ("q-2", "g-1")
    lower = {"queue_id": "9c2e6f0a", "member_weights": {"1f0B": 0.5}, "shared_with": [{"queue_id": "q-2"}]}
    assert found.fingerprint() == plan(**lower, overflow_groups=groups).fingerprint()


def test_one_member_in_two_cases_is_refused_at_both_paths():
    with pytest.raises(PlanInvalid) as caught:
        plan(member_weights={"A-1": 0.5, "b": 0.1, "a-1": 0.2})
    assert [(found["path"], found["type"]) for found in caught.value.details["errors"]] == [
        ("member_weights.A-1", "duplicate_member"),
        ("member_weights.a-1", "duplicate_member"),
    ]
