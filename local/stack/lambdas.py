"""The Lambda functions: each has a small pool of AWS's runtime interface emulators, with AWS's runtime client."""

from __future__ import annotations

import base64
import http.client
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import samcli

from local.stack import nursery, tether
from local.stack.errors import StackError
from local.stack.rules import MOST_REQUEST_BYTES, MOST_RESPONSE_BYTES, RequestTooLarge, Throttled
from local.stack.template import role_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.stack.template import Function

# The administrator's credentials. The access key of a function is the name of its role.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": "local"}
NURSERY = "ROUTING_WEIGHTS_NURSERY"
_CAP = 4  # emulators per function without reserved concurrency
_USUAL, _PATIENCE_S = 2, 0.3  # a third emulator starts only after a wait: it is costly, and most invocations are short
_START_S = 10.0
_NURSERY_S = 60.0
_GRACE_S = 15.0  # beyond the function's own time-out, which the emulator enforces without the initialisation
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
_INVOCATIONS = "/2015-03-31/functions/function/invocations"
_TIMED_OUT = b"Task timed out after "
# The members of awslambdaric's report of an exception. The emulator marks it neither by a header nor by a status.
_REPORTED = {"errorMessage", "errorType", "requestId", "stackTrace"}


@dataclass(frozen=True)
class Outcome:
    payload: bytes
    failed: bool


class Invoke(Protocol):
    """Invokes a function by its logical id. `trace` is the header X-Amzn-Trace-Id."""

    def __call__(self, name: str, payload: bytes, trace: str = "", /) -> Outcome: ...


class Lambdas:
    """Invokes functions, and refuses invocations beyond ReservedConcurrentExecutions.

    At most `_CAP` invocations of a function run at a time on this machine. The others wait.
    """

    def __init__(self, functions: Iterable[Function], environment: dict[str, str], log: Path) -> None:
        self._log = log.open("ab")
        self._ports = count(20_000, 2)
        # A child dies with the thread that started it (see tether). This thread lives as long as the stack.
        self._starter = ThreadPoolExecutor(1, "starter")
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._folder = tempfile.TemporaryDirectory(prefix="routing-weights-")
        functions = tuple(functions)
        self._nursery: subprocess.Popen[bytes] | None = None
        self._socket = os.environ.get(NURSERY) or f"{self._folder.name}/nursery"
        if not os.environ.get(NURSERY):
            layers = dict.fromkeys(str(layer) for item in functions for layer in item.layers)
            self._nursery = self._starter.submit(self._start_nursery, inherited, layers).result()
        self._pools = {item.name: _Pool(self, item, inherited | environment) for item in functions}
        self._closed = False

    def invoke(self, name: str, payload: bytes, trace: str = "") -> Outcome:
        """Run one invocation; `trace` is its header X-Amzn-Trace-Id.

        Raises KeyError if the template has no such function, Throttled beyond its reserved concurrency, and
        RequestTooLarge.
        """
        pool = self._pools[name]
        if len(payload) > MOST_REQUEST_BYTES:
            raise RequestTooLarge(name)
        outcome = pool.invoke(payload or b"{}", trace)
        if len(outcome.payload) > MOST_RESPONSE_BYTES:
            return _error(
                "Function.ResponseSizeTooLarge",
                f"Response payload size exceeded maximum allowed payload size ({MOST_RESPONSE_BYTES} bytes).",
            )
        return outcome

    def warm(self) -> None:
        """Start one emulator per function, all at once. A function is imported at its first invocation."""
        with ThreadPoolExecutor(len(self._pools) + 1) as starters:
            imported = starters.submit(self._wait_for_the_nursery)
            list(starters.map(_Pool.warm, self._pools.values()))
            imported.result()

    def close(self) -> None:
        self._closed = True
        for pool in self._pools.values():
            pool.kill()
        self._starter.shutdown()
        for pool in self._pools.values():  # again, for an emulator that was just being started
            pool.kill()
        if self._nursery is not None:
            self._nursery.kill()  # the kernel then kills the processes that it has forked
            self._nursery.wait()
        self._folder.cleanup()
        self._log.close()

    def spawn(self, function: Function, environment: dict[str, str]) -> _Runtime:
        return self._starter.submit(self._spawn, function, environment).result()

    def _spawn(self, function: Function, environment: dict[str, str]) -> _Runtime:
        if self._closed:
            raise StackError("the stack has stopped")
        host, port = _loopback(), next(self._ports)
        bare = [sys.executable, "-I", "-S"]
        command = [
            *(*bare, tether.__file__, str(os.getpid()), str(_emulator())),
            *("--runtime-interface-emulator-address", f"{host}:{port}", "--runtime-api-address", f"{host}:{port + 1}"),
            *(*bare, str(Path(__file__).with_name("stand_in.py")), self._socket, function.handler),
        ]
        return _Runtime(self._run(command, environment, function.code), host, port, function.timeout + _GRACE_S)

    def _start_nursery(self, environment: dict[str, str], layers: Iterable[str]) -> subprocess.Popen[bytes]:
        bare = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
        return self._run(
            [*bare, sys.executable, nursery.__file__, self._socket, "runtimes", *layers], environment, Path("/")
        )

    def _wait_for_the_nursery(self) -> None:
        """Wait for the imports of the nursery, or the first invocation would wait, and that counts as its own time."""
        if self._nursery is None:
            return nursery.wait_until_it_serves(self._socket, _NURSERY_S)
        for _ in range(int(_NURSERY_S / 0.01)):
            with suppress(FileNotFoundError, ConnectionError):  # the nursery is not there yet, or has just ended
                return nursery.wait_until_it_serves(self._socket, _NURSERY_S)
            with suppress(subprocess.TimeoutExpired):
                self._nursery.wait(0.01)
                raise StackError(f"the runtimes' nursery ended with {self._nursery.returncode}; see the log")
        raise StackError(f"the runtimes' nursery was not there within {_NURSERY_S:g} s")

    def _run(self, command: list[str], environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603  ours
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )


