"""The picture of any document parses, stays inside its frame, overlaps nothing, and shows what is known."""

# ruff: noqa: RUF001  (what people read has the dashes that people write)
import dataclasses
import json
import math
import re
import unicodedata
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.checks.chart import example, shares
from routing_weights.charts import projection as projection_chart
from routing_weights.charts.projection import VERDICTS, chart
from routing_weights.charts.sheet import DARK, LIGHT, width
from routing_weights.projection.checks.abandonment import ABANDONMENT
from routing_weights.projection.checks.registry import SIMULATED

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('x')</script>&\"\u202eevil\x00\x1b\ud800\ufffe" + "W" * 300
QUEUE = "3fa85f64-5717-4562-b3fc-2c963f66afa6"


def interval(mean, half):
    return {"mean": mean, "low": mean - half, "high": mean + half}


def agent(index, before=0.7, after=0.8):
    return {
        "member": f"agent-{index:04}-of-the-night-shift-in-lisbon",
        "weight_before": 0.1,
        "weight_after": 0.25,
        "occupancy_before": before,
        "occupancy_after": after,
        "share_before": 0.3,
        "share_after": 0.4,
    }


def document(agents=3):
    return {
        "verdict": "needs_approval",
        "reason": "The busiest agent is at 91 %, above 88 %.",
        "active_agents": 12,
        "projected_load": 9.5,
        "saturation_ratio": 0.833,
        "saturation_limit": 0.95,
        "checks": [
            {"name": "saturation", "verdict": "pass", "required": True, "value": 0.833, "threshold": 0.95},
            {
                "name": "service_level",
                "verdict": "inconclusive",
                "required": False,
                "value": 0.832,
                "low": 0.793,
                "high": 0.871,
                "threshold": 0.8,
                "sentence": "The interval holds the goal.",
            },
        ],
        "models": {
            "indicative": True,
            "forecast": {
                "offered": 190.0,
                "interval_s": 1800,
                "aht_s": 181.0,
                "patience_s": 122.0,
                "source": "forecast_table",
                "age_s": 5400,
                "stale": True,
                "assumed": ["patience 122 s"],
                "detail": "week 12",
            },
            "target": {"service_level": 0.8, "answer_within_s": 20, "max_abandonment": 0.1, "source": "queue"},
            "erlang_a": {
                "before": {"unstable": True},
                "after": {"service_level": 0.77, "abandonment": 0.051, "mean_wait_s": 14.4, "occupancy": 0.812},
            },
            "simulation": {
                "rule": "ring",
                "assumption": "The longest idle agent takes a contact.",
                "replications": 10,
                "contacts": 19000,
                "seed": 7,
                "before": {"service_level": interval(0.741, 0.021), "abandonment": interval(0.061, 0.009)},
                "after": {"service_level": interval(0.832, 0.039), "abandonment": interval(0.004, 0.008)},
                "agents": [agent(index) for index in range(agents)],
            },
        },
    }


def drawn(projection, queue_id=QUEUE):
    return ET.fromstring(chart(projection, queue_id=queue_id))  # noqa: S314


def words(root):
    """What is seen, without the hovers."""
    texts = ((text.text or "") + "".join(child.tail or "" for child in text) for text in root.iter(f"{SVG}text"))
    return " ".join(texts).replace("\u00a0", " ")


def box(element):
    """Left, top, right, bottom, with half of the pen's width."""
    tag, get = element.tag.removeprefix(SVG), lambda key: float(element.get(key, 0))
    pen = get("stroke-width") / 2
    if tag == "rect":
        assert min(get("width"), get("height")) >= 0
        return get("x"), get("y"), get("x") + get("width"), get("y") + get("height")
    if tag == "text":
        seen = (element.text or "") + "".join(child.tail or "" for child in element)
        size = get("font-size")
        wide = get("textLength") or width(seen, size, bold=element.get("font-weight") is not None)
        left = get("x") - wide * {"start": 0, "middle": 0.5, "end": 1}[element.get("text-anchor", "start")]
        return left, get("y") - 0.76 * size, left + wide, get("y") + 0.24 * size
    if tag == "circle":
        r = get("r") + pen
        return get("cx") - r, get("cy") - r, get("cx") + r, get("cy") + r
    if tag == "line":
        xs, ys = (get("x1"), get("x2")), (get("y1"), get("y2"))
    else:
        points = [tuple(map(float, point.split(","))) for point in element.get("points").split()]
        xs, ys = zip(*points, strict=True)
    return min(xs) - pen, min(ys) - pen, max(xs) + pen, max(ys) + pen


