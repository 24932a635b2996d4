"""The check of the language: what it finds, and what it leaves alone."""

import pytest

from local.checks import english

CLEAN = '''"""Restores the before-image. The queue keeps its own settings."""

WAIT_S = 5.0
"""How long to wait. Nothing is written so long as the lock is held, for good reason."""


def back_off(limit):
    """Ring 1 comes first. Who has changed the queue? The agent who has waited longest."""
    return f"{limit} is a commendable backlog, as you said to me"  # emended: it works, off and on
'''


def found(text, *, python=False):
    return [(line, phrase) for line, phrase, _ in english.problems(text, python=python)]


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("https only, but for localhost", "but for"),
        ("https only, but to this machine", "but to"),
        ("A plan for a while ends", "for a while"),
        ("This plan is for good.", "for good"),
        ("The runs are seen to.", "seen to"),
        ("The stream tells of it.", "tells of"),
        ("No medium is said", "is said"),
        ("Mend the cause", "Mend"),
        ("It works off the queue", "works off"),
        ("What was put back", "put back"),
        ("It puts them back", "puts them back"),
        ("A function keeps it for so long.", "so long"),
        ("It is for who has waited.", "for who has"),
        ("Who has waited longest and not left.", "Who has"),
        ("def test_a_plan_for_a_while_ends():", "for a while"),
        ("wait_until_worked_off(world)", "worked off"),
    ],
)
def test_each_banned_phrase_is_found(text, phrase):
    assert found(text) == [(1, phrase)]


@pytest.mark.parametrize(
    "text",
    [
        "# one\n# what was put\n# back",
        '"one\\n"\n"what was put "\n"back"',
        "one\nwhat was put\nback",
    ],
)
def test_a_phrase_that_is_broken_across_lines_is_found(text):
    assert found(text) == [(3, "put back")]


@pytest.mark.parametrize("first", ["Whether", "Putting", "writing"])
@pytest.mark.parametrize("place", ["{0}", "X = 1\n{0}", "def f():\n    {0}", "class C:\n    x: int\n    {0}"])
def test_a_docstring_begins_with_a_noun_or_a_verb(first, place):
    text = place.format(f'"""{first} it is so."""')

    assert found(text, python=True) == [(text.count("\n") + 1, first)]


def test_plain_english_is_left_alone():
    assert found(CLEAN, python=True) == []


def test_the_check_names_file_line_and_advice(tmp_path, capsys):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "put_back.md").write_text("Fine.\nMend it.\n")

    assert english.main(tmp_path) == 1
    assert capsys.readouterr().out.splitlines() == [
        "docs/put_back.md:1: the name put_back: say `restore` inside a run, `revert` for a new distribution",
        "docs/put_back.md:2: Mend: say `fix`",
        "english: 2 phrases to replace",
    ]


def test_the_check_passes_where_every_file_is_plain(tmp_path, capsys):
    (tmp_path / "README.md").write_text("Each queue has members.\n")

    assert english.main(tmp_path) == 0
    assert capsys.readouterr().out == "english: ok\n"


def test_the_check_reads_only_what_people_wrote(tmp_path):
    for name in ("docs/a.md", "docs/openapi.json", "events/README.md", "tests/test_x.py", "README.md", "other.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")

    names = [path.relative_to(tmp_path).as_posix() for path in english.sources(tmp_path)]
    assert names == ["README.md", "docs/a.md", "events/README.md", "tests/test_x.py"]
