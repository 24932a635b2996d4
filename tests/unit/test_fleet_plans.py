"""The plans of a fleet as people send them: JSON Lines, CSV of every kind, and mistakes at their lines and columns."""

import csv
import io
import json
import re
import tracemalloc

import pytest
from hypothesis import given, strategies

from routing_weights.domain.fleet_plans import MOST_PROBLEMS, read_file, read_plans
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.problems import problem
from tests.support.fakes import SMALLEST_PLAN, plan

OF_ALL = {name: SMALLEST_PLAN[name] for name in ("overflow_threshold", "utilization_target", "strategy_reference")}
HEADING = "queue,member,weight,overflow_threshold,utilization_target,strategy"
SETTINGS = "0.85,0.8,by-weight"


def read(content, defaults=None, check=lambda _: (), size=None):
    raw = content.encode() if isinstance(content, str) else content
    pieces = [raw] if size is None else (raw[start : start + size] for start in range(0, len(raw), size))
    return read_file(pieces, OF_ALL if defaults is None else defaults, check, "ring")


def rows(*lines, heading="queue,member,weight"):
    return "\n".join((heading, *lines))


def weights(reading):
    return {name: json.loads(accepted.text)["member_weights"] for name, accepted in reading.accepted.items()}


def found(reading):
    return [(wrong["line"], wrong["column"], wrong["type"]) for wrong in reading.problems]


def json_lines(*plans):
    return "\n".join(json.dumps(document) for document in plans)


# ---- what is accepted ------------------------------------------------------------------------------------------------

TWO_QUEUES = {"q-1": {"a": 0.4, "b": 0.35}, "q-2": {"a": 1.0}}


@pytest.mark.parametrize(
    "content",
    [
        rows("q-1,a,0.4", "q-1,b,0.35", "q-2,a,1"),
        rows("q-1,a,0.4", "q-2,a,1", "q-1,b,.35", ""),
        rows("q-1;a;0,4", "q-1;b;0,35", "q-2;a;1", heading="Queue;Member;Weight"),
        rows("q-1;a;0.4", "q-1;b;0.35", "q-2;a;1.0", heading="QUEUE;MEMBER;WEIGHT"),
        rows("q-1\ta\t4e-1", "q-1\tb\t0,35", "q-2\ta\t1", heading="queue_id\tmember\tweight"),
        "\ufeff" + rows("q-1,a,0.4", "q-1,b,0.35", "q-2,a,1").replace("\n", "\r\n") + "\r\n",
        rows('"q-1","a",0.4', "q-1, b ,0.35", ",,", "Q-2,A,1,,,"),
        "sep=;\n" + rows("q-1;a;0,4", "q-1;b;0,35", "q-2;a;1", heading="queue;member;weight;;"),
        "\n\n" + rows("0.4,q-1,a", "", "  ", "0.35,q-1,b", "1,q-2,a", heading="weight,queue,member"),
        json_lines(*({"queue_id": name, "member_weights": held} for name, held in TWO_QUEUES.items())),
        "\ufeff\n"
        + json_lines(*({"queue_id": n, "member_weights": held} for n, held in TWO_QUEUES.items()))
        + "\r\n\n",
    ],
    ids=["plain", "mixed", "german", "points", "tabs", "excel", "quotes", "sep", "blank-lines", "json", "json-bom"],
)
def test_a_file_is_read_as_people_have_it(content):
    reading = read(content)
    assert (reading.problems, weights(reading), reading.plans) == ([], TWO_QUEUES, 2)
    assert list(reading.accepted) == ["q-1", "q-2"]


def test_columns_of_a_plan_are_its_fields():
    names = (
        "overflow threshold,Utilization-Target,strategy,staffing,actuator,wrap_up_timeout_s,normalize,dry_run,reason"
    )
    row = '0.85,0.8,by-weight,12,ring,30,TRUE,false,"evening, late"'
    (accepted,) = read(
        rows(f"q-1,a,0.4,{row}", "q-1,b,0.9,,,,,,,,,", heading=f"queue,member,weight,{names}")
    ).accepted.values()
    assert parse_plan(accepted.text) == plan(
        queue_id="q-1",
        member_weights={"a": 0.4, "b": 0.9},
        strategy_reference="by-weight",
        staffing=12,
        actuator="ring",
        wrap_up_timeout_s=30,
        normalize=True,
        reason="evening, late",
    )
    assert accepted.members == 2


