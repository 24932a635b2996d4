"""The stack's Runtime API: a function cannot tell it from AWS's runtime interface emulator, nor can its caller."""

import http.client
import json
import os
import platform
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
import samcli

from local.stack.lambdas import NURSERY
from local.stack.runtime import Runtime
from local.stack.template import Function, arn
from tests.support.waiting import DEADLINE_S, until

HANDLER = """
import os, signal, sys, time
if os.environ["NAME"] == "Broken": import nowhere
if os.environ["NAME"] == "Ending": os._exit(5)
class Refused(Exception): pass
def handler(event, context):
    # It sleeps where a function is to hang until its time-out.
    do = event["do"]
    if do == "raise": raise Refused('a "quoted" word: ü')
    if do == "exit": os._exit(event["code"])
    if do == "kill": os.kill(os.getpid(), event["signal"])
    if do == "hang": time.sleep(60)
    if do == "pid": return os.getpid()
    if do == "set": return {1, 2}
    if do == "long": return "x" * event["n"]
    if do == "trace": return os.environ.get("_X_AMZN_TRACE_ID")
    if do == "environment": return dict(os.environ)
    if do == "context":
        left_s = context.get_remaining_time_in_millis() / 1000
        return {name: str(value) for name, value in vars(context).items()} | {"left": 0 < left_s <= 2}
    return event
"""
TIMEOUT_S = 2
PORTS = count(20_000, 2)
# What only one of the two has, or has with a value of its own.
OF_EMULATOR = {"AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN", "LC_CTYPE"}
OWN = {"AWS_LAMBDA_RUNTIME_API"}
OWN_OF_CONTEXT = {"invoked_function_arn"}
BY_CHANCE = {"_epoch_deadline_time_in_ms"}
"""What differs unless both begin in the same millisecond."""


class Emulator:
    """AWS's emulator, as `sam local` has it."""

    def __init__(self, function, environment, log):
        kind = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
        number = os.getpid()
        host = f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"  # all of 127/8 is loopback on Linux
        port = next(PORTS)
        self._address = host, port
        self._process = subprocess.Popen(
            [
                Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{kind}",
                *("--runtime-interface-emulator-address", f"{host}:{port}"),
                *("--runtime-api-address", f"{host}:{port + 1}"),
                *(sys.executable, "-m", "awslambdaric", function.handler),
            ],
            cwd=function.code,
            env=environment,
            stdout=log,
            stderr=log,
        )
        until(self._listens)

    def invoke(self, payload, _trace=""):
        connection = http.client.HTTPConnection(*self._address, timeout=DEADLINE_S)
        connection.request("POST", "/2015-03-31/functions/function/invocations", payload)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return body

    def close(self):
        self._process.kill()
        self._process.wait()

    def _listens(self):
        connection = http.client.HTTPConnection(*self._address)
        try:
            connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("function")
    (folder / "app.py").write_text(HANDLER)
    return folder


@pytest.fixture(scope="module")
def start(folder):
    """Start a runtime under the stack's API, or under the emulator."""
    begun = []

    def start(kind, name="Fine"):
        function = Function(
            name, arn("lambda", "us-east-1", f"function:{name}"), folder, "app.handler", 2, 128, None, {}, ()
        )
        environment = {
            "PATH": os.environ["PATH"],
            "NAME": name,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(TIMEOUT_S),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "$LATEST",
            "AWS_ACCESS_KEY_ID": "FineRole",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_SESSION_TOKEN": "local",
        }
        made = (
            Emulator(function, environment, log)
            if kind == "emulator"
            else Runtime(function, environment=environment, nursery_path=os.environ[NURSERY], log=log.fileno())
        )
        begun.append(made)
        return made

    with (folder / "log").open("ab") as log:
        yield start
        for each in begun:
            each.close()


@pytest.fixture(scope="module")
def emulator(start):
    return start("emulator")


