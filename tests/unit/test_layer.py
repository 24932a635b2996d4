"""The check of the built layer finds what no function needs. `make build` runs it on the layer itself."""

import pytest

from local.checks.layer import not_needed

NEEDED = [
    "routing_weights/bootstrap/patch.py",
    "pydantic-2.0.dist-info/METADATA",
    "pydantic-2.0.dist-info/licenses/LICENSE",
    "pydantic_core/_pydantic_core.so",
    "tests_of_something.py",
]


@pytest.fixture
def layer(tmp_path):
    def layer(*names):
        for name in (*NEEDED, *names):
            path = tmp_path / "python" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return {line.split(":")[0] for line in not_needed(tmp_path / "python")}

    return layer


def test_a_layer_of_what_is_needed_passes(layer):
    assert layer() == set()


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("certifi/tests/test_certify.py", "certifi/tests"),
        ("routing_weights/errors.pyc", "routing_weights/errors.pyc"),
        ("requests/__pycache__/api.txt", "requests/__pycache__"),
        ("boto3/session.py", "boto3"),
        ("botocore-1.40.0.dist-info/METADATA", "botocore-1.40.0.dist-info"),
        ("pydantic-2.0.dist-info/RECORD", "pydantic-2.0.dist-info/RECORD"),
    ],
)
def test_what_no_function_needs_is_reported(layer, name, reported):
    assert layer(name) == {reported}
