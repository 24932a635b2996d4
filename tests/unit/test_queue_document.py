"""A queue of the platform as raw JSON: read, merged for the PUT, and compared with what somebody else made of it."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights.adapters.genesys.contracts.queue_document import FIELDS, READ_ONLY, QueueDocument
from routing_weights.domain.actuation import resolve
from routing_weights.domain.queue import SETTINGS, QueueSettings
from routing_weights.errors import GenesysAnswerInvalid, QueueChanged
from tests.support.fakes import plan

GROUPS = [{"id": "g-1", "type": "GROUP"}, {"id": "g-2", "type": "TEAM"}]
NOTHING = QueueSettings(bullseye_rings=0)


def document(raw, *, groups=GROUPS, **changes):
    wanted = plan(overflow_groups=groups, **{"strategy_reference": "ring-by-weight"} | changes)
    return QueueDocument(raw, resolve(wanted, deployed="ring"))


def raw_queue(**fields):
    return {"id": "queue-001", "name": "Support", "dateModified": "2026-01-31T08:00:00Z", "modifiedBy": "ada"} | fields


def rule(*groups, metric="ServiceLevel", operator="LessThan", value=0.7, **more):
    held = [{"id": group, "type": "GROUP", "name": f"Group {group}"} for group in groups]
    return {"metric": metric, "operator": operator, "conditionValue": value, "groups": held} | more


def rules(*held):
    return {"conditionalGroupRouting": {"rules": list(held)}}


OURS = rule("g-1", "g-2", value=0.8, waitSeconds=15)
FOREIGN = [
    rule("g-1"),
    rule("g-1", "g-2", "g-3"),
    rule("g-1", "g-2", metric="EstimatedWaitTime"),
    rule("g-1", "g-2", operator="GreaterThan"),
    rule("g-1", "g-2", queue={"id": "queue-002"}),
    rule(),
    {},
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda children: st.lists(children, max_size=2) | st.dictionaries(st.text(max_size=4), children, max_size=2),
    max_leaves=4,
)
unknown_fields = st.dictionaries(
    st.text(max_size=12).filter(lambda name: name not in FIELDS.values()), json_values, max_size=4
)
known_fields = st.fixed_dictionaries(
    {},
    optional={
        "acwSettings": st.none() | st.just({}) | st.just({"wrapupPrompt": "OPTIONAL", "timeoutMs": 30_000, "x": [1]}),
        "skillEvaluationMethod": st.sampled_from([None, "NONE", "BEST", "ALL"]),
        "bullseye": st.none() | st.just({}) | st.just({"rings": None, "x": 1}) | st.just({"rings": [{"x": 1}] * 3}),
        "conditionalGroupRouting": st.none()
        | st.just({})
        | st.lists(st.sampled_from([OURS, *FOREIGN]), max_size=4).map(lambda held: {"rules": held, "x": "y"}),
    },
)
raw_queues = st.builds(lambda unknown, known: unknown | known, unknown_fields, known_fields)
settings = st.fixed_dictionaries(
    {},
    optional={
        "wrap_up_timeout_s": st.integers(1, 3600),
        "skill_evaluation_method": st.sampled_from(["NONE", "BEST", "ALL"]),
        "bullseye_rings": st.just(6),
        "overflow_threshold": st.floats(0, 1),
    },
)


def test_every_setting_has_its_field():
    assert FIELDS.keys() == {*SETTINGS} - {"share_options"}, "those are in this system's own table"


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_a_queue_that_has_nothing_holds_nothing():
    assert document(raw_queue()).settings() == NOTHING


def test_what_a_queue_holds_is_told_in_our_words():
    raw = raw_queue(
        acwSettings={"wrapupPrompt": "MANDATORY", "timeoutMs": 120_500},
        skillEvaluationMethod="BEST",
        bullseye={"rings": [{}, {}, {}]},
        **rules(*FOREIGN, OURS),
    )
    assert document(raw).settings() == QueueSettings(
        wrap_up_timeout_s=120.5, skill_evaluation_method="BEST", bullseye_rings=3, overflow_threshold=0.8
    )


def test_without_overflow_groups_the_threshold_is_none_of_the_queues_settings():
    assert document(raw_queue(**rules(OURS)), groups=[]).settings() == NOTHING


@pytest.mark.parametrize(
    "mine",
    [
        rule("g-1", "g-2"),
        rule("g-2", "g-1"),
        rule("g-1", "g-2", queue=None),
        rule("g-1", "g-2", queue={}),
        rule("g-1", "g-2", queue={"id": "queue-001", "name": "Support"}),
    ],
)
def test_a_service_level_rule_for_just_these_groups_is_ours(mine):
    assert document(raw_queue(**rules(*FOREIGN, mine))).settings().overflow_threshold == 0.7


@pytest.mark.parametrize("foreign", FOREIGN)
def test_any_other_rule_is_somebody_elses(foreign):
    assert document(raw_queue(**rules(foreign))).settings().overflow_threshold is None


@pytest.mark.parametrize(
    "fields",
    [
        {"acwSettings": 7},
        {"acwSettings": []},
        {"acwSettings": {"timeoutMs": "30000"}},
        {"acwSettings": {"timeoutMs": True}},
        {"acwSettings": {"timeoutMs": 1e300}},
        {"bullseye": "rings"},
        {"bullseye": {"rings": 6}},
        {"bullseye": {"rings": [1]}},
        {"conditionalGroupRouting": []},
        {"conditionalGroupRouting": {"rules": {"x": 1}}},
        {"conditionalGroupRouting": {"rules": ["x"]}},
        {"conditionalGroupRouting": {"rules": [rule("g-1", "g-2") | {"groups": "all"}]}},
        {"conditionalGroupRouting": {"rules": [rule("g-1", "g-2", queue="queue-001")]}},
        {"conditionalGroupRouting": {"rules": [rule("g-1", "g-2", value="0.7")]}},
    ],
    ids=repr,
)
def test_a_queue_of_another_shape_is_an_invalid_answer(fields):
    with pytest.raises(GenesysAnswerInvalid):
        document(raw_queue(**fields)).settings()


@pytest.mark.parametrize(
    "bad", [rule("g-1") | {"groups": [{"id": ["g-1"]}]}, rule("g-1", "g-2", queue={"id": {}})], ids=["group", "queue"]
)
def test_a_rule_with_an_id_that_is_no_text_is_somebody_elses(bad):
    assert document(raw_queue(**rules(bad))).settings().overflow_threshold is None


# ---- merging ---------------------------------------------------------------------------------------------------------


@given(raw_queues, settings)
def test_merging_changes_nothing_but_the_fields_of_the_named_settings(raw, wanted):
    before = copy.deepcopy(raw)
    merged = document(raw).merged(wanted)
    touched = {FIELDS[name] for name in wanted}
    assert {k: v for k, v in merged.items() if k not in touched} == {k: v for k, v in raw.items() if k not in touched}
    assert list(merged)[: len(raw)] == list(raw)
    assert raw == before


@given(raw_queues, settings)
def test_what_was_merged_is_read_back_and_everything_else_is_as_it_was(raw, wanted):
    merged = document(document(raw).merged(wanted)).settings()
    assert merged == document(raw).settings().changed(wanted)


@given(raw_queues, settings)
def test_merging_twice_is_merging_once(raw, wanted):
    once = document(raw).merged(wanted)
    assert document(once).merged(wanted) == once


@given(raw_queues, st.floats(0, 1))
def test_other_rules_survive_and_ours_is_there_once(raw, threshold):
    def split(queue):
        held = (queue.get("conditionalGroupRouting") or {}).get("rules") or []
        bare = [{k: v for k, v in r.items() if k != "waitSeconds" or v != 2} for r in held]
        return [r for r in bare if r in FOREIGN], [r for r in held if r.get("waitSeconds") != 2 and r not in FOREIGN]

    foreign, ours = split(raw)
    merged_foreign, merged_ours = split(document(raw).merged({"overflow_threshold": threshold}))
    assert merged_foreign == foreign
    assert len(merged_ours) == max(1, len(ours))
    assert all(mine["conditionValue"] == threshold for mine in merged_ours)


def test_our_rule_is_updated_where_it_stands_and_keeps_what_else_it_says():
    merged = document(raw_queue(**rules(FOREIGN[0], OURS, FOREIGN[1]))).merged({"overflow_threshold": 0.9})
    assert merged["conditionalGroupRouting"]["rules"] == [FOREIGN[0], OURS | {"conditionValue": 0.9}, FOREIGN[1]]


@pytest.mark.parametrize("held", [{}, {"conditionalGroupRouting": None}, {"conditionalGroupRouting": {"rules": None}}])
def test_the_first_rule_of_a_queue_names_metric_operator_value_and_groups(held):
    merged = document(raw_queue(**held)).merged({"overflow_threshold": 0.85})
    assert merged["conditionalGroupRouting"] == {
        "rules": [{"metric": "ServiceLevel", "operator": "LessThan", "conditionValue": 0.85, "groups": GROUPS}]
    }


def test_a_wrap_up_timeout_is_written_in_whole_milliseconds_beside_the_prompt():
    raw = raw_queue(acwSettings={"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 1000})
    merged = document(raw).merged({"wrap_up_timeout_s": 120})
    assert merged["acwSettings"] == {"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 120_000}
    assert isinstance(merged["acwSettings"]["timeoutMs"], int)


def timeout(seconds):
    return {"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": seconds}]}


def test_six_rings_have_a_timeout_each_the_last_one_too():
    merged = document(raw_queue(bullseye={"x": 1})).merged({"bullseye_rings": 6})
    assert merged["bullseye"] == {"x": 1, "rings": [timeout(10)] * 5 + [timeout(5)]}


def test_the_one_ring_that_a_queue_has_keeps_what_else_it_says():
    only = timeout(5) | {"actions": {"skillsToRemove": [{"id": "s"}]}}
    merged = document(raw_queue(bullseye={"rings": [only]})).merged({"bullseye_rings": 6})
    assert merged["bullseye"]["rings"] == [only | timeout(10), *[timeout(10)] * 4, timeout(5)]


def test_a_rule_that_is_no_longer_the_last_one_waits_and_goes_back_as_it_was():
    raw = raw_queue(**rules(FOREIGN[0] | {"waitSeconds": 7}, FOREIGN[2]))
    merged = document(raw).merged({"overflow_threshold": 0.5})
    first, second, ours = merged["conditionalGroupRouting"]["rules"]
    assert (first, second) == (raw["conditionalGroupRouting"]["rules"][0], FOREIGN[2] | {"waitSeconds": 2})
    assert "waitSeconds" not in ours
    assert document(merged).restored(raw, ["overflow_threshold"]) == raw
    then = document(raw).fields_of(["overflow_threshold"])
    assert document(merged).merged({"overflow_threshold": None}, then) == raw


@pytest.mark.parametrize("wait", [0, 2, 9])
def test_a_rule_that_says_how_long_it_waits_goes_on_saying_so(wait):
    held = FOREIGN[0] | {"waitSeconds": wait}
    merged = document(raw_queue(**rules(held))).merged({"overflow_threshold": 0.5})
    assert merged["conditionalGroupRouting"]["rules"][0] == held
    back = document(merged).restored(raw_queue(**rules(held)), ["overflow_threshold"])
    assert back["conditionalGroupRouting"]["rules"] == [held]


def test_the_waiting_time_that_somebody_changed_meanwhile_stays():
    raw = raw_queue(**rules(FOREIGN[0]))
    now = document(raw).merged({"overflow_threshold": 0.5})
    now["conditionalGroupRouting"]["rules"][0]["waitSeconds"] = 30
    back = document(now).restored(raw, ["overflow_threshold"])
    assert back["conditionalGroupRouting"]["rules"] == [FOREIGN[0] | {"waitSeconds": 30}]


def test_groups_of_rings_are_told_in_a_fixed_order_and_can_be_taken_out():
    held = [timeout(9) | {"memberGroups": []}, timeout(9) | {"memberGroups": [{"id": "g-2"}, {"id": "g-1"}]}]
    one = document(raw_queue(bullseye={"rings": held}))
    assert one.settings().ring_groups == "2: g-1, g-2"
    assert one.without_ring_groups()["bullseye"] == {"rings": [held[0], held[1] | {"memberGroups": []}]}


def test_merging_nothing_is_the_queue_as_it_was():
    raw = raw_queue(**rules(OURS), lastAgentRoutingMode="AnyAgent")
    assert document(raw).merged({}) == raw


# ---- restored settings -----------------------------------------------------------------------------------------------


def without_empty_fields(queue):
    """A field that is null is a field that is not there, and no rules are none at all."""
    nothing = (None, {}, {"rules": []})
    return {k: v for k, v in queue.items() if k not in FIELDS.values() or v not in nothing}


@given(raw_queues, settings)
def test_a_restored_queue_is_as_it_was_before_the_merge(raw, wanted):
    before, merged = copy.deepcopy(raw), document(raw).merged(wanted)
    written = copy.deepcopy(merged)
    back = document(merged).restored(raw, wanted)
    assert without_empty_fields(back) == without_empty_fields(raw)
    assert (raw, merged) == (before, written)


@given(raw_queues, settings, st.data())
def test_putting_one_setting_back_leaves_the_others_as_they_were_written(raw, wanted, data):
    names = data.draw(st.lists(st.sampled_from(sorted(wanted)), unique=True)) if wanted else []
    merged = document(raw).merged(wanted)
    found = document(document(merged).restored(raw, names)).settings()
    then = document(raw).settings()
    assert found == document(merged).settings().changed({name: then.get(name) for name in names})


@given(raw_queues, settings, unknown_fields)
def test_what_somebody_else_has_changed_meanwhile_stays(raw, wanted, theirs):
    """Everything that is not one of our fields, whoever wrote it and whenever."""
    merged = document(raw).merged(wanted) | theirs
    back = document(merged).restored(raw, wanted)
    assert {k: v for k, v in back.items() if k not in FIELDS.values()} == {
        k: v for k, v in merged.items() if k not in FIELDS.values()
    }


def test_a_rule_that_somebody_else_has_added_meanwhile_stays():
    raw = raw_queue(**rules(FOREIGN[0], OURS))
    now = document(raw).merged({"overflow_threshold": 0.5})
    now["conditionalGroupRouting"]["rules"].append(FOREIGN[1])
    back = document(now).restored(raw, ["overflow_threshold"])
    assert back["conditionalGroupRouting"]["rules"] == [FOREIGN[0], OURS, FOREIGN[1]]
    now = document(raw_queue()).merged({"overflow_threshold": 0.5})
    now["conditionalGroupRouting"]["rules"].insert(0, FOREIGN[1])
    back = document(now).restored(raw_queue(), ["overflow_threshold"])
    assert back["conditionalGroupRouting"]["rules"] == [FOREIGN[1]]


def test_a_restored_wrap_up_time_out_leaves_somebodys_new_prompt():
    raw = raw_queue(acwSettings={"wrapupPrompt": "OPTIONAL", "timeoutMs": 30_000})
    now = document(raw).merged({"wrap_up_timeout_s": 45})
    now["acwSettings"]["wrapupPrompt"] = "MANDATORY"
    back = document(now).restored(raw, ["wrap_up_timeout_s"])
    assert back["acwSettings"] == {"wrapupPrompt": "MANDATORY", "timeoutMs": 30_000}


def test_somebodys_new_prompt_stays_without_an_earlier_time_out():
    raw = raw_queue(acwSettings={"wrapupPrompt": "OPTIONAL"})
    now = document(raw).merged({"wrap_up_timeout_s": 45})
    now["acwSettings"]["wrapupPrompt"] = "MANDATORY"
    back = document(now).restored(raw, ["wrap_up_timeout_s"])
    assert back["acwSettings"] == {"wrapupPrompt": "MANDATORY"}


# ---- room for the overflow rule --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", range(5))
def test_a_queue_with_fewer_than_five_rules_has_room(count):
    assert document(raw_queue(**rules(*[FOREIGN[0]] * count))).no_room_for_overflow() is None


def test_a_queue_with_five_rules_of_others_has_no_room():
    reason = document(raw_queue(**rules(*[FOREIGN[0]] * 5))).no_room_for_overflow()
    assert reason == "the queue has 5 conditional group routing rules, and Genesys takes no more"


def test_a_queue_with_five_rules_has_room_where_one_is_ours():
    assert document(raw_queue(**rules(*[FOREIGN[0]] * 4, OURS))).no_room_for_overflow() is None


@pytest.mark.parametrize("held", [{}, rules(OURS)])
def test_conditional_group_activation_excludes_the_rule(held):
    raw = raw_queue(conditionalGroupActivation={"pilotRule": {}}, **held)
    assert "conditional group activation" in document(raw).no_room_for_overflow()


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_queue_that_only_might_have_conditional_group_activation_has_room(nothing):
    assert document(raw_queue(conditionalGroupActivation=nothing)).no_room_for_overflow() is None


# ---- notes -----------------------------------------------------------------------------------------------------------

GATE = "The plan names no overflow groups: overflow_threshold is only a gate of this system."
TIMED = ["AGENT_REQUESTED", "MANDATORY_TIMEOUT", "MANDATORY_FORCED_TIMEOUT"]
MEMBER_GROUPS = {"memberGroups": [{"id": "g-2"}, {"id": "g-1", "type": "GROUP"}, {"id": "g-3"}]}


def notes(raw, *, groups=GROUPS, **settings):
    return document(raw, groups=groups).notes(settings)


def test_without_overflow_groups_the_threshold_is_noted_as_a_gate():
    assert notes(raw_queue(), groups=[]) == [GATE]


def test_groups_that_are_member_groups_need_no_note():
    assert notes(raw_queue(**MEMBER_GROUPS)) == []


@pytest.mark.parametrize(
    ("held", "named"), [(None, "g-1, g-2"), ([], "g-1, g-2"), ([{"id": "g-2"}], "g-1"), ([{"id": ["g-1"]}], "g-1, g-2")]
)
def test_groups_that_are_no_member_groups_are_named(held, named):
    assert notes(raw_queue(memberGroups=held)) == [
        f"Not member groups of the queue: {named}. Genesys calls in member groups only."
    ]


@pytest.mark.parametrize(
    ("bullseye", "settings", "noted"),
    [
        (None, {}, False),
        ({}, {}, False),
        ({"rings": [{}]}, {}, True),
        (None, {"bullseye_rings": 6}, True),
        (None, {"wrap_up_timeout_s": None}, False),
    ],
)
def test_rings_beside_overflow_groups_are_noted(bullseye, settings, noted):
    raw = raw_queue(bullseye=bullseye, acwSettings={"wrapupPrompt": TIMED[0]}, **MEMBER_GROUPS)
    assert any("as alternatives" in note for note in notes(raw, **settings)) is noted
    assert not any("as alternatives" in note for note in notes(raw, groups=[], **settings))


@pytest.mark.parametrize("prompt", [*TIMED, "MANDATORY", "OPTIONAL", None])
def test_a_prompt_that_takes_no_timeout_is_noted_where_one_is_set(prompt):
    raw = raw_queue(acwSettings={"wrapupPrompt": prompt}, **MEMBER_GROUPS)
    sentence = (
        f"The wrap-up prompt is {prompt}: Genesys takes a time-out only with "
        "AGENT_REQUESTED, MANDATORY_TIMEOUT, MANDATORY_FORCED_TIMEOUT."
    )
    assert notes(raw, wrap_up_timeout_s=20) == ([] if prompt in TIMED else [sentence])
    assert notes(raw) == []


# ---- what somebody else changed --------------------------------------------------------------------------------------

ALL = list(FIELDS)


def changed(read, now, touched=ALL):
    with pytest.raises(QueueChanged) as caught:
        document(now).require_unchanged(read, touched)
    return caught.value


@given(raw_queues, st.lists(st.sampled_from(ALL), unique=True))
def test_a_queue_that_is_as_it_was_is_unchanged(raw, touched):
    document(copy.deepcopy(raw)).require_unchanged(raw, touched)


@pytest.mark.parametrize("touched", [ALL, ["wrap_up_timeout_s"], []])
def test_a_later_date_is_a_change_by_somebody_at_some_time_of_these_fields(touched):
    now = raw_queue(dateModified="2026-01-31T09:00:00Z", modifiedBy="bob", name="Sales", description="new")
    error = changed(raw_queue(), now, touched)
    assert error.details == {
        "modified_by": "bob",
        "date_modified": "2026-01-31T09:00:00Z",
        "fields": ["description", "name"],
    }
    assert error.message == (
        "Queue queue-001 was changed by bob at 2026-01-31T09:00:00Z, after this run had read it (description, name). "
        "Nothing was overwritten: look at the change, then send the plan again."
    )


def test_a_later_date_without_a_visible_change_is_a_change():
    error = changed(raw_queue(), raw_queue(dateModified="2026-01-31T09:00:00Z"))
    assert error.details["fields"] == []
    assert "(no field that a reading shows)" in error.message


def test_somebody_whom_genesys_does_not_name_is_somebody():
    now = {"id": "queue-001", "skillEvaluationMethod": "BEST"}
    error = changed({"id": "queue-001"}, now)
    assert "was changed by somebody at an unknown time" in error.message


@pytest.mark.parametrize(("name", "field"), FIELDS.items())
def test_a_field_that_would_be_touched_and_differs_is_a_change_even_without_a_date(name, field):
    read, now = raw_queue(**{field: None}), raw_queue(**{field: {"x": 1}})
    assert changed(read, now, [name]).details["fields"] == [field]
    others = [other for other in ALL if FIELDS[other] != field]
    document(now).require_unchanged(read, others)


def test_a_field_that_came_or_went_differs():
    assert changed(raw_queue(), raw_queue(bullseye={"rings": []})).details["fields"] == ["bullseye"]
    assert changed(raw_queue(bullseye={"rings": []}), raw_queue()).details["fields"] == ["bullseye"]


@pytest.mark.parametrize("name", sorted(READ_ONLY - {"dateModified"}))
def test_what_genesys_counts_by_itself_is_no_change(name):
    document(raw_queue(**{name: 8})).require_unchanged(raw_queue(**{name: 7}), ALL)


def test_a_field_that_is_not_touched_may_differ_under_the_same_date():
    document(raw_queue(name="Sales")).require_unchanged(raw_queue(), ALL)