def check_picture(projection, queue_id):
    source = chart(projection, queue_id=queue_id)
    assert source == chart(deepcopy(projection), queue_id=queue_id)
    return check_svg(source)


def check_svg(source):
    """Nothing is referred to, nothing leaves the frame, and no two texts overlap."""
    assert not re.search(r"<(script|image|use|foreignObject|a)\b|href|\son\w+=|@import|url\(|\sid=", source)
    root = ET.fromstring(source)  # noqa: S314
    _, _, width, height = map(float, root.get("viewBox").split())
    shapes = [
        e for e in root.iter() if e.tag.removeprefix(SVG) in {"rect", "text", "circle", "line", "polygon", "polyline"}
    ]
    boxes = [(e, box(e)) for e in shapes]
    for element, (left, top, right, bottom) in boxes:
        assert -0.01 <= left <= right <= width + 0.01, ET.tostring(element)
        assert -0.01 <= top <= bottom <= height + 0.01, ET.tostring(element)
    texts = [(e, b) for e, b in boxes if e.tag == f"{SVG}text"]
    for (one, a), (other, b) in combinations(texts, 2):
        apart = a[2] <= b[0] + 0.1 or b[2] <= a[0] + 0.1 or a[3] <= b[1] + 0.1 or b[3] <= a[1] + 0.1
        assert apart, (ET.tostring(one), ET.tostring(other))
    turns = {c for c in "".join(root.itertext()) if unicodedata.category(c)[0] == "C" and c != "\n"}
    assert not turns
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    return root


