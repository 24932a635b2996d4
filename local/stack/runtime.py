"""One runtime of a function: a fork of the nursery with AWS's runtime client, and the Runtime API that it calls.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. The runtime asks for an event, answers it, and asks for
the next one, over one connection. So the thread that invokes a function speaks with the runtime itself, and nothing
runs between invocations. tests/stack/test_runtime.py compares the answers with those of AWS's emulator.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import socket
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from local.stack import nursery

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from local.stack.template import Function

INIT_S = 15.0
"""The longest initialisation. AWS has 10 s; a machine that runs a whole stack is slower."""
_API = "/2018-06-01/runtime"
_NEXT, _INIT_ERROR = f"{_API}/invocation/next", f"{_API}/init/error"


@dataclass(frozen=True)
class Outcome:
    payload: bytes
    failed: bool
    seconds: float = 0.0
    """From the event to the answer, without the initialisation."""


class _Connection:
    """A connection of the runtime, which sends the next request once the last one is answered."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or the end of a large event waits for an ACK
        self._socket, self._reader = connected, connected.makefile("rb")

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self, patience_s: float) -> tuple[str, bytes] | None:
        """Return path and body of a request. None: the runtime has closed the connection. Raises TimeoutError."""
        self._socket.settimeout(patience_s)
        with suppress(ConnectionError):
            if line := self._reader.readline():
                length = 0
                while header := self._reader.readline().strip().lower():
                    name, _, value = header.partition(b":")
                    length = int(value) if name == b"content-length" else length
                return line.split()[1].decode(), self._reader.read(length)
        return None

    def respond(self, status: HTTPStatus, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status.value} {status.phrase}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        with suppress(ConnectionError):  # the runtime has ended, and will send nothing more
            self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


class _Exited(Exception):
    """The runtime has ended."""


class Runtime:
    """A runtime, until it ends. One thread at a time invokes it.

    `nursery_path` is the nursery's socket, `environment` what the function sees, and `log` the file of its output.
    """

    def __init__(self, function: Function, *, environment: Mapping[str, str], nursery_path: str, log: int) -> None:
        self._arn, self._timeout_s, self._log = function.arn, function.timeout, log
        self._connection: _Connection | None = None
        # Ports are used again, and a fork that has not quite ended could ask here for an event. The address is not.
        one, two, three = secrets.token_bytes(3)
        self._listening = socket.create_server((f"127.{one}.{two}.{1 + three % 254}", 0))
        api = "{}:{}".format(*self._listening.getsockname())
        try:
            self._fork = nursery.request(
                nursery_path,
                nursery.RUNTIME,
                [function.handler],
                folder=function.code,
                environment={**environment, "AWS_LAMBDA_RUNTIME_API": api, "_HANDLER": function.handler},
                output=(log, log),
            )
        except OSError:
            self._listening.close()
            raise

    def alive(self) -> bool:
        return not _readable(0, [self._fork])

    def invoke(self, payload: bytes, trace: str) -> Outcome:
        """Run one invocation; `trace` is its header X-Amzn-Trace-Id. A runtime that cannot continue is not alive."""
        request_id = str(uuid.uuid4())
        answered, failed = (f"{_API}/invocation/{request_id}/{end}" for end in ("response", "error"))
        os.write(self._log, f"START RequestId: {request_id} Version: $LATEST\n".encode())
        began = time.monotonic()
        try:
            connection, asked, error = self._next({_NEXT, _INIT_ERROR}, INIT_S)
            if asked == _INIT_ERROR:
                connection.respond(HTTPStatus.ACCEPTED)
                self.kill()
                return Outcome(error, failed=True)
            began = time.monotonic()
            connection.respond(HTTPStatus.OK, payload, self._describe(request_id, trace))
            connection, answer, body = self._next({answered, failed}, self._timeout_s)
            connection.respond(HTTPStatus.ACCEPTED)
        except TimeoutError:
            self.kill()
            message = f"Task timed out after {self._timeout_s:.2f} seconds"
            return failure("Sandbox.Timedout", message, request_id, time.monotonic() - began)
        except _Exited as exited:
            self.kill()
            return failure("Runtime.ExitError", f"Runtime exited {exited}", request_id, time.monotonic() - began)
        return Outcome(body, failed=answer == failed, seconds=time.monotonic() - began)

    def kill(self) -> None:
        """Have the nursery kill the fork. An invocation that is under way fails."""
        with suppress(OSError):  # the nursery has ended, and its forks with it
            self._fork.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Kill the fork and close the sockets. Nobody may invoke it meanwhile."""
        self.kill()
        for each in (self._connection, self._listening, self._fork):
            if each is not None:
                each.close()

    def _describe(self, request_id: str, trace: str) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self._timeout_s) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self._arn,
            **({"Lambda-Runtime-Trace-Id": trace} if trace else {}),
        }

    def _next(self, paths: Collection[str], patience_s: float) -> tuple[_Connection, str, bytes]:
        """Wait for a request for one of the paths. Raises TimeoutError, and _Exited if the runtime has ended."""
        until = time.monotonic() + patience_s
        while (left_s := until - time.monotonic()) > 0:
            sockets = [each for each in (self._connection, self._listening, self._fork) if each is not None]
            readable = _readable(left_s, sockets)
            if self._connection in readable:  # before the end of the fork: a runtime may answer and end
                request = self._connection.read(left_s)
                if request is None:
                    self._connection.close()
                    self._connection = None
                elif request[0] in paths:
                    return (self._connection, *request)
                else:
                    self._connection.respond(HTTPStatus.NOT_FOUND)
            elif self._listening in readable:
                self._connection = _Connection(self._listening.accept()[0])
            elif self._fork in readable:
                raise _Exited(_reason(self._fork.recv(16)))
        raise TimeoutError


def failure(kind: str, message: str, request_id: str, seconds: float = 0.0) -> Outcome:
    """Return a failure of the runtime in Lambda's words."""
    text = {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {message}"}
    return Outcome(json.dumps(text).encode(), failed=True, seconds=seconds)


def _reason(code: bytes) -> str:
    """Say why a fork has ended, from what the nursery sends. The nursery sends nothing about a fork that it killed."""
    number = int(code or -signal.SIGKILL)
    if number == 0:
        return "without providing a reason"
    name = signal.strsignal(-number) if number < 0 else None
    return f"with error: signal: {name.lower()}" if name else f"with error: exit status {number}"


def _readable(patience_s: float, sockets: Collection[_Connection | socket.socket]) -> list[_Connection | socket.socket]:
    """Return the sockets that have something to read, or are closed, after at most this time."""
    poll = select.poll()  # select.select has no file numbers beyond 1,023
    for each in sockets:
        poll.register(each, select.POLLIN)
    ready = {number for number, _ in poll.poll(patience_s * 1000)}
    return [each for each in sockets if each.fileno() in ready]