class _Pool:
    def __init__(self, lambdas: Lambdas, function: Function, environment: dict[str, str]) -> None:
        self._lambdas = lambdas
        self._function = function
        self._environment = environment | {
            "PYTHONPATH": os.pathsep.join(map(str, [function.code, *function.layers])),
            "LAMBDA_TASK_ROOT": str(function.code),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
            "AWS_ACCESS_KEY_ID": role_of(function.name),
            **function.environment,
        }
        self._turn = threading.Semaphore(_CAP)
        self._reserve = None if function.reserved is None else threading.Semaphore(function.reserved)
        self._lock = threading.Condition()
        self._idle: list[_Runtime] = []
        self._all: set[_Runtime] = set()

    def invoke(self, payload: bytes, trace: str) -> Outcome:
        if self._reserve is None:
            return self._invoke(payload, trace)
        if not self._reserve.acquire(blocking=False):
            raise Throttled(self._function.name)
        try:
            return self._invoke(payload, trace)
        finally:
            self._reserve.release()

    def _invoke(self, payload: bytes, trace: str) -> Outcome:
        with self._turn:
            runtime = self._take()
            try:
                outcome = runtime.invoke(payload, trace)
            except (OSError, http.client.HTTPException) as error:
                self._drop(runtime)
                return _error("Runtime.ExitError", f"Runtime exited: {error!r}")
            self._give(runtime)
            return outcome

    def warm(self) -> None:
        self._give(self._new())

    def kill(self) -> None:
        with self._lock:
            runtimes, self._all, self._idle = self._all, set(), []
        for runtime in runtimes:
            runtime.kill()

    def _take(self) -> _Runtime:
        with self._lock:
            if len(self._all) >= _USUAL:
                self._lock.wait_for(lambda: self._idle, _PATIENCE_S)
            while self._idle:
                runtime = self._idle.pop()
                if runtime.alive():
                    return runtime
                self._all.discard(runtime)
        return self._new()

    def _new(self) -> _Runtime:
        runtime = self._lambdas.spawn(self._function, self._environment)
        with self._lock:
            self._all.add(runtime)
        try:
            runtime.wait_until_it_listens()
        except StackError as error:
            self._drop(runtime)
            raise StackError(f"{self._function.name}: {error}") from error
        return runtime

    def _give(self, runtime: _Runtime) -> None:
        with self._lock:
            self._idle.append(runtime)
            self._lock.notify()

    def _drop(self, runtime: _Runtime) -> None:
        runtime.kill()
        with self._lock:
            self._all.discard(runtime)


class _Runtime:
    """An emulator and, from its first invocation on, the runtime that it starts."""

    def __init__(self, process: subprocess.Popen[bytes], host: str, port: int, timeout_s: float) -> None:
        self._process = process
        self._address = (host, port)
        self._timeout_s = timeout_s

    def wait_until_it_listens(self) -> None:
        for _ in range(int(_START_S / 0.005)):
            with suppress(OSError):
                connection = http.client.HTTPConnection(*self._address, timeout=_START_S)
                connection.connect()
                connection.close()
                return
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.005)
                raise StackError(f"the Lambda emulator ended with {self._process.returncode}; see the log")
        raise StackError(f"the Lambda emulator did not listen within {_START_S:g} s")

    def alive(self) -> bool:
        return self._process.poll() is None

    def invoke(self, payload: bytes, trace: str) -> Outcome:
        connection = http.client.HTTPConnection(*self._address, timeout=self._timeout_s)
        try:
            # The emulator drops X-Amzn-Trace-Id, so it travels in the client context (see nursery).
            context = base64.b64encode(json.dumps({"trace": trace}).encode()).decode()
            connection.request("POST", _INVOCATIONS, payload, {"X-Amz-Client-Context": context} if trace else {})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:  # the runtime ended; the emulator starts another one
            return Outcome(body, failed=True)
        if body.startswith(_TIMED_OUT):
            return _error("Sandbox.Timedout", body.decode())
        return Outcome(body, failed=_is_reported_error(body))

    def kill(self) -> None:
        if self.alive():
            os.killpg(self._process.pid, signal.SIGKILL)  # the kernel then kills the runtime, which leads its own group
        self._process.wait()


def _error(kind: str, message: str) -> Outcome:
    """Return a failure of the runtime in Lambda's words."""
    text = {"errorType": kind, "errorMessage": f"RequestId: {uuid.uuid4()} Error: {message}"}
    return Outcome(json.dumps(text).encode(), failed=True)


def _is_reported_error(body: bytes) -> bool:
    if b'"errorType"' not in body:
        return False
    report = json.loads(body)
    return isinstance(report, dict) and report.keys() == _REPORTED


def _loopback() -> str:
    """Return an address for this process only: on Linux all of 127/8 is loopback, so all our ports are free."""
    number = (os.getpid() + 256) % (1 << 24)
    return f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _emulator() -> Path:
    """Return the path of the emulator in the aws-sam-cli wheel. Linux only."""
    kind = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine().lower())
    if sys.platform != "linux" or kind is None:
        raise StackError(
            f"the embedded stack runs on Linux on x86_64 and arm64, not on {sys.platform} {platform.machine()}"
        )
    path = Path(samcli.__file__).parent / "local" / "rapid" / f"aws-lambda-rie-{kind}"
    if not os.access(path, os.X_OK):
        raise StackError(f"aws-sam-cli no longer carries an executable {path}")
    return path


def check_platform() -> None:
    """Raise StackError on a machine that cannot run the emulator."""
    _emulator()
