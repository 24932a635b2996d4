"""The strategies file: what is shipped, what is refused with its name, and what a plan may say beside it."""

import json

import pytest

from routing_weights.domain.actuators import ACTUATORS
from routing_weights.domain.plan import Plan, parse_plan
from routing_weights.domain.strategies import FILE, OverflowGroup, strategies
from routing_weights.errors import ConfigurationInvalid, PlanInvalid
from tests.support.fakes import SMALLEST_PLAN, plan

SHIPPED = sorted(
    [
        "by-weight",
        "join-by-weight",
        "longest-available-agent",
        "proficiency-by-weight",
        "ring-by-weight",
        "score-by-weight",
        "share-by-weight",
    ]
)
GOOD = '[one]\ndescription = "A sentence."\n'


@pytest.fixture
def read(tmp_path):
    """The strategies of a file with this text."""

    def read(text):
        file = tmp_path / "strategies.toml"
        file.write_text(text)
        return strategies(file)

    return read


def problems(**changes):
    with pytest.raises(PlanInvalid) as caught:
        parse_plan(json.dumps(SMALLEST_PLAN | changes))
    return caught.value.details["errors"]


def kinds(**changes):
    return {(found["path"], found["type"]) for found in problems(**changes)}


# ---- the file that is shipped ----------------------------------------------------------------------------------------


def test_the_shipped_file_loads():
    assert sorted(strategies()) == SHIPPED


def test_there_is_a_strategy_for_each_actuator():
    actuators = {name: strategy.actuator for name, strategy in strategies().items()}
    assert actuators == {
        "longest-available-agent": None,
        "by-weight": None,
        "score-by-weight": "score",
        "share-by-weight": "share",
        "ring-by-weight": "ring",
        "proficiency-by-weight": "proficiency",
        "join-by-weight": "joined",
    }


def test_the_strategy_that_requires_nothing_requires_nothing():
    plain = strategies()["longest-available-agent"]
    assert (plain.skill_evaluation_method, plain.bullseye_timeouts_s, plain.overflow_groups) == (None, (), ())
    assert plain.if_different == "verify"


def test_six_rings_have_five_timeouts():
    assert strategies()["ring-by-weight"].bullseye_timeouts_s == (10, 10, 10, 10, 10)


def test_proficiencies_need_a_queue_that_picks_the_best():
    assert strategies()["proficiency-by-weight"].skill_evaluation_method == "BEST"


def test_the_file_explains_every_field_of_a_strategy():
    comments = [line for line in FILE.read_text().splitlines() if line.startswith("# ")]
    explained = {line.removeprefix("# ").split()[0] for line in comments}
    assert type(strategies()["ring-by-weight"]).model_fields.keys() <= explained


@pytest.mark.parametrize("name", SHIPPED)
def test_a_plan_may_name_every_shipped_strategy(name):
    skill = {"skill": "Queue 1"} if name == "proficiency-by-weight" else {}
    assert plan(strategy_reference=name, **skill).strategy_reference == name


# ---- a file of one's own ---------------------------------------------------------------------------------------------


def test_a_strategy_needs_only_a_description(read):
    (strategy,) = read(GOOD).values()
    assert strategy.description == "A sentence."
    assert (strategy.actuator, strategy.skill, strategy.proficiency_digits) == (None, None, 1)


