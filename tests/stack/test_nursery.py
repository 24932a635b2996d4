"""The process that forks runtimes. Its requesters may end at any moment, and it continues."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from local.stack import nursery
from tests.support.waiting import DEADLINE_S, until


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """The nursery and its socket."""
    path = str(tmp_path_factory.mktemp("n") / "s")
    process = subprocess.Popen([sys.executable, nursery.__file__, path, "runtimes"])
    until(lambda: Path(path).exists())
    nursery.wait_until_it_serves(path, DEADLINE_S)
    yield process, path
    assert process.poll() is None, "it has served to the end"
    process.kill()
    process.wait()


@pytest.fixture
def endpoint():
    """A runtime API that accepts connections and never answers, so that a runtime waits."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def requested(path, folder, **variables):
    """Request a runtime; gives the connection to the nursery, and the runtime's output."""
    reading, writing = os.pipe()
    connection = nursery.request(
        path, nursery.RUNTIME, ["app.handler"], folder=folder, environment=variables, output=(writing, writing)
    )
    os.close(writing)
    with connection, os.fdopen(reading, "rb") as output:
        connection.settimeout(DEADLINE_S)
        yield connection, output


def runtimes(process):
    """Return the processes that are alive."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = each.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == process.pid and state != "Z":
                found.append(int(each.parent.name))
    return found


@pytest.fixture
def function(tmp_path):
    (tmp_path / "app.py").write_text("import os\nprint('I am', os.environ['NAME'], flush=True)\nhandler = print\n")
    return tmp_path


def test_a_runtime_has_folder_environment_and_output_of_its_requester(serving, function, endpoint):
    with requested(serving[1], function, NAME="one", AWS_LAMBDA_RUNTIME_API=endpoint) as (connection, output):
        assert output.readline() == b"I am one\n"
        (runtime,) = runtimes(serving[0])
        assert Path(f"/proc/{runtime}/cwd").readlink() == function
        assert Path(f"/proc/{runtime}/comm").read_text() == f"{os.getpid()}\n"
        os.kill(runtime, signal.SIGKILL)
        assert connection.recv(16) == b"-9", "the requester hears how it ended"


def test_a_runtime_that_cannot_start_says_why(serving, function):
    with requested(serving[1], function, NAME="two") as (connection, output):
        assert connection.recv(16) == b"1"
        assert b"AWS_LAMBDA_RUNTIME_API" in output.read()


def test_a_runtime_ends_with_its_requester(serving, function, endpoint):
    with requested(serving[1], function, NAME="three", AWS_LAMBDA_RUNTIME_API=endpoint) as (_, output):
        output.readline()
    until(lambda: runtimes(serving[0]) == [])


def test_a_requester_that_dies_halfway_stops_nobody(serving):
    for sent in (b"", b"\0\0", (1000).to_bytes(4), (1000).to_bytes(4) + b"{"):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(serving[1])
            connection.sendall(sent)
    nursery.wait_until_it_serves(serving[1], DEADLINE_S)


def test_runtime_and_requester_may_end_at_once(serving, function, endpoint):
    for _ in range(10):
        with requested(serving[1], function, NAME="four", AWS_LAMBDA_RUNTIME_API=endpoint) as (_, output):
            output.readline()
            (runtime,) = runtimes(serving[0])
            os.kill(runtime, signal.SIGKILL)
        until(lambda: runtimes(serving[0]) == [])
    nursery.wait_until_it_serves(serving[1], DEADLINE_S)