def said(body):
    """Return an answer with its request's id made the same."""
    return json.loads(re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", body.decode()))


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        ({"do": "", "text": 'ü " \\ \n', "nothing": None, "deep": [{"a": [1.5, True]}]}, False),
        ({"do": "long", "n": 3_000_000}, False),
        ({"do": "", "long": "x" * 3_000_000}, False),
        ({"do": "raise"}, True),
        ({"do": "set"}, True),
        ({"do": "exit", "code": 3}, True),
        ({"do": "exit", "code": 0}, True),
        ({"do": "kill", "signal": signal.SIGKILL}, True),
        ({"do": "kill", "signal": signal.SIGTERM}, True),
        ({"do": "kill", "signal": signal.SIGSEGV}, True),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_answer_is_that_of_the_emulator(start, emulator, event, failed):
    payload = json.dumps(event).encode()
    outcome = (runtime := start("ours")).invoke(payload, "")
    assert (said(outcome.payload), outcome.failed) == (said(emulator.invoke(payload)), failed)
    assert runtime.alive() is (event["do"] not in {"exit", "kill"})
    if runtime.alive():
        assert runtime.invoke(b'{"do": "again"}', "").payload == b'{"do": "again"}'


def test_a_handler_sees_what_the_emulator_shows(start, emulator):
    runtime = start("ours")
    for do, missing, own in (("environment", OF_EMULATOR, OWN), ("context", set(), OWN_OF_CONTEXT)):
        payload = json.dumps({"do": do}).encode()
        ours, theirs = said(runtime.invoke(payload, "").payload), said(emulator.invoke(payload))
        assert ours.keys() == theirs.keys() - missing
        assert {name for name in ours if ours[name] != theirs[name]} | BY_CHANCE == own | BY_CHANCE


def test_arn_and_trace_are_those_of_the_invocation(start):
    """The emulator has a made-up ARN, and drops the header."""
    runtime = start("ours")
    context = said(runtime.invoke(b'{"do": "context"}', "").payload)
    assert context["invoked_function_arn"] == "arn:aws:lambda:us-east-1:123456789012:function:Fine"
    traces = [json.loads(runtime.invoke(b'{"do": "trace"}', trace).payload) for trace in ("Root=1-0-1", "")]
    assert traces == ["Root=1-0-1", None]


def test_a_handler_that_cannot_be_imported_fails_its_invocation(start):
    runtime = start("ours", "Broken")
    outcome = runtime.invoke(b"{}", "")
    assert (said(outcome.payload), outcome.failed) == (said(start("emulator", "Broken").invoke(b"{}")), True)
    assert said(outcome.payload)["errorType"] == "Runtime.ImportModuleError"
    assert not runtime.alive()


def test_a_runtime_that_ends_before_its_first_event_fails_its_invocation(start):
    """The emulator then answers nothing."""
    outcome = start("ours", "Ending").invoke(b"{}", "")
    message = "RequestId: ID Error: Runtime exited with error: exit status 5"
    assert (said(outcome.payload)["errorMessage"], outcome.failed) == (message, True)


def test_an_invocation_ends_at_its_time_out(start, emulator):
    with ThreadPoolExecutor(1) as beside:
        theirs = beside.submit(emulator.invoke, b'{"do": "hang"}')
        outcome = (runtime := start("ours")).invoke(b'{"do": "hang"}', "")
    assert (said(outcome.payload)["errorType"], outcome.failed) == ("Sandbox.Timedout", True)
    assert said(outcome.payload)["errorMessage"] == f"RequestId: ID Error: {theirs.result().decode()}"
    assert not runtime.alive()


def test_a_runtime_that_is_killed_from_outside_fails_its_invocation(start):
    runtime = start("ours")
    with ThreadPoolExecutor(1) as beside:
        under_way = beside.submit(runtime.invoke, b'{"do": "hang"}', "")
        runtime.kill()
        outcome = under_way.result(DEADLINE_S)
    assert (said(outcome.payload)["errorType"], outcome.failed) == ("Runtime.ExitError", True)