def test_a_strategy_may_say_everything(read):
    strategy = read(
        GOOD
        + 'actuator = "proficiency"\nskill = "Queue 1"\nproficiency_digits = 2\nskill_evaluation_method = "BEST"\n'
        + 'bullseye_timeouts_s = [0.5, 259200]\nif_different = "set"\n'
        + 'overflow_groups = [{ id = "g-1" }, { id = "g-2", type = "SKILLGROUP" }]\n'
    )["one"]
    assert (strategy.skill, strategy.proficiency_digits, strategy.if_different) == ("Queue 1", 2, "set")
    assert strategy.overflow_groups == (OverflowGroup(id="g-1"), OverflowGroup(id="g-2", type="SKILLGROUP"))


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('actuator = "weight"', "actuator"),
        ('skill = ""', "skill"),
        ("proficiency_digits = 7", "proficiency_digits"),
        ("proficiency_digits = -1", "proficiency_digits"),
        ('skill_evaluation_method = "best"', "skill_evaluation_method"),
        ("bullseye_timeouts_s = [0]", "bullseye_timeouts_s"),
        ("bullseye_timeouts_s = [259201]", "bullseye_timeouts_s"),
        ("bullseye_timeouts_s = [1, 1, 1, 1, 1, 1]", "bullseye_timeouts_s"),
        ('if_different = "ask"', "if_different"),
        ('overflow_groups = [{ id = "a/b" }]', "overflow_groups"),
        ('overflow_groups = [{ id = "g", type = "QUEUE" }]', "overflow_groups"),
        ('overflow_groups = [{ id = "g", name = "x" }]', "overflow_groups"),
        ('overflow_groups = [{ type = "TEAM" }]', "overflow_groups"),
        ("colour = 3", "colour"),
    ],
)
def test_a_wrong_field_is_named(read, line, named):
    with pytest.raises(ConfigurationInvalid) as caught:
        read(GOOD + line)
    assert caught.value.message.startswith("strategies.toml is wrong: ")
    assert named in caught.value.message


@pytest.mark.parametrize(
    "text", ["[one]\n", '[one]\ndescription = ""\n', '[one]\ndescription = "a\\nb"\n', "one = 3\n"]
)
def test_an_entry_without_a_sentence_is_refused(read, text):
    with pytest.raises(ConfigurationInvalid, match=r"strategies\.toml is wrong"):
        read(text)


@pytest.mark.parametrize("text", ["[one", "one", GOOD + GOOD, '[one]\ndescription = "A sentence.\n'])
def test_a_file_that_is_no_toml_is_named(read, text):
    with pytest.raises(ConfigurationInvalid, match=r"strategies\.toml is wrong: .*\(at "):
        read(text)


def test_each_wrong_entry_is_named(read):
    with pytest.raises(ConfigurationInvalid) as caught:
        read('[first]\nactuator = "ring"\n[second]\ndescription = "x"\ncolour = 1\n')
    assert {"first", "second"} <= set(caught.value.message.replace(".", " ").replace(":", " ").split())


def test_a_strategy_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        strategies()["ring-by-weight"].skill = "another"


# ---- what a plan may say ---------------------------------------------------------------------------------------------


def test_an_unknown_strategy_is_refused_with_those_that_there_are():
    (found,) = problems(strategy_reference="balanced")
    assert found == {
        "path": "strategy_reference",
        "message": f"there is no strategy balanced; there are {', '.join(SHIPPED)}",
        "type": "strategy_unknown",
    }


@pytest.mark.parametrize("name", ["a b", "", "s" * 65, "ring-by-weight\n", 7, None, ["ring-by-weight"]])
def test_a_strategys_name_that_is_none_is_one_problem(name):
    assert [found["path"] for found in problems(strategy_reference=name)] == ["strategy_reference"]


@pytest.mark.parametrize("actuator", ACTUATORS)
def test_a_plan_may_name_the_actuator_where_its_strategy_does_not(actuator):
    assert plan(actuator=actuator, skill="Queue 1").actuator == actuator


def test_a_plan_may_repeat_its_strategys_actuator():
    assert plan(actuator="ring", strategy_reference="ring-by-weight").actuator == "ring"


@pytest.mark.parametrize("actuator", [name for name in ACTUATORS if name != "ring"])
def test_an_actuator_that_the_strategy_is_not_for_is_refused_with_a_way_out(actuator):
    (found,) = problems(actuator=actuator, strategy_reference="ring-by-weight", skill="Queue 1")
    assert (found["path"], found["type"]) == ("actuator", "actuator_mismatch")
    assert found["message"] == "strategy ring-by-weight is for actuator ring: name that one, none, or another strategy"


@pytest.mark.parametrize("actuator", ["weight", "RING", "", 7, True, ["ring"]])
def test_an_actuator_that_is_none_is_refused(actuator):
    assert {path for path, _ in kinds(actuator=actuator)} == {"actuator"}