def test_a_plan_that_says_something_itself_does_not_take_the_default():
    defaults = OF_ALL | {"dry_run": True, "reason": "rehearsal"}
    first, second = read(
        json_lines({"queue_id": "q-1", "member_weights": {"a": 1}, "dry_run": False}, SMALLEST_PLAN), defaults
    ).accepted.values()
    assert (parse_plan(first.text).dry_run, parse_plan(second.text).dry_run) == (False, True)
    assert parse_plan(second.text).reason == "rehearsal"


IDS = strategies.text("abcDEF-_0123456789", min_size=1, max_size=8)
WEIGHTS = strategies.dictionaries(IDS.map(str.lower), strategies.floats(0, 0.1), min_size=1, max_size=5)


@given(
    fleet=strategies.dictionaries(IDS.map(str.lower), WEIGHTS, min_size=1),
    delimiter=strategies.sampled_from(",;\t"),
    size=strategies.integers(1, 50),
    quoting=strategies.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_csv_and_json_lines_say_the_same_however_they_arrive(fleet, delimiter, size, quoting):
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, quoting=quoting)
    lines = [(queue, member, weight) for queue, held in fleet.items() for member, weight in held.items()]
    writer.writerows([("queue", "member", "weight"), *lines])
    as_json = json_lines(*({"queue_id": queue, "member_weights": held} for queue, held in fleet.items()))
    one, other = read(file.getvalue(), size=size), read(as_json, size=size)
    assert (one.problems, other.problems) == ([], [])
    assert one.accepted == other.accepted
    assert weights(one) == fleet


@given(content=strategies.binary(max_size=300) | strategies.text(max_size=200).map(str.encode))
def test_whatever_comes_in_is_accepted_whole_or_has_a_problem_that_can_be_sent(content):
    for raw in (content, f"{HEADING}\n".encode() + content, b'{"queue_id": ' + content):
        reading = read(raw)
        assert reading.accepted or reading.problems
        json.dumps(reading.problems, allow_nan=False).encode()
        assert all(wrong["line"] >= 1 and len(wrong["message"]) <= 300 for wrong in reading.problems)


# ---- mistakes --------------------------------------------------------------------------------------------------------


def test_every_mistake_of_a_csv_is_found_at_once_at_its_line_and_column():
    reading = read(
        rows(
            f"q-1,a,forty,{SETTINGS}",
            f"q-1,b,0.4,{SETTINGS}",
            f"q-2,a,0.4,0.85,80 %,{SETTINGS[9:]}",
            f"q-3,a,0.7,{SETTINGS}",
            f"q-3,b,0.7,{SETTINGS}",
            f"q-4,a,1.5,{SETTINGS}",
            f"q-4,x y,0.1,{SETTINGS}",
            f"q-5,a,0.1,{SETTINGS}",
            f"q-5,A,0.2,{SETTINGS}",
            "q-6,a,0.1,0.85,0.8,best",
            "q-7,a,0.1,0.85,0.8,by-weight",
            "q-7,b,0.1,0.9,,",
            f"q-8,,0.1,{SETTINGS}",
            f"q-8,b,,{SETTINGS}",
            heading=HEADING,
        )
    )
    assert found(reading) == [
        (2, "weight", "cell_invalid"),
        (4, "utilization_target", "cell_invalid"),
        (5, "weight", "weight_sum"),
        (7, "weight", "less_than_equal"),
        (8, "member", "string_pattern_mismatch"),
        (10, "weight", "duplicate_member"),
        (11, "strategy", "strategy_unknown"),
        (13, "overflow_threshold", "cell_contradicts"),
        (14, "member", "cell_empty"),
        (15, "weight", "cell_empty"),
    ]
    assert not reading.broken
    assert (reading.accepted, reading.plans, reading.problem_count) == ({}, 8, 10)
    assert reading.problems[0]["message"] == "'forty' is not a number"
    assert "is in line 9 already" in reading.problems[5]["message"]
    assert "line 12 says" in reading.problems[7]["message"]


