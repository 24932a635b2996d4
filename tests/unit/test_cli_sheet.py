"""A sheet of weights, as spreadsheets and people write it."""

import csv
import io
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing_weights_cli.sheet import COLUMNS, Outcome, WeightError, decimal, exported, read_sheet, result_of, weight_of

HEAD = "queue,email,name,weight,holds\r\n"


def read(text, encoding="utf-8"):
    return read_sheet(text.encode(encoding))


def one(text):
    sheet = read(text)
    assert not sheet.problems
    return sheet.entries[0]


# ---- the cells -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        *(("0.4", "0.4"), ("0,4", "0.4"), (".4", "0.4"), ("40%", "0.4"), ("40 %", "0.4"), ("12,5\u00a0%", "0.125")),
        *(("1", "1"), ("0", "0"), ("100%", "1"), ("4E-2", "0.04"), ("1,00", "1"), ("33.3\u202f%", "0.333")),
    ],
)
def test_a_weight_is_a_number_or_a_percentage_with_a_point_or_a_comma(cell, expected):
    assert weight_of(cell) == Decimal(expected)


@pytest.mark.parametrize(
    ("cell", "message", "suggestion"),
    [
        ("40", "is more than 1", "40%"),
        ("=B2*2", "is a formula", ""),
        ("'=B2", "is a formula", ""),
        ("+0.4", "is a formula", ""),
        ("-0.1", "is less than 0", "0"),
        ("140%", "is more than 100 %", ""),
        ("much", "is not a number", ""),
        ("1.234,5", "is not a number", ""),
        ("٤", "is not a number", ""),
        ("9" * 5000, "is not a number", ""),
        ("1e99", "is more than 1", ""),
        ("#REF!", "is not a number", ""),
    ],
)
def test_what_is_no_weight_is_refused_with_what_was_meant(cell, message, suggestion):
    with pytest.raises(WeightError, match=message) as wrong:
        weight_of(cell)
    assert wrong.value.suggestion == suggestion


@given(st.text(max_size=30))
def test_any_cell_is_a_weight_in_zero_to_one_or_a_sentence(cell):
    try:
        weight = weight_of(cell)
    except WeightError:
        return
    assert 0 <= weight <= 1


@given(st.floats(0, 1), st.sampled_from(",;\t"))
def test_an_exported_weight_is_read_as_it_was_and_never_more(weight, delimiter):
    again = weight_of(decimal(weight, delimiter))
    assert again <= Decimal(repr(weight))
    assert float(again) == pytest.approx(weight, abs=1e-9)


# ---- the file --------------------------------------------------------------------------------------------------------


ROWS = [
    ("Support", "ana.ruiz@example.com", "Ana Ruiz", "0,4", "ring 3"),
    ("Support", "b@example.com", "Bo", "60 %", ""),
]


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_file_is_read_as_spreadsheets_save_it(delimiter, encoding, end):
    rows = [COLUMNS, *ROWS, ("Büro", "c@example.com", "Çelik", "0", "")]
    sheet = read(end.join(delimiter.join(row) for row in rows), encoding)
    assert not sheet.problems
    assert [(e.queue, e.person, str(e.weight)) for e in sheet.entries] == [
        ("Support", "ana.ruiz@example.com", "0.4"),
        ("Support", "b@example.com", "0.6"),
        ("Büro", "c@example.com", "0"),
    ]
    assert ("Windows-1252" in " ".join(sheet.notes)) is (encoding == "windows-1252")


def test_headings_may_have_any_case_and_order_and_unknown_ones_are_named():
    sheet = read("WEIGHT;Team;Queue Name;E-Mail\r\n0,5;North;Support;ana.ruiz@example.com\r\n")
    assert (sheet.entries[0].queue, sheet.entries[0].person, sheet.entries[0].weight) == (
        "Support",
        "ana.ruiz@example.com",
        Decimal("0.5"),
    )
    assert "Team" in sheet.notes[0]


def test_a_name_counts_where_there_is_no_address():
    assert one("queue,email,name,weight\r\nSupport,,Ana Ruiz,1\r\n").person_column == "name"


def test_every_problem_is_found_at_once_with_row_column_and_value():
    sheet = read(
        "queue;email;weight;weight\r\n"
        "Support;ana.ruiz@example.com;=A1;\r\n"
        ";bo@example.com;40;\r\n"
        'Support;"bo;0,5;\r\n'
        "Support;;0,1;\r\n"
        "Support;a@example.com;0;1;2;3\r\n"
    )
    found = [(p.line, p.column, p.value, p.suggestion) for p in sheet.problems]
    assert found == [
        (1, "weight", "weight", ""),
        (2, "weight", "=A1", ""),
        (3, "queue", "", ""),
        (3, "weight", "40", "40%"),
        (4, "", 'Support;"bo;0,5;', ""),
        (5, "email", "", ""),
        (6, "", "2", ""),
    ]


@pytest.mark.parametrize(
    ("content", "column"),
    [("", ""), ("queue,weight\r\nSupport,1\r\n", "email"), ("email,weight\r\na,1\r\n", "queue"), (HEAD, "")],
)
def test_a_file_without_rows_or_columns_says_so(content, column):
    sheet = read(content)
    assert [problem.column for problem in sheet.problems] == [column]


@given(st.binary(max_size=300))
def test_any_bytes_are_entries_or_problems_and_nothing_is_raised(content):
    sheet = read_sheet(content)
    assert sheet.entries or sheet.problems
    assert all(problem.line >= 1 and problem.message for problem in sheet.problems)


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cf"]), max_size=12)


@given(st.lists(st.tuples(CELL, CELL, CELL, st.none() | st.floats(0, 1), CELL), min_size=1), st.sampled_from(",;\t"))
def test_what_is_exported_is_read_back_and_no_cell_is_a_formula(rows, delimiter):
    lines = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    content = exported(lines, delimiter)
    cells = [cell for row in csv.reader(io.StringIO(content), delimiter=delimiter) for cell in row]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
    sheet = read_sheet(content.encode())
    expected = [(line["queue"], line["email"] or line["name"]) for line in lines]
    assert [(e.queue, e.person) for e in sheet.entries] == [pair for pair in expected if all(pair)]


# ---- the result ------------------------------------------------------------------------------------------------------


def test_the_result_is_the_same_file_with_four_columns_and_it_can_be_sent_again():
    sheet = read("queue;Team;email;weight\r\nSupport;'=North;ana.ruiz@example.com;0,4\r\nSales;;b@example.com;1\r\n")
    content = result_of(sheet, {2: Outcome("ring 3", "ring 1", "changed", "storm")})
    assert content.splitlines() == [
        "\ufeffqueue;Team;email;weight;before;after;result;reason",
        "Support;'=North;ana.ruiz@example.com;0,4;ring 3;ring 1;changed;storm",
        "Sales;;b@example.com;1;;;;",
    ]
    again = read_sheet(content.encode())
    assert not again.problems
    assert [entry.reason for entry in again.entries] == ["", ""]
    assert any("result file" in note for note in again.notes)
    assert result_of(again, {2: Outcome("a", "b", "c", "d")}).splitlines()[1].endswith(";0,4;a;b;c;d")
