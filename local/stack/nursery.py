"""The nursery: a process that has imported what all of its forks import, and forks on request.

The import of Powertools, pydantic, requests and boto3 takes most of a second, for each function of each stack, and
again for each runtime that a test kills. A fork takes some milliseconds. The fork then runs AWS's runtime client with
the function's own code, folder and environment. A test run forks whole stacks in the same way.

`python nursery.py SOCKET runtimes [LAYER...]` and `python nursery.py SOCKET stacks` are the two kinds. A stack has a
nursery of its own, unless the environment names a socket in ROUTING_WEIGHTS_NURSERY: all stacks of a test run share
one. The imports come with the first request. A fork's name is the number of its requester.
"""

from __future__ import annotations

import gc
import os
import pkgutil
import selectors
import signal
import socket
import struct
import sys
from contextlib import suppress
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

LENGTH = 4
RUNTIME = "awslambdaric"
# Not awslambdaric: its import reads the environment, which belongs to the runtime.
_PRELOADED = (
    "aws_lambda_powertools.event_handler.openapi.models",
    "aws_lambda_powertools.metrics",
    "boto3",
    "requests",
)
_PACKAGE = "routing_weights"  # the template of a test has other layers
_STACK = ("local.stack.gateway", "local.stack.aws", "local.stack.polling")
_SERVICES = ("dynamodb", "events", "lambda", "s3", "scheduler", "secretsmanager", "sqs", "stepfunctions")


def wait_until_it_serves(path: str, patience_s: float) -> None:
    """Send an empty request, which is answered once the imports are done. Raises OSError if there is no answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.settimeout(patience_s)  # not before: it would make a full backlog an error
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


def request(
    path: str,
    module: str,
    arguments: Iterable[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    output: tuple[int, int],
) -> socket.socket:
    """Request a fork that runs `python -m module` with arguments, folder, environment, and stdout and stderr.

    The fork lives no longer than the connection that this returns, and sends its exit code there.
    """
    arguments = list(arguments)
    variables = (f"{name}={value}" for name, value in environment.items())
    body = "\0".join([module, str(folder), str(len(arguments)), *arguments, *variables]).encode()
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    socket.send_fds(connection, [len(body).to_bytes(LENGTH)], output)
    connection.sendall(body)
    return connection


def peer(connection: socket.socket) -> int:
    """Return the number of the process at the other end."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])