def test_every_mistake_of_json_lines_is_found_at_once_at_its_line_and_path():
    good = {"queue_id": "q-1", "member_weights": {"a": 0.4}}
    reading = read(
        "\n".join(
            [
                json.dumps(good),
                '{"queue_id": "q-2", "member_weights": {"a": 0.4},}',
                json.dumps(good | {"queue_id": "q-3", "member_weights": {"a": 2}, "colour": "red"}),
                "",
                json.dumps(good | {"queue_id": "Q-1"}),
                '{"queue_id": "q-4", "member_weights": {"a": 0.4, "a": 0.5}}',
                "7",
            ]
        )
    )
    assert found(reading) == [
        (2, "", "json_invalid"),
        (3, "member_weights.a", "less_than_equal"),
        (3, "colour", "extra_forbidden"),
        (5, "queue_id", "duplicate_queue"),
        (6, "member_weights.a", "duplicate_key"),
        (7, "", "model_type"),
    ]
    assert reading.problems[0]["message"].startswith("the line is not JSON: ")
    assert re.search(r" at character \d+; each line is one whole plan$", reading.problems[0]["message"])
    assert reading.problems[3]["message"].startswith("line 1 has a plan for queue q-1 too")
    assert (reading.accepted, reading.plans) == ({}, 6)  # nobody knows which plan of q-1 is meant


@pytest.mark.parametrize(
    ("content", "line", "kind"),
    [
        ("", 1, "file_empty"),
        ("\n \r\n", 1, "file_empty"),
        ("queue,member,weight\n", 1, "file_empty"),
        ("sep=;", 1, "heading_missing"),
        (";;;\n", 1, "heading_missing"),
        ("[\n{}\n]", 1, "file_type"),
        (rows("q-1,a,0.4").encode("utf-16"), 1, "file_type"),
        (b"PK\x03\x04anything", 1, "file_type"),
        (b"\x1f\x8b\x08", 1, "file_type"),
        (rows("q-1,a,0.4", heading="queue,member,wieght"), 1, "column_unknown"),
        (rows("q-1,a,0.4,1", heading="queue,member,weight,Weight"), 1, "column_twice"),
        (rows("q-1,a", heading="queue,member"), 1, "column_missing"),
        (rows("q-1,a,0,4"), 2, "cell_count"),
        (rows("q-1,a"), 2, "cell_count"),
        (rows(",a,0.4"), 2, "cell_empty"),
        (rows('"q-1,a,0.4', "q-1,b,0.4"), 2, "line_invalid"),
        (rows('"q-1"x,a,0.4'), 2, "line_invalid"),
        (rows("q-1,a,0.4").encode() + b"\nq-1,\xfc,0.4", 3, "line_invalid"),
        (rows(f"q-1,{'x' * 140_000},0.4"), 2, "line_invalid"),
    ],
)
def test_a_file_that_has_no_plans_is_refused_as_a_whole(content, line, kind):
    reading = read(content)
    assert reading.broken
    assert (reading.problems[0]["line"], reading.problems[0]["type"]) == (line, kind)


def test_a_typo_in_a_heading_is_answered_with_the_known_names():
    (unknown, missing) = read(rows("q-1,a,0.4", heading="queue,member,wieght")).problems
    assert "'wieght' is unknown; known are queue, member, weight, overflow_threshold" in unknown["message"]
    assert (missing["column"], missing["message"]) == ("weight", "column weight is missing")


def test_a_column_that_every_plan_needs_is_missed_once_and_may_be_a_default():
    problems = read(rows(*(f"q-{n},a,0.4" for n in range(50))), defaults={"overflow_threshold": 0.85}).problems
    assert [(wrong["line"], wrong["column"]) for wrong in problems] == [(1, "utilization_target"), (1, "strategy")]


@pytest.mark.parametrize(
    "cell", ["nan", "inf", "1_0", "0x1", "1.2.3", "1,234.5", "-", "\N{ARABIC-INDIC DIGIT ONE}", "1e9999", "true", "0 1"]
)
def test_a_cell_is_a_number_only_as_people_write_numbers(cell):
    assert found(read(rows(f'q-1,a,"{cell}"'))) == [(2, "weight", "cell_invalid")]


def test_a_decimal_comma_needs_another_delimiter():
    (wrong,) = read(rows('q-1,a,"0,4"')).problems
    assert wrong["message"].startswith("'0,4' has a decimal comma")
    assert read(rows("q-1;a;0,4", heading="queue;member;weight")).problems == []


