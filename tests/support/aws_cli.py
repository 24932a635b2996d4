"""The AWS command line, as far as the pages use it.

The names of commands and options, and the types of their values, are those of botocore's models, from which the real
command line takes them too. The real one is a large dependency that dictates the version of botocore. A test puts a
program of the name `aws` on the PATH, which forks this module: the commands of a page run in a shell as they are.
"""

import json
import os
import stat
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_PROGRAM = """#!{python} -IS
import os, sys
from pathlib import Path
sys.path.append("{root}/local/stack")
import nursery
environment = dict(os.environ, PYTHONPATH="{root}/tests/support")  # another package has `tests`, too
arguments = [Path(each[7:]).read_text() if each.startswith("file://") else each for each in sys.argv[1:]]
with nursery.request("{nursery}", "aws_cli", arguments, folder=Path.cwd(), environment=environment,
                     output=(1, 2)) as fork:
    sys.exit(int(fork.recv(16) or 1))
"""


def install(folder, nursery):
    """Write the program `aws` into a folder. It forks from the nursery of stacks, which has imported boto3."""
    program = folder / "aws"
    program.write_text(_PROGRAM.format(python=sys.executable, root=ROOT, nursery=nursery), encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def main(arguments):
    """Return the exit code. Prints what AWS answers, as the command line does."""
    import boto3  # noqa: PLC0415 - the program `aws` imports this module's text only
    import jmespath  # noqa: PLC0415
    from botocore import xform_name  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    service, command, *rest = arguments
    client = boto3.client(
        service,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        region_name=os.environ["AWS_DEFAULT_REGION"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(proxies={}),
    )
    model = client.meta.service_model
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if command not in operations:
        return _wrong(f"aws {service} has no command {command}")
    shape = model.operation_model(operations[command]).input_shape
    members = {f"--{xform_name(name, '-')}": (name, member) for name, member in shape.members.items()}
    given, asked, outfile = {}, {"--query": None, "--output": "json", "--cli-binary-format": None}, None
    while rest:
        option = rest.pop(0)
        if option in asked:
            asked[option] = rest.pop(0)
        elif option in members:
            name, member = members[option]
            given[name] = _value(member, rest)
        elif (command, outfile) == ("invoke", None) and not option.startswith("-"):
            outfile = option
        else:
            return _wrong(f"aws {service} {command} has no option {option}")
    answer = getattr(client, xform_name(operations[command]))(**given)
    answer.pop("ResponseMetadata")
    if outfile:
        Path(outfile).write_bytes(answer.pop("Payload").read())
    shown = jmespath.search(asked["--query"], answer) if asked["--query"] else answer
    if asked["--output"] == "text":
        print("\t".join(map(str, shown)) if isinstance(shown, list) else shown)
    elif shown:
        print(json.dumps(shown, indent=4, default=str))
    return 0


def _value(member, rest):
    """Take the value of an option off the arguments."""
    match member.type_name:
        case "boolean":
            return True
        case "list":
            values = []
            while rest and not rest[0].startswith("--"):
                values.append(rest.pop(0))
            return json.loads(values[0]) if values[0].startswith("[") else values
        case "structure" | "map":
            return json.loads(rest.pop(0))
        case "integer" | "long":
            return int(rest.pop(0))
        case "blob":
            return rest.pop(0).encode()
    return rest.pop(0)


def _wrong(message):
    print(message, file=sys.stderr)
    return 252


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