texts = st.one_of(
    st.text(max_size=40),
    st.just(HOSTILE),
    st.just("日本語" * 50),
    st.just("e\u0301\u0301\u0301" * 90),
    st.just("WWW " * 900),
)
numbers = st.one_of(st.none(), st.floats(), st.floats(0, 1), st.integers(), st.booleans(), texts)
anything = st.recursive(
    st.one_of(numbers, texts),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def part(**fields):
    """Any subset of the fields, or something else altogether."""
    return st.one_of(st.fixed_dictionaries({}, optional=fields), st.fixed_dictionaries({}, optional=fields), anything)


estimate = part(mean=numbers, low=numbers, high=numbers)
figures = part(
    service_level=estimate, abandonment=estimate, mean_wait_s=estimate, occupancy=estimate, unstable=st.booleans()
)
sides = {"before": figures, "after": figures}
member = part(
    member=texts,
    **{f"{key}_{side}": numbers for key in ("occupancy", "weight", "share") for side in ("before", "after")},
)
check = part(
    name=st.sampled_from(["saturation", "service_level", "occupancy"]) | texts,
    verdict=st.sampled_from([*VERDICTS]) | texts,
    required=st.booleans() | st.none(),
    value=numbers, low=numbers, high=numbers, threshold=numbers, sentence=texts,
)  # fmt: skip
projections = st.fixed_dictionaries(
    {},
    optional={
        "verdict": st.sampled_from([*VERDICTS]) | anything,
        "reason": anything,
        "active_agents": numbers,
        "projected_load": numbers,
        "saturation_ratio": numbers,
        "saturation_limit": numbers,
        "checks": st.lists(check, max_size=20) | anything,
        "models": part(
            indicative=anything,
            forecast=part(
                offered=numbers, interval_s=numbers, aht_s=numbers, patience_s=numbers, source=texts,
                age_s=numbers, stale=st.booleans(), assumed=anything, detail=texts,
            ),
            target=part(service_level=numbers, answer_within_s=numbers, max_abandonment=numbers, source=texts),
            erlang_a=part(**sides),
            simulation=part(
                rule=texts, assumption=texts, replications=numbers, contacts=numbers, seed=numbers,
                agents=st.lists(member, max_size=40) | anything, **sides,
            ),
        ),
    },
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(projections, texts)
def test_any_document_gives_a_picture_inside_its_frame(projection, queue_id):
    check_picture(projection, queue_id)


@pytest.mark.parametrize("agents", [0, 1, 2, 30, 31, 60, 1000])
def test_any_number_of_agents(agents):
    root = check_picture(document(agents), QUEUE)
    assert (f"({agents:,})" in words(root)) == (agents > 0)


@pytest.mark.parametrize(
    "path", [("models",), *((("models", key)) for key in document()["models"]), ("checks",), ("reason",)]
)
@pytest.mark.parametrize("absent", [None, "left out", {}, []])
def test_what_is_missing_is_left_out(path, absent):
    projection = document()
    inner = projection if len(path) == 1 else projection[path[0]]
    inner[path[-1]] = absent
    if absent == "left out":
        del inner[path[-1]]
    check_picture(projection, QUEUE)


def test_the_picture_has_the_figures_and_the_inputs():
    assert {gate.goal for gate in SIMULATED} <= document()["models"]["target"].keys()
    seen = words(drawn(document()))
    for said in (
        "Needs approval", f"Queue {QUEUE}", "The busiest agent is at 91 %, above 88 %.", "12", "9.50",
        "within the limit of 0.95", "74.1 %", "72.0–76.2 %", "83.2 %", "79.3–87.1 %", "goal ≥ 80 %", "goal ≤ 10 %",
        "6.1 %", "0.0–1.2 %", "(indicative)", "unstable → 77.0 %", "70 → 80 %", "0.10 → 0.25", "starved < 30 %",
        "overloaded > 88 %", "at most 0.95", "The interval holds the goal.", "required", "advisory",
        "190.00 contacts offered per 30 min", "AHT 181 s", "patience 122 s", "source: forecast_table", "90 min old",
        "Stale", "week 12", "Assumed", "answered within 20 s ÷ offered", "19,000 contacts in 10 replications", "seed 7",
        "rule ring", "The longest idle agent takes a contact.", "Indicative",
    ):  # fmt: skip
        assert said in seen, said


def neighbours(count):
    queue = {"load": 4.2, "of_load": 8.4, "shared_agents": 3, "agents": 6, "source": "pushed", "age_s": 10_800.0}
    queues = [queue | {"queue_id": f"{HOSTILE if number == 1 else 'queue'}-{number}"} for number in range(count)]
    queues[0] |= {"stale": True, "assumed": ["patience 120 s"]}
    return {"own_load": 5.3, "queues": queues, "left_out": {"queues": 7, "agents": 2}}


def test_the_picture_says_whose_load_is_counted_too():
    root = check_picture(document() | {"neighbours": neighbours(7)}, QUEUE)
    for said in (
        "erlangs, 5.30 of the queue itself",
        "4.20 of the 8.40 erlangs of queue queue-0, since 3 of its 6 agents serve this queue too",
        "source: pushed · 3 h old",
        "8.40 erlangs of 2 more queues of the fleet",
        "out of date: the forecast of queue queue-0",
        "patience 120 s of queue queue-0",
        "at least 7 more queues of the fleet, which 2 of the agents serve too",
    ):
        assert said in words(root), said


@pytest.mark.parametrize("field", ["own_load", "queues", "left_out"])
@pytest.mark.parametrize("absent", [None, HOSTILE, {}, [{}], [None], math.nan])
def test_missing_figures_of_other_queues_are_left_out(field, absent):
    check_picture(document() | {"neighbours": neighbours(2) | {field: absent}}, QUEUE)


@pytest.mark.parametrize("goal", [0.0, 9.1, 45.0, 7000.0])
def test_a_gate_on_a_time_is_drawn_in_seconds(monkeypatch, goal):
    wait = dataclasses.replace(ABANDONMENT, figure="mean_wait_s", unit="seconds", goal="max_wait_s")
    monkeypatch.setattr(projection_chart, "SIMULATED", (*SIMULATED, wait))
    drawn_of = document()
    drawn_of["models"]["target"]["max_wait_s"] = goal
    drawn_of["models"]["simulation"]["after"]["mean_wait_s"] = interval(21.25, 3.0)
    seen = words(check_picture(drawn_of, QUEUE))
    assert f"goal ≤ {goal:,.1f} s".replace(".0 s", " s") in seen
    assert "21.2 s" in seen
    assert "18.2–24.2 s" in seen
    assert f"mean wait at most {goal:,.1f} s".replace(".0 s", " s") in seen


@pytest.mark.parametrize(("verdict", "shape"), [(verdict, shown[2]) for verdict, shown in VERDICTS.items()])
def test_a_verdict_is_a_word_and_a_shape_not_only_a_colour(verdict, shape):
    root = drawn({"verdict": verdict})
    assert words(root).startswith(VERDICTS[verdict][0])
    corners = [len(e.get("points").split()) for e in root.iter(f"{SVG}polygon")]
    assert corners == {"circle": [], "octagon": [8], "triangle": [3], "diamond": [4]}[shape]


def test_nothing_is_invented_where_nothing_is_known():
    seen = words(drawn({}, "q"))
    assert "No verdict" in seen
    assert "Not modelled: service level, abandonment and waits are not known." in seen
    assert "No check is in this projection." in seen
    assert re.findall(r"\d", seen) == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "0.8", 10**400, [0.8], None])
def test_what_is_not_a_number_is_not_known(value):
    projection = document()
    projection["models"]["simulation"]["after"]["service_level"] = {"mean": value, "low": 0.7, "high": 0.9}
    assert "not known" in words(drawn(projection))
    assert "83.2" not in words(drawn({**projection, "checks": []}))


