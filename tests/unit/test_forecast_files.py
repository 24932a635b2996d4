"""Forecast files as WFM systems write them: every time is an instant, and whatever is wrong has its row and column."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies

from routing_weights.api.forecasts import new_forecast
from routing_weights_cli.forecasts import INTERVALS, ahead, instant, pushed, read_forecasts

BERLIN = ZoneInfo("Europe/Berlin")
EIGHT = datetime(2026, 11, 30, 7, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
SIMPLE = """queue,start,volume,aht_s
Support,2026-11-30T08:00+01:00,16,240.5
Support,2026-11-30T08:15+01:00,25,239
Sales,2026-11-30T07:00Z,4,300
Sales,2026-11-30T07:30Z,0,
"""
CALABRIO = """Support,20261130 08:00,20261130 08:15,16,135.5,105,16.85
Support,20261130 08:15,20261130 08:30,25,134,105,21.48
Sales,20261130 08:00,20261130 08:30,4,290,10
"""


def read(text, zone=None, length=None):
    return read_forecasts(text.encode() if isinstance(text, str) else text, zone, length)


def volumes(file):
    return {
        queue: [(each.start, each.end, each.volume, each.aht_s) for each in own] for queue, own in file.queues.items()
    }


def problems(text, zone=None):
    return [(found.line, found.column) for found in read(text, zone).problems]


def test_a_simple_file_and_calabrios_say_the_same():
    of_support = [(EIGHT, EIGHT + QUARTER, 16, 240.5), (EIGHT + QUARTER, EIGHT + 2 * QUARTER, 25, 239)]
    half_past = EIGHT + 2 * QUARTER
    simple, calabrio = read(SIMPLE), read(CALABRIO, BERLIN)
    assert (simple.problems, calabrio.problems) == ([], [])
    assert volumes(simple)["Support"] == volumes(calabrio)["Support"] == of_support
    assert volumes(simple)["Sales"] == [(EIGHT, half_past, 4, 300), (half_past, half_past + 2 * QUARTER, 0, 0)]
    assert volumes(calabrio)["Sales"] == [(EIGHT, half_past, 4, 300)]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + SIMPLE.replace("\n", "\r\n"),
        "sep=;\n" + SIMPLE.replace(",", ";").replace(".", ","),
        SIMPLE.replace(",", "\t").replace("queue\tstart", "Queue Name\tSTART"),
        SIMPLE.replace("aht_s\n", "aht_s,comment\n").replace("\nSales", "\n\nSales").replace(",240.5", ",240.5,busy")
        .replace(",239", ",239,").replace(",300", ",300,").replace(",0,\n", ",0,,\n"),
    ],
    ids=["excel", "german", "tabs", "other-columns"],
)  # fmt: skip
def test_a_spreadsheet_may_have_saved_it(text):
    assert read(text).problems == []
    assert volumes(read(text)) == volumes(read(SIMPLE))


def test_every_problem_has_its_row_and_column_at_once():
    text = """queue,start,volume,aht_s
