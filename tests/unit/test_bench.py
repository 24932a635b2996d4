"""The benchmarks page is what its results say, and a bound passes only if its figure keeps it."""

import json

import pytest

from bench import page
from bench.bounds import BOUNDS, Bound, main
from bench.distribution import RINGS, values_of, weights_of
from bench.growth import growth
from bench.outside import ROOT
from routing_weights.domain.actuation import _shares
from routing_weights.domain.actuators.ring import Ring

RESULTS = json.loads((ROOT / "bench/results.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", page.files(RESULTS), ids=lambda path: path.name)
def test_the_page_and_its_pictures_are_drawn_from_the_results(path):
    assert path.read_text(encoding="utf-8") == page.files(RESULTS)[path], "python -m bench --page"


def test_the_page_judges_each_figure_as_the_bounds_do():
    found = RESULTS.get("bounds", {"found": []})["found"]
    assert {row["name"] for row in found} <= BOUNDS.keys()
    assert all(row["passes"] == Bound(**_of(row)).passes for row in found)


def _of(row):
    return {name: row[name] for name in ("what", "figure", "bound", "at_least")}


def test_the_help_and_a_refusal_name_every_bound(capsys):
    for argument, code in (("--help", 0), ("no-such-bound", 2)):
        with pytest.raises(SystemExit) as left:
            main([argument])
        printed = "".join(capsys.readouterr())
        assert (left.value.code, [name for name in BOUNDS if name not in printed]) == (code, [])


@pytest.mark.parametrize(
    ("figure", "at_least", "passes"), [(8.0, True, True), (7.9, True, False), (8.0, False, True), (8.1, False, False)]
)
def test_a_figure_at_its_bound_passes_and_one_beyond_fails(figure, at_least, passes):
    bound = Bound("a figure", figure, 8.0, at_least)
    assert bound.passes is passes
    assert str(bound).startswith("PASS" if passes else "FAIL")


@pytest.mark.parametrize(
    ("figures", "exponent", "word"),
    [
        ((2, 20, 200), 1.0, "linearly"),
        ((1, 100, 10_000), 2.0, "faster than its size"),
        ((1, 10**0.5, 10), 0.5, "slower than its size"),
        ((14, 14, 14), 0.0, "hardly"),
    ],
)
def test_the_exponent_of_a_power_law_is_found(figures, exponent, word):
    found = growth(list(zip((10, 100, 1000), figures, strict=True)))
    assert found.exponent == pytest.approx(exponent)
    assert found.word == word


@pytest.mark.parametrize("members", [6, 100])
def test_the_naive_client_writes_the_values_that_a_plan_stands_for(members):
    weights = weights_of(members)
    ring, shares = Ring.for_weights(weights.values(), 0), _shares(weights)
    values = {user: ring.value(weight, shares[user]) for user, weight in weights.items()}
    assert values_of("platform", members) == values
    assert set(values.values()) == set(range(1, RINGS + 1))
