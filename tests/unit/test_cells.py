"""Text files as spreadsheets save them: encoding, separator, quotes and numbers."""

import pytest
from hypothesis import given, strategies

from routing_weights_cli.cells import DELIMITERS, Problem, Row, heading, number, read_table

CAFE = "queue;weight\nCafé;0,4\n"
ROWS = [Row(1, ["queue", "weight"]), Row(2, ["Café", "0,4"])]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "windows-1252"])
def test_a_file_is_read_in_each_encoding_that_excel_saves(encoding):
    table = read_table(CAFE.replace("\n", "\r\n").encode(encoding))
    assert (table.rows, table.problems, table.delimiter, table.encoding) == (ROWS, [], ";", encoding)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("queue,weight;unit", ","),
        ("queue;weight, of all;", ";"),
        ("queue\tthe weight, or the share; in percent", "\t"),
        ('"queue,weight"', ","),
        ("sep=\t\nqueue,weight", "\t"),
        ("a;b,c", ";"),
        ("a", ";"),
    ],
)
def test_the_separator_is_the_one_that_names_the_most_columns(line, expected):
    assert read_table(line.encode(), {"queue", "weight"}).delimiter == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04...", "Excel workbook"),
        (b"\x1f\x8b...", "compressed"),
        (b"a,\x00b", "no text"),
        (b"\xff\xfea", "no text"),
        (b"\x81\x8d", "no text"),
    ],
)
def test_a_file_that_is_no_text_is_one_problem_that_says_what_to_do(content, words):
    table = read_table(content)
    assert (table.rows, len(table.problems)) == ([], 1)
    assert words in table.problems[0].message


def test_a_quote_that_is_never_closed_spoils_its_own_line_only():
    table = read_table(b'a,b\n"c,d\n"e" f,g\n\n , \n"h,i",j\n')
    assert [problem.line for problem in table.problems] == [2, 3]
    assert table.rows == [Row(1, ["a", "b"]), Row(6, ["h,i", "j"])]


def test_a_problem_shows_a_value_that_fits_a_line():
    assert Problem.of(3, "weight", "0.5\x1b[2J", "x").value == "0.5 [2J"
    assert len(Problem.of(3, "weight", "9" * 500, "x").value) == 40


def test_columns_have_names_without_regard_to_case_spaces_and_hyphens():
    assert heading(Row(1, ["Agent E-Mail", "WEIGHT", "aht_s"])) == ["agent_e_mail", "weight", "aht_s"]


def test_a_decimal_comma_needs_another_separator_than_commas():
    assert [number(cell, ";") for cell in ("0,4", "0.4", ".4", "4e-1", "+1")] == [0.4, 0.4, 0.4, 0.4, 1]
    for cell, words in (("0,4", "decimal comma"), ("1.000,5", "not a number"), ("", "not a number"), ("nan", "number")):
        with pytest.raises(ValueError, match=words):
            number(cell, ",")


@given(strategies.binary(max_size=200) | strategies.text(max_size=200).map(str.encode)
       | strategies.text(max_size=100).map(lambda text: text.encode("utf-16", "surrogatepass")))  # fmt: skip
def test_whatever_a_file_contains_is_rows_or_problems(content):
    table = read_table(content, {"queue"})
    assert table.delimiter in DELIMITERS
    assert all(any(row.cells) for row in table.rows)
    assert all(problem.message and problem.line >= 1 for problem in table.problems)


def test_lines_may_end_as_those_of_old_macs():
    table = read_table(b"queue;weight\rSupport;0,4\r")
    assert (table.rows, table.problems) == ([Row(1, ["queue", "weight"]), Row(2, ["Support", "0,4"])], [])


def test_signs_without_a_width_at_the_ends_of_a_cell_are_cut():
    table = read_table("\ufeff\ufeffqueue;weight\n\u200bSupport\u00a0\u200b;0,4\u200e\n".encode())
    assert [row.cells for row in table.rows] == [["queue", "weight"], ["Support", "0,4"]]