Support,2026-11-30T08:00,16,240
Support,tomorrow,many,240
,2026-11-30T08:00Z,1,-5
Support,2026-11-30T08:30Z,3,0
Support,2026-11-30T09:00Z,3
Support,2026-11-30T09:30Z,"3,240
"""
    expected = [(2, "start"), (3, "start"), (3, "volume"), (4, "aht_s"), (4, "queue"), (5, "aht_s"), (6, ""), (7, "")]
    assert sorted(problems(text)) == sorted(expected)
    assert all(found.message for found in read(text).problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (1, "")),
        ("queue,start,volume\n", (1, "aht_s")),
        ("queue,start,volume,aht_s,Volume\n", (1, "volume")),
        ("PK\x03\x04", (1, "")),
        (SIMPLE.encode("utf-16").removeprefix(b"\xff\xfe"), (1, "")),
        (b"\xff\xfeqqq", (1, "")),
        (b"\x81,\x00", (1, "")),
        (SIMPLE.replace("08:15+01:00", "08:07+01:00"), (2, "start")),
        (SIMPLE.replace("Support,2026-11-30T08:15+01:00", "One,2026-11-30T08:15+01:00"), (2, "start")),
        (CALABRIO.replace("20261130 08:30,4", "20261130 08:10,4"), (3, "start")),
        (CALABRIO.replace("08:15,20261130 08:30", "08:00,20261130 08:15"), (2, "start")),
        (CALABRIO.replace("08:15,20261130 08:30", "08:15,20261130 09:15"), (2, "end")),
        (CALABRIO.replace("\nSales,", "\nSales,1,2,"), (3, "")),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(text, expected):
    assert expected in problems(text, BERLIN)


def test_a_local_time_needs_a_zone_in_which_it_is_one_instant():
    for text, zone, words in (
        ("2026-11-30T08:00", None, "--zone"),
        ("20261025 02:30", BERLIN, "twice"),
        ("2026-03-29 02:30", BERLIN, "never"),
        ("2026-02-30 02:30", BERLIN, "is not a time"),
        ("9999-12-31 23:59", ZoneInfo("America/New_York"), "is not a time"),
        ("0001-01-01 00:00", BERLIN, "is not a time"),
        ("30.11.2026 08:00", BERLIN, "is not a time"),
    ):
        with pytest.raises(ValueError, match=words):
            instant(text, zone)
    assert instant("20261130 8:00", BERLIN) == instant("2026-11-30T08:00+01:00", None) == EIGHT
    assert instant("2026-10-25T02:30+01:00", BERLIN) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


ZONES = strategies.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
MOMENTS = strategies.integers(946_684_800, 2_145_916_800).map(lambda at: datetime.fromtimestamp(at // 60 * 60, UTC))


@given(MOMENTS.map(lambda at: at.replace(tzinfo=None)), ZONES.map(ZoneInfo))
def test_a_local_time_is_read_exactly_if_it_is_one_instant(shown, zone):
    instants = {shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)}
    real = {at for at in instants if at.astimezone(zone).replace(tzinfo=None) == shown}
    try:
        assert {instant(f"{shown:%Y%m%d %H:%M}", zone)} == real
    except ValueError:
        assert len(real) != 1


@given(strategies.binary(max_size=300) | strategies.text(max_size=300).map(str.encode)
       | strategies.text('queue,start\n;2026-11-30T08:00Z."\r\tvolumeaht_s', max_size=300).map(str.encode))  # fmt: skip
def test_no_file_breaks_the_reading(content):
    file = read_forecasts(content, BERLIN)
    assert all(found.line >= 1 and found.message for found in file.problems)
    assert file.problems or any(file.queues.values())


ROWS = strategies.lists(
    strategies.tuples(strategies.floats(0, 1e4), strategies.floats(1, 1e3)), min_size=2, max_size=20
)


@given(rows=ROWS, length=strategies.sampled_from(INTERVALS), delimiter=strategies.sampled_from(",;\t"))
def test_what_is_written_is_read_again(rows, length, delimiter):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["queue", "start", "volume", "aht_s"])
    writer.writerows(
        ["A queue; with, signs", (EIGHT + at * length).isoformat(), *map(repr, row)] for at, row in enumerate(rows)
    )
    file = read(text.getvalue())
    assert file.problems == []
    (intervals,) = file.queues.values()
    assert [(each.volume, each.aht_s) for each in intervals] == rows
    assert {each.end - each.start for each in intervals} == {length}


def test_what_is_not_over_is_pushed_and_the_api_accepts_it():
    support = read(SIMPLE).queues["Support"]
    now, tomorrow = EIGHT + timedelta(minutes=5), EIGHT + timedelta(days=1)
    assert ahead(support, now) == support
    assert ahead(support, EIGHT + QUARTER) == support[1:]
    assert ahead(support, tomorrow) == ahead(support, EIGHT - timedelta(days=40)) == []
    body = pushed(support, "week.csv")
    later = [{"start": "2026-11-30T07:15:00Z", "offered": 25.0, "aht_s": 239.0}]
    assert body == {
        "offered": 16.0,
        "aht_s": 240.5,
        "interval_s": 900,
        "source": "week.csv",
        "valid_from": "2026-11-30T07:00:00Z",
        "later": later,
    }
    stored = new_forecast(json.dumps(body), None, now.timestamp())
    loads = [stored.at((EIGHT + at).timestamp()).load for at in (timedelta(0), QUARTER)]
    assert loads == [each.load for each in support]
    assert stored.state((EIGHT + 2 * QUARTER).timestamp()) == "expired"
    alone = new_forecast(json.dumps(pushed(support[:1], "week.csv")), None, now.timestamp())
    assert (alone.load, alone.state((EIGHT + QUARTER).timestamp())) == (support[0].load, "expired")
