"""The Lambda functions: each has a small pool of runtimes, which AWS's runtime client runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

from local.planted import planted
from local.stack import nursery, tether
from local.stack.errors import StackError
from local.stack.rules import MOST_REQUEST_BYTES, MOST_RESPONSE_BYTES, RequestTooLarge, Throttled
from local.stack.runtime import Outcome, Runtime, failure
from local.stack.template import role_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from local.stack.logs import Logs
    from local.stack.metrics import Metrics
    from local.stack.template import Function
    from local.stack.watch import Watch

# The administrator's credentials. The access key of a function is the name of its role.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": planted("aws-key", "local"),
    "AWS_SESSION_TOKEN": planted("aws-session", "local"),
}
NURSERY = "ROUTING_WEIGHTS_NURSERY"
_CAP = 4  # runtimes per function without reserved concurrency
_USUAL, _PATIENCE_S = 2, 0.3  # a third runtime starts only after a wait: it is costly, and most invocations are short
_NURSERY_S = 60.0
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


class Invoke(Protocol):
    """Invokes a function by its logical id. `trace` is the header X-Amzn-Trace-Id."""

    def __call__(self, name: str, payload: bytes, trace: str = "", /) -> Outcome: ...


class Lambdas:
    """Invokes functions, and refuses invocations beyond ReservedConcurrentExecutions.

    At most `_CAP` invocations of a function run at a time on this machine. The others wait.
    """

    def __init__(
        self,
        functions: Iterable[Function],
        environment: dict[str, str],
        log: Path,
        metrics: Metrics,
        logs: Logs,
        watch: Watch | None = None,
    ) -> None:
        self._log, self._metrics, self._logs, self._watch = log.open("ab"), metrics, logs, watch
        # The nursery dies with the thread that started it (see tether). This thread lives as long as the stack.
        self._starter = ThreadPoolExecutor(1, "starter")
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._folder = tempfile.TemporaryDirectory(prefix="routing-weights-")
        self._inherited, self._environment = inherited, inherited | environment
        self._nurseries: list[subprocess.Popen[bytes]] = []
        self._socket = os.environ.get(NURSERY, "")
        self._pools: dict[str, _Pool] = {}
        self.update(functions)

    def update(self, functions: Iterable[Function]) -> None:
        """Deploy the functions, with their layers. A function that is at work finishes with the code that it has.

        A nursery that stacks of a test run share has its own layer for the whole run.
        """
        functions = tuple(functions)
        if not os.environ.get(NURSERY):
            self._socket = f"{self._folder.name}/nursery-{len(self._nurseries)}"
            layers = dict.fromkeys(str(layer) for item in functions for layer in item.layers)
            self._nurseries.append(self._starter.submit(self._start_nursery, self._inherited, layers).result())
        start = partial(Runtime, nursery_path=self._socket, log=self._log.fileno())
        before, self._pools = self._pools, {item.name: _Pool(item, self._environment, start) for item in functions}
        for pool in before.values():
            pool.retire()

    def invoke(self, name: str, payload: bytes, trace: str = "") -> Outcome:
        """Run one invocation; `trace` is its header X-Amzn-Trace-Id.

        `name` may end in a colon and an alias. Raises KeyError if the template has no such function or alias, Throttled
        beyond the function's reserved concurrency, and RequestTooLarge.
        """
        name, _, qualifier = name.partition(":")
        pool = self._pools[name]
        if qualifier not in {"", "$LATEST", pool.alias}:
            raise KeyError(qualifier)
        if len(payload) > MOST_REQUEST_BYTES:
            raise RequestTooLarge(name)
        try:
            outcome = pool.invoke(payload or b"{}", trace)
        except Throttled:
            self._count(name, Throttles=1)
            raise
        except StackError:
            if self._pools.get(name) is pool:
                raise
            return self.invoke(name, payload, trace)  # the function was deployed anew before this one began
        if outcome.failed:
            self._logs.failed(name, outcome.payload)
        self._count(name, Invocations=1, Errors=outcome.failed, Duration=round(1000 * outcome.seconds, 2))
        if self._watch is not None:
            self._watch.look_at_invocation(name, payload, trace, outcome.payload)
        if len(outcome.payload) > MOST_RESPONSE_BYTES:
            message = f"Response payload size exceeded maximum allowed payload size ({MOST_RESPONSE_BYTES} bytes)."
            return failure("Function.ResponseSizeTooLarge", message, str(uuid.uuid4()))
        return outcome

    def reserve(self, name: str, concurrency: int | None) -> None:
        """Reserve concurrency for a function, as an operator does who stops it with 0. None: reserve none."""
        self._pools[name].reserve(concurrency)

    def _count(self, function: str, **values: float) -> None:
        """Put what Lambda reports of an invocation. A refused one has neither a duration nor an error."""
        for metric, value in values.items():
            self._metrics.put("AWS/Lambda", metric, {"FunctionName": function}, float(value))

    def warm(self) -> None:
        """Wait for the imports of the nursery, or the first invocation would wait, and that counts as its own time."""
        if not self._nurseries:
            return nursery.wait_until_it_serves(self._socket, _NURSERY_S)
        for _ in range(int(_NURSERY_S / 0.01)):
            with suppress(FileNotFoundError, ConnectionError):  # the nursery is not there yet, or has just ended
                return nursery.wait_until_it_serves(self._socket, _NURSERY_S)
            with suppress(subprocess.TimeoutExpired):
                self._nurseries[-1].wait(0.01)
                raise StackError(f"the runtimes' nursery ended with {self._nurseries[-1].returncode}; see the log")
        raise StackError(f"the runtimes' nursery was not there within {_NURSERY_S:g} s")

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
        for each in self._nurseries:
            each.kill()  # the kernel then kills the processes that it has forked
            each.wait()
        self._starter.shutdown()
        self._folder.cleanup()
        self._log.close()

    def _start_nursery(self, environment: dict[str, str], layers: Iterable[str]) -> subprocess.Popen[bytes]:
        bare = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
        return subprocess.Popen(  # noqa: S603  ours
            [*bare, sys.executable, nursery.__file__, self._socket, "runtimes", *layers],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )


class _Pool:
    def __init__(self, function: Function, environment: dict[str, str], start: Callable[..., Runtime]) -> None:
        self._function = function
        self.alias = function.alias
        self._start = start
        self._environment = environment | {
            "PYTHONPATH": os.pathsep.join(map(str, [function.code, *function.layers])),
            "LAMBDA_TASK_ROOT": str(function.code),
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "$LATEST",
            "AWS_ACCESS_KEY_ID": role_of(function.name),
            **function.environment,
        }
        self._turn = threading.Semaphore(_CAP)
        self.reserve(function.reserved)
        self._lock = threading.Condition()
        self._idle: list[Runtime] = []
        self._all: set[Runtime] = set()
        self._closed = False

    def reserve(self, concurrency: int | None) -> None:
        self._reserve = None if concurrency is None else threading.Semaphore(concurrency)

    def invoke(self, payload: bytes, trace: str) -> Outcome:
        reserve = self._reserve
        if reserve is None:
            return self._invoke(payload, trace)
        if not reserve.acquire(blocking=False):
            raise Throttled(self._function.name)
        try:
            return self._invoke(payload, trace)
        finally:
            reserve.release()

    def retire(self) -> None:
        """Start no invocation any more, and close the idle runtimes. Those at work are closed at their end."""
        with self._lock:
            self._closed = True
            for runtime in self._idle:
                self._all.discard(runtime)
                runtime.close()
            self._idle.clear()

    def close(self) -> None:
        """Kill the runtimes. Whoever has one at work closes it."""
        with self._lock:
            self._closed = True
            for runtime in self._all:
                runtime.kill()
            for runtime in self._idle:
                runtime.close()

    def _invoke(self, payload: bytes, trace: str) -> Outcome:
        with self._turn:
            runtime = self._take()
            outcome = runtime.invoke(payload, trace)
            self._give(runtime)
            return outcome

    def _take(self) -> Runtime:
        with self._lock:
            if len(self._all) >= _USUAL:
                self._lock.wait_for(lambda: self._idle, _PATIENCE_S)
            while self._idle:
                runtime = self._idle.pop()
                if runtime.alive():
                    return runtime
                self._all.discard(runtime)
                runtime.close()
            if self._closed:
                raise StackError("the stack has stopped")
            runtime = self._start(self._function, environment=self._environment)
            self._all.add(runtime)
            return runtime

    def _give(self, runtime: Runtime) -> None:
        with self._lock:
            if runtime.alive() and not self._closed:
                self._idle.append(runtime)
            else:
                self._all.discard(runtime)
                runtime.close()
            self._lock.notify()


def check_platform() -> None:
    """Raise StackError on a machine without the kernel's features that the stack needs."""
    if sys.platform != "linux":
        raise StackError(f"the embedded stack runs on Linux, not on {sys.platform}")
