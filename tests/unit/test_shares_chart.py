"""The picture of shares: inside its frame for any number of members, with the figures of the report."""

# ruff: noqa: RUF001  (text for people has the dashes and signs that people write)

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from local.checks.realised_shares import STREAM, WEIGHTS, example
from local.share_day import ranked_day
from routing_weights.api.shares import SharesPage, ShareView, shares_page
from routing_weights.charts.shares import MOST_MEMBERS, MOST_OTHERS, PLOT_START, chart
from routing_weights.domain.realised import Part, SharesReport, accuracy_by_chance
from routing_weights.domain.record import Handled
from tests.unit.test_chart import HOSTILE, SVG, check_svg, words
from tests.unit.test_show_shares import FROM, NOON, QUEUE, TO


def report(weights, contacts, *, drawn=None, actuator="share", notes=(), queue_id=QUEUE):
    handled = {user: Handled(count, 200.0 * count) for user, count in contacts.items()}
    part = Part(FROM, TO, "d-1", actuator, weights, handled)
    return SharesReport(queue_id, (part,), drawn, tuple(notes))


def crew(members):
    return {f"1f0b7a52-3c1d-4a0e-8a55-6d0f8c2b{n:04x}": 1 / members for n in range(members)}


def bars(root, colour):
    """The lengths of the bars of a colour, row by row."""
    rects = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == f"f-{colour}"]
    return [float(rect.get("width")) for rect in rects if float(rect.get("x")) == PLOT_START]


def test_three_members_with_what_was_requested_drawn_and_received():
    weights = {"agent-001": 0.4, "agent-002": 0.35, "agent-003": 0.25}
    contacts = {"agent-001": 160, "agent-002": 120, "agent-003": 112, "other": 8}
    shown = report(weights, contacts, drawn={"agent-001": 150, "agent-002": 140, "agent-003": 100, "": 10})
    root = check_svg(chart(shown))
    seen = words(root)
    assert "2026-03-02 08:00 to 2026-03-02 18:00 UTC" in seen
    assert f"Queue {QUEUE}" in seen
    assert shown.sentence().split(" on average")[0] in seen
    assert "agent-001 40.0 % 37.5 % 40.0 % (35.3–44.9)" in seen
    assert "agent-003 25.0 % 25.0 % 28.0 % (23.8–32.6)" in seen
    assert "other – 0.0 % 2.0 % (1.0–3.9)" in seen
    assert "d-1 · actuator share · from 2026-03-02 08:00 to 2026-03-02 18:00 · 400 contacts" in seen
    assert "of 400 draws; 10 of them for nobody" in seen
    assert "% of the queue’s contacts" in seen
    requested, drawn, realised = (bars(root, colour) for colour in ("before", "unsure", "after"))
    assert [round(bar / requested[0] * 40, 1) for bar in requested] == [40.0, 35.0, 25.0]
    assert [round(bar / requested[0] * 40, 1) for bar in drawn] == [37.5, 35.0, 25.0]
    assert [round(bar / requested[0] * 40, 1) for bar in realised] == [40.0, 30.0, 28.0, 2.0]


@pytest.mark.parametrize("members", [1, 2, 3, 20, 21, 60, MOST_MEMBERS])
@pytest.mark.parametrize("draws", [True, False])
def test_any_number_of_members_has_a_row_each(members, draws):
    weights = crew(members)
    contacts = {user: 5 + index for index, user in enumerate(weights)}
    root = check_svg(chart(report(weights, contacts, drawn=dict.fromkeys(weights, 6) if draws else None)))
    assert f"Members of the plan ({members})" in words(root)
    assert len(bars(root, "after")) == members
    assert len(bars(root, "unsure")) == (members if draws else 0)


def test_more_rows_than_fit_are_counted():
    weights = crew(MOST_MEMBERS + 7)
    others = {f"other-{n}": 3 for n in range(MOST_OTHERS + 2)}
    seen = words(check_svg(chart(report(weights, dict.fromkeys(weights, 9) | others))))
    assert "and 7 more" in seen
    assert "and 2 more" in seen


def test_what_is_not_known_is_not_drawn():
    root = check_svg(chart(report({}, {"a": 60, "b": 40}, actuator="", notes=["No plan was in force."])))
    seen = words(root)
    assert "Members of the plan (0)" in seen
    assert "No plan was in force, so no share is requested." in seen
    assert (bars(root, "before"), bars(root, "unsure")) == ([], [])
    empty = words(check_svg(chart(report({"a": 0.5}, {}, drawn={}))))
    assert "a 50.0 % – –" in empty
    assert "Too few contacts: 0 were answered" in empty
    assert "50.0 % of the contacts: no weight asks for them, and anyone may take them" in empty


def test_several_plans_are_named_with_their_times():
    parts = tuple(
        Part(start, start + timedelta(hours=4), f"d-{start:%H}", "ring", {"a": 1.0}, {"a": Handled(80, 1.0)})
        for start in (FROM, NOON)
    )
    seen = words(check_svg(chart(SharesReport(QUEUE, parts, None))))
    assert "d-08 · actuator ring · from 2026-03-02 08:00 to 2026-03-02 12:00 · 80 contacts" in seen
    assert "d-12 · actuator ring · from 2026-03-02 12:00 to 2026-03-02 16:00 · 80 contacts" in seen


def test_hostile_text_stays_text():
    check_svg(chart(report({HOSTILE: 0.5}, {HOSTILE: 500}, actuator=HOSTILE, notes=[HOSTILE], queue_id=HOSTILE)))


@pytest.mark.parametrize("by", ["ring", "proficiency"])
def test_the_same_contacts_show_what_ranking_really_does(by):
    """Ranked, whoever comes first takes what it has time for, whatever the weights say, and the last takes the rest."""
    received = ranked_day(by, WEIGHTS, STREAM.contacts(seed=1, until_s=86_400)).contacts
    ranked = report(WEIGHTS, received, actuator=by)
    assert ranked.contacts > 400
    assert ranked.accuracy() < accuracy_by_chance(WEIGHTS, ranked.contacts) - 3
    assert ranked.rows()[-1].high < WEIGHTS["agent-003"]


# ---- the page --------------------------------------------------------------------------------------------------------

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "use/shares.md").read_text(encoding="utf-8")


def test_the_picture_and_the_sample_of_the_page_are_what_the_simulator_gives():
    """Three agents at 40, 35 and 25 %: counted draws come nearer to that than a lot for each contact would."""
    shown = example()
    assert (DOCS / "realised-shares.svg").read_text(encoding="utf-8") == chart(shown), "it is old: make pictures"
    page = rounded(shares_page(shown).model_dump(mode="json"))
    samples = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    (sample,) = (text for text in samples if "realised_accuracy" in text)
    assert json.loads(sample) == page | {"members": page["members"][:1]}
    assert page["realised_accuracy"] > page["accuracy_by_chance"]


def rounded(value):
    match value:
        case float():
            return round(value, 4)
        case list():
            return [rounded(item) for item in value]
        case dict():
            return {name: rounded(item) for name, item in value.items()}
        case _:
            return value


def test_every_field_is_on_the_page():
    names = [*ShareView.model_fields, *SharesPage.model_fields]
    assert [name for name in names if f"`{name}`" not in PAGE and f'"{name}"' not in PAGE] == []