def test_a_long_cell_is_quoted_short():
    (wrong,) = read(rows(f"q-1,a,{'9x' * 5_000}")).problems
    assert len(wrong["message"]) < 80


# ---- bounds ----------------------------------------------------------------------------------------------------------


def test_the_first_problems_are_listed_and_all_are_counted():
    reading = read(rows(*(f"q-{n},a,x" for n in range(250))))
    assert (len(reading.problems), reading.problem_count, reading.plans) == (100, 250, 250)


def test_reading_ends_after_very_many_problems():
    def pieces():
        yield rows("x").encode()
        for _ in range(20):
            yield b"\nx" * 1_000
        raise AssertionError("nothing after the last problem is read")

    reading = read_file(pieces(), OF_ALL, lambda _: (), "ring")
    assert (reading.problem_count, reading.broken) == (MOST_PROBLEMS, True)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_fleet_has_at_most_10000_plans(form):
    def pieces():
        yield b"queue,member,weight" if form == "csv" else b""
        for number in range(10_001):
            document = {"queue_id": f"q-{number}", "member_weights": {"a": 1}}
            yield (f"\nq-{number},a,1" if form == "csv" else f"\n{json.dumps(document)}").encode()

    reading = read_file(pieces(), OF_ALL, lambda _: (), "ring")
    assert found(reading)[-1][2] == "too_many_plans"
    assert reading.broken


def test_a_plan_in_csv_has_at_most_5000_members():
    reading = read(rows(*(f"q-1,a{n},0" for n in range(5_001)), "q-2,a,1"))
    assert found(reading) == [(5_002, "weight", "too_long")]
    assert list(reading.accepted) == ["q-2"]


def test_a_line_that_is_too_long_is_refused_and_the_next_one_is_read():
    long = json.dumps({"queue_id": "q-1", "member_weights": {"a": 1}, "reason": "x" * 3_000_000})
    reading = read(f"{long}\n{json.dumps({'queue_id': 'q-2', 'member_weights': {'a': 1}})}", size=100_000)
    assert found(reading) == [(1, "", "body_too_large")]
    assert list(reading.accepted) == ["q-2"]


def test_a_file_is_never_in_memory_as_a_whole():
    """Of 20 MB of spaces around small plans, what stays is the plans."""

    def pieces():
        for number in range(200):
            yield json.dumps({"queue_id": f"q-{number}", "member_weights": {"a": 1}}).encode() + b" " * 100_000 + b"\n"

    tracemalloc.start()
    reading = read_file(pieces(), OF_ALL, lambda _: (), "ring")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(reading.accepted) == 200
    assert peak < 2_000_000


# ---- further rules, and plans in a request ---------------------------------------------------------------------------


def test_a_further_rule_of_the_door_is_a_problem_of_its_line():
    def check(accepted):
        return [problem("until", "is over", "time_invalid")] if accepted.until else []

    reading = read(rows("q-1,a,1,", "q-2,a,1,2030-01-01T00:00:00Z", heading="queue,member,weight,until"), check=check)
    assert (found(reading), list(reading.accepted)) == ([(3, "until", "time_invalid")], ["q-1"])


def test_plans_in_a_request_have_their_problems_at_their_index():
    documents = [SMALLEST_PLAN, SMALLEST_PLAN | {"queue_id": "q-2", "normalize": 1}, 7, SMALLEST_PLAN]
    hidden = [problem("plans.0.member_weights.a", "twice", "duplicate_key")]
    reading = read_plans(documents, hidden, {}, lambda _: (), "ring")
    assert [(wrong["path"], wrong["type"]) for wrong in reading.problems] == [
        ("plans.0.member_weights.a", "duplicate_key"),
        ("plans.1.normalize", "bool_type"),
        ("plans.2", "model_type"),
        ("plans.3.queue_id", "duplicate_queue"),
    ]
    assert not reading.broken
    assert reading.accepted == {}


def test_a_crew_has_the_agents_of_its_plan():
    (accepted,) = read(rows("q-1,a,0.5", "q-1,b,0")).accepted.values()
    assert (accepted.crew.queue_id, accepted.crew.agents) == ("q-1", {"a", "b"})