@pytest.mark.parametrize("value", [-987654321.0, -0.5, 0.0, 1.5, 1234.5678, 999999.999, 987654321.0])
def test_a_figure_of_any_size_has_room_and_stays_on_its_axis(value):
    def everywhere(node):
        if isinstance(node, dict):
            return {key: everywhere(inner) for key, inner in node.items()}
        if isinstance(node, list):
            return [everywhere(inner) for inner in node]
        return node if isinstance(node, bool | str) else value

    for agents in (3, 40):
        projection = everywhere(document(agents))
        for side in ("before", "after"):
            wide = {"mean": value, "low": value - abs(value), "high": value + abs(value)}
            projection["models"]["simulation"][side] = dict.fromkeys(
                ("service_level", "abandonment", "occupancy"), wide
            )
        check_picture(projection, QUEUE)


def test_the_worst_of_many_checks_are_shown():
    checks = [{"name": f"check {index}", "verdict": "pass"} for index in range(40)]
    checks[33]["verdict"], checks[35]["verdict"] = "inconclusive", "blocked"
    seen = words(check_picture({"checks": checks}, QUEUE))
    assert re.search(r"Blocked Check 35 .*Inconclusive Check 33 .*Pass Check 0 .*and 26 more", seen)
    assert "Check 20" not in seen


def test_a_formula_is_not_taken_for_a_simulation():
    projection = document()
    projection["models"]["simulation"] = None
    root = drawn(projection)
    assert "unstable" in words(root)
    assert "what is drawn is the formula (Erlang A), which has no intervals" in words(root)
    assert "95 % interval" not in words(root)
    partly = document()
    partly["models"]["simulation"]["after"] = None
    described = drawn(partly).find(f"{SVG}desc").text.replace("\u00a0", " ")
    assert described.startswith("Service level: 74.1 % (72.0–76.2) → not known. Abandonment: 6.1 %")


def test_few_agents_are_sorted_by_occupancy_and_many_by_change():
    few = document(0)
    few["models"]["simulation"]["agents"] = [
        agent(1, 0.5, 0.2),
        agent(2, None, 0.95),
        agent(3, 0.5, None),
        agent(4, 0.5, 0.5),
    ]
    rows = re.findall(r"\S+ → \d+ %|\d+ → –", words(drawn(few)))
    assert [row for row in rows if "." not in row] == ["– → 95 %", "50 → 50 %", "50 → 20 %", "50 → –"]
    many = document(40)
    many["models"]["simulation"]["agents"][17].update(occupancy_before=0.9, occupancy_after=0.1)
    seen = words(drawn(many))
    assert "0 starved (< 30 %) · 1 overloaded (> 88 %) · median 70 %" in seen
    assert "1 starved (< 30 %) · 0 overloaded (> 88 %) · median 80 %" in seen
    assert re.search(r"The 8 most changed .*?(\d+ → \d+ %)", seen)[1] == "90 → 10 %"


def test_a_shortened_id_is_whole_in_its_title():
    root = drawn(document(1), "queue-" + "x" * 200)
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert "Queue queue-" + "x" * 200 in titles
    assert "agent-0000-of-the-night-shift-in-lisbon: 30.0\u00a0% → 40.0\u00a0% of the contacts" in titles
    assert "…" in words(root)


def test_hostile_text_stays_text():
    projection = json.loads(json.dumps(document(3)))
    projection["reason"] = projection["models"]["forecast"]["source"] = HOSTILE
    projection["models"]["simulation"]["agents"][0]["member"] = HOSTILE
    root = check_picture(projection, HOSTILE)
    assert "<script>alert('x')</script>&\"\ufffdevil\ufffd\ufffd\ufffd\ufffd" in words(root)


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_texts_and_marks_contrast_with_their_background(palette):
    """WCAG 2.2: 4.5 for text on the paper, 3 for marks on the bands."""
    for name in palette.keys() - {"paper", "grid", "overloaded", "starved"}:
        for behind, least in (("paper", 4.5), ("overloaded", 3), ("starved", 3)):
            dark, light = sorted((luminance(palette[name]), luminance(palette[behind])))
            assert (light + 0.05) / (dark + 0.05) >= least, (name, behind)


def test_the_chart_of_the_docs_is_what_the_code_draws():
    docs = Path(__file__).parents[2] / "docs"
    assert (docs / "projection.svg").read_text(encoding="utf-8") == example(), (
        "docs/projection.svg is old: make pictures"
    )
    assert (docs / "attainable.svg").read_text(encoding="utf-8") == shares(), (
        "docs/attainable.svg is old: make pictures"
    )