class _Nursery:
    def __init__(self, path: str, preload: Callable[[], None]) -> None:
        self._selector = selectors.DefaultSelector()
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"{path}.new")
        self._listening.listen(1_024)  # requests wait while it imports, and those of many stacks come at once
        Path(f"{path}.new").rename(path)  # what exists under this name can be connected to
        self._preload: Callable[[], None] | None = preload
        self._runtimes: dict[int, socket.socket] = {}
        self._orphans: set[int] = set()
        self._wake, self._wakened = socket.socketpair()
        for end in (self._wake, self._wakened):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wakened.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the signal wakes the selector only if it has a handler

    def run(self) -> None:
        self._selector.register(self._listening, selectors.EVENT_READ)
        self._selector.register(self._wake, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._listening:
                    self._fork()
                elif key.fileobj is self._wake:
                    self._wake.recv(4096)
                    self._reap()
                elif (
                    self._runtimes.get(key.data) is key.fileobj
                ):  # the requester is gone, and the fork is not reaped yet
                    self._selector.unregister(key.fileobj)
                    self._orphans.add(key.data)
                    os.kill(key.data, signal.SIGKILL)

    def _fork(self) -> None:
        connection, _ = self._listening.accept()
        if self._preload is not None:
            self._preload()
            self._preload = None
            gc.collect()
            gc.freeze()  # these objects stay shared between the forks
        body, output = _received(connection)
        if body is None:
            connection.close()
        else:
            nursery, pid = os.getpid(), os.fork()
            if pid == 0:
                _become(body, output, nursery, peer(connection))
            self._runtimes[pid] = connection
            self._selector.register(connection, selectors.EVENT_READ, pid)
        for each in output:
            os.close(each)

    def _reap(self) -> None:
        for pid, connection in list(self._runtimes.items()):
            done, status = os.waitpid(pid, os.WNOHANG)
            if not done:
                continue
            del self._runtimes[pid]
            if pid not in self._orphans:
                self._selector.unregister(connection)
                with suppress(OSError):  # the requester has ended at the same time
                    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
            self._orphans.discard(pid)
            connection.close()


def _received(connection: socket.socket) -> tuple[bytes | None, list[int]]:
    """Return a request and its output files. None instead of a request if it is empty, or the requester is gone."""
    output: list[int] = []
    with suppress(OSError):
        length, output, _, _ = socket.recv_fds(connection, LENGTH, 2)
        body = b""
        while len(length) == LENGTH and len(body) < int.from_bytes(length):
            part = connection.recv(1 << 20)
            if not part:
                return None, output
            body += part
        if len(length) == LENGTH:
            return body, output
    return None, output


def _preload_runtime(layers: list[str]) -> None:
    for name in _PRELOADED:
        import_module(name)
    import boto3  # noqa: PLC0415

    # A first client imports what botocore imports late, and the session of `boto3.client` keeps each service's model.
    # Nothing is sent.
    for service in _SERVICES:
        boto3.client(service, "us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # type: ignore[call-overload]  # noqa: S106
    sys.path[:0] = layers
    if find_spec(_PACKAGE):
        _preload_package()
    del sys.path[: len(layers)]


class _ReadsSurroundings(ImportError):
    """A module wants what only the fork has."""


def _preload_package() -> None:
    """Import each module of the layer, except those that make a logger or a client at their top.

    Loggers and clients are made by the environment of the function.
    """

    def refuse(*_: object, **__: object) -> None:
        raise _ReadsSurroundings

    logger: Any = import_module("aws_lambda_powertools").Logger
    client: Any = import_module(f"{_PACKAGE}.adapters.aws.client")
    makes, prepare = logger.__init__, client.prepare
    logger.__init__ = client.prepare = refuse
    package = import_module(_PACKAGE)
    try:
        for module in pkgutil.walk_packages(package.__path__, f"{_PACKAGE}."):
            with suppress(_ReadsSurroundings):
                import_module(module.name)
    finally:
        logger.__init__, client.prepare = makes, prepare


def _preload_stack() -> None:
    from moto.backends import get_backend  # noqa: PLC0415

    sys.path.append(str(Path(__file__).resolve().parents[2]))
    for name in _STACK:
        import_module(name)
    for service in ("iam", *_SERVICES):
        get_backend(service)
    import_module("local.stack.aws").prepare(("iam", *_SERVICES))


def _become(body: bytes, output: list[int], nursery: int, requester: int) -> None:
    """Run the requested module in this fork, as its main one. Does not return."""
    import runpy  # noqa: PLC0415
    import traceback  # noqa: PLC0415

    from tether import die_with_parent  # type: ignore[import-not-found]  # noqa: PLC0415 - beside this script

    code = 1
    module, folder, number_of_arguments, *rest = map(os.fsdecode, body.split(b"\0"))
    arguments, environment = rest[: int(number_of_arguments)], rest[int(number_of_arguments) :]
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, each in enumerate(output, 1):
            os.dup2(each, number)
        os.closerange(3, 4096)
        Path("/proc/self/comm").write_text(str(requester), encoding="ascii")
        if die_with_parent(signal.SIGKILL, nursery):
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(variable.partition("=")[::2] for variable in environment)
            sys.path[:1] = [folder, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
            sys.argv = [module, *arguments]
            if module == RUNTIME:
                sign_with_the_scope("v4", "s3v4")
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - like the interpreter at its end; the frames above belong to the nursery
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def sign_with_the_scope(*versions: str) -> None:
    """Sign requests of these signature versions with their scope only, and build the text of the user agent once.

    This stack knows service and role by the scope, and checks no signature. Both took a sixth of a runtime's CPU time.
    """
    from botocore.auth import AUTH_TYPE_MAPS, BaseSigner  # noqa: PLC0415
    from botocore.useragent import UserAgentString  # noqa: PLC0415

    class Scope(BaseSigner):
        REQUIRES_REGION = True

        def __init__(self, credentials: Any, service_name: str, region_name: str) -> None:
            self._scope = f"{credentials.access_key}/20260101/{region_name}/{service_name}/aws4_request"

        def add_auth(self, request: Any) -> None:
            request.headers["Authorization"] = f"AWS4-HMAC-SHA256 Credential={self._scope}, SignedHeaders=, Signature="

    AUTH_TYPE_MAPS.update(dict.fromkeys(versions, Scope))
    UserAgentString.to_string = cache(UserAgentString.to_string)  # type: ignore[method-assign]


if __name__ == "__main__":
    path, kind, *layers = sys.argv[1:]
    _Nursery(path, partial(_preload_runtime, layers) if kind == "runtimes" else _preload_stack).run()
