"""Tests that failed are run once more, alone. What fails twice fails the build."""

import pytest

from local.checks import again

SUITE = """
from pathlib import Path

TRIES = Path(__file__).with_name("tries")


def test_that_passes():
    pass


def test_that_fails_the_first_time():
    tries = len(TRIES.read_text()) if TRIES.exists() else 0
    TRIES.write_text("x" * (tries + 1))
    assert tries >= {failures}
"""
COMPLAINING = """
def pytest_sessionfinish(session):
    session.config.cache.set("suite/complaints", ["a role was refused a call"])
"""


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """A suite of its own, with a test that fails this many times."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # no plugin is needed, and some import for seconds
    (tmp_path / "pytest.ini").write_text("[pytest]")

    def make(failures):
        (tmp_path / "test_suite.py").write_text(SUITE.replace("{failures}", str(failures)))
        return tmp_path

    return make


def tries(folder):
    return len((folder / "tries").read_text())


@pytest.mark.parametrize(
    ("failures", "exit_code", "said"),
    [(0, 0, ""), (1, 0, "FAILED BESIDE OTHERS, PASSED ALONE: FIX IT: test_suite.py::"), (2, 1, "FAILED TWICE: test_")],
)
def test_what_fails_twice_fails_and_what_passes_alone_is_named(suite, capfd, failures, exit_code, said):
    folder = suite(failures)
    assert again.main(["test_suite.py", "--", "-v"]) == exit_code
    printed = capfd.readouterr().out
    assert said in printed
    assert ("FAILED BESIDE" in printed, "FAILED TWICE" in printed) == (failures == 1, failures == 2)
    assert tries(folder) == min(failures + 1, 2)


def test_a_run_with_complaints_of_no_single_test_fails_at_once(suite):
    folder = suite(1)
    (folder / "conftest.py").write_text(COMPLAINING)
    assert (again.main(["test_suite.py"]), tries(folder)) == (1, 1)


def test_a_wrong_usage_is_no_failed_test(suite):
    suite(0)
    assert again.main(["no-such-file.py"]) == 4
