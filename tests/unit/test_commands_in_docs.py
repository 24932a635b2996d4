"""Every `aws` command in the docs has a service, a command and options that AWS's own models know."""

import re
from functools import cache
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import get_session

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^ *```(?:sh|bash)?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"\baws ([a-z0-9]+) ([a-z0-9-]+)((?:[^|;`&\n]|\\\n)*)")
OF_THE_COMMAND_LINE = {"query", "output", "region", "cli-binary-format", "no-cli-pager", "body"}
NAMES_OF_SERVICES = {"s3api": "s3"}


def commands():
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        inline = re.findall(r"`(aws [^`\n]+)`", text)
        for code in [*BLOCK.findall(text), *inline]:
            for service, command, rest in COMMAND.findall(code.replace("\\\n", " ")):
                options = re.findall(r"(?<!\S)--([a-z][a-z0-9-]*)", re.sub(r"'[^']*'|\"[^\"]*\"", "''", rest))
                yield str(path.relative_to(ROOT)), service, command, tuple(options)


@cache
def operations(service):
    """The options of each command of a service, as the command line names both."""
    model = get_session().get_service_model(NAMES_OF_SERVICES.get(service, service))
    return {xform_name(name, "-"): options(model.operation_model(name).input_shape) for name in model.operation_names}


def options(shape):
    names = {xform_name(name, "-") for name in shape.members} if shape else set()
    return names | {f"no-{name}" for name in names} | OF_THE_COMMAND_LINE


@pytest.mark.parametrize(("page", "service", "command", "given"), sorted(set(commands())))
def test_a_command_of_a_page_exists_with_its_options(page, service, command, given):
    assert command in operations(service), f"{page}: aws {service} has no command {command}"
    assert set(given) <= operations(service)[command], f"{page}: aws {service} {command}"


def test_the_pages_that_operators_follow_have_commands():
    pages = {page for page, *_ in commands()}
    followed = ("administer/deploy", "administer/rotation", "operate/alarms", "operate/stop")
    assert pages >= {f"docs/{page}.md" for page in followed}
