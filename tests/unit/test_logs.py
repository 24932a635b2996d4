"""The logs of the embedded stack, by log group."""

import json

import pytest

from local.stack.logs import Line, Logs, matches


def test_a_group_has_the_lines_of_its_function_and_its_failed_invocations(tmp_path):
    path = tmp_path / "log"
    lines = [
        {"level": "INFO", "timestamp": "2026-01-31 08:00:00,250+0000", "function_name": "SweepFunction"},
        {"level": "INFO", "timestamp": "2026-01-31 08:00:00,000+0000", "function_name": "PatrolFunction"},
    ]
    texts = [json.dumps(line, separators=(",", ":")) for line in lines]
    path.write_text("START RequestId\n" + "\n".join(texts) + '\n{"function_name":"SweepFunction", broken\n')
    at_s = 1769846400.0  # 2026-01-31T08:00:00Z
    logs = Logs(path, {"SweepLogGroup": "SweepFunction", "PatrolLogGroup": "PatrolFunction"}, lambda: at_s)
    logs.failed("SweepFunction", b'{"errorType": "StoreUnavailable", "errorMessage": "DynamoDB is down."}')
    failure = Line(int(1000 * at_s), "[ERROR] StoreUnavailable: DynamoDB is down.")
    assert logs.lines("SweepLogGroup") == [failure, Line(int(1000 * at_s) + 250, texts[0])]
    assert logs.lines("PatrolLogGroup") == [Line(int(1000 * at_s), texts[1])]
    with pytest.raises(KeyError):
        logs.lines("OtherLogGroup")


@pytest.mark.parametrize(
    ("pattern", "message", "fits"),
    [
        ("", "anything", True),
        ("ERROR", "[ERROR] KeyError", True),
        ("ERROR", "a warning", False),
        ("?ERROR ?WARNING", '"level":"WARNING"', True),
        ("?ERROR ?WARNING", '"level":"INFO"', False),
        ("Drift ?ERROR ?WARNING", "WARNING Drift", True),
        ("Drift ?ERROR ?WARNING", "WARNING", False),
        ('"the draw failed"', "the draw failed", True),
        ('"6f1c-9a52"', '"distribution_id":"6f1c-9a52"', True),
    ],
)
def test_a_filter_pattern(pattern, message, fits):
    assert matches(pattern, message) is fits


@pytest.mark.parametrize("pattern", ['{ $.level = "ERROR" }', "%a%", "-ERROR", "[a, b]"])
def test_an_unknown_filter_pattern_is_refused(pattern):
    with pytest.raises(ValueError, match="filter pattern"):
        matches(pattern, "anything")