@pytest.mark.parametrize("how", [{"actuator": "proficiency"}, {"strategy_reference": "proficiency-by-weight"}])
@pytest.mark.parametrize("skill", [{}, {"skill": None}])
def test_proficiency_without_a_skill_is_refused(how, skill):
    (found,) = problems(**how, **skill)
    assert (found["path"], found["type"]) == ("skill", "skill_missing")
    assert "name it, by id or name" in found["message"]


@pytest.mark.parametrize("skill", ["", "s" * 201, "two\nlines", 7, ["Queue 1"]])
def test_a_skill_that_is_none_is_one_problem(skill):
    assert [found["path"] for found in problems(actuator="proficiency", skill=skill)] == ["skill"]


def test_a_skill_that_no_proficiency_needs_is_accepted():
    assert plan(skill="Queue 1", actuator="ring").skill == "Queue 1"


# ---- overflow groups -------------------------------------------------------------------------------------------------


def test_a_plan_may_name_five_overflow_groups():
    groups = [{"id": f"g-{i}", "type": kind} for i, kind in enumerate(["GROUP", "TEAM", "SKILLGROUP", "TEAM", "TEAM"])]
    assert [group.model_dump() for group in plan(overflow_groups=groups).overflow_groups] == groups


def test_a_group_without_a_type_is_a_group_and_the_same_plan():
    short, long = ([{"id": "g"}], [{"id": "g", "type": "GROUP"}])
    assert plan(overflow_groups=short).fingerprint() == plan(overflow_groups=long).fingerprint()


def test_a_plan_with_groups_comes_back_from_its_stored_form():
    accepted = plan(overflow_groups=[{"id": "g", "type": "TEAM"}], actuator="joined", skill="Queue 1")
    assert Plan.model_validate(json.loads(json.dumps(accepted.model_dump(exclude_defaults=True)))) == accepted
    assert parse_plan(accepted.canonical()) == accepted


@pytest.mark.parametrize(
    ("groups", "path"),
    [
        ("g", "overflow_groups"),
        (None, "overflow_groups"),
        ({"id": "g"}, "overflow_groups"),
        (["g"], "overflow_groups.0"),
        ([{}], "overflow_groups.0.id"),
        ([{"id": 7}], "overflow_groups.0.id"),
        ([{"id": "g"}, {"id": "a/b"}], "overflow_groups.1.id"),
        ([{"id": "g", "type": "QUEUE"}], "overflow_groups.0.type"),
        ([{"id": "g", "type": None}], "overflow_groups.0.type"),
        ([{"id": "g", "name": "x"}], "overflow_groups.0.name"),
        ([{"id": f"g-{i}"} for i in range(6)], "overflow_groups"),
    ],
)
def test_groups_of_another_shape_are_refused_at_their_path(groups, path):
    assert {where for where, _ in kinds(overflow_groups=groups)} == {path}


def test_a_group_id_that_is_not_safe_is_explained_in_words():
    (found,) = problems(overflow_groups=[{"id": "a/b"}])
    assert found["message"] == "an id is 1 to 64 letters, digits, '-' and '_'"


# ---- several at once -------------------------------------------------------------------------------------------------


def test_what_the_strategies_say_is_reported_beside_everything_else():
    found = kinds(
        strategy_reference="proficiency-by-weight",
        member_weights={"a": 0.7, "b": 0.5},
        overflow_threshold=2,
        overflow_groups=[{"id": "a/b"}],
        surprise=1,
    )
    assert found == {
        ("skill", "skill_missing"),
        ("member_weights", "weight_sum"),
        ("overflow_threshold", "less_than_equal"),
        ("overflow_groups.0.id", "string_pattern_mismatch"),
        ("surprise", "extra_forbidden"),
    }


def test_an_unknown_strategy_is_reported_beside_a_wrong_actuator():
    assert kinds(strategy_reference="balanced", actuator="weight") == {
        ("strategy_reference", "strategy_unknown"),
        ("actuator", "literal_error"),
    }
