"""The runtimes of a served stack, found in /proc. No other process is touched."""

import os
import signal
import socket
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from local.stack import nursery
from local.stack.lambdas import NURSERY
from tests.support.world import World

PROC = Path("/proc")


def runtimes(world: World, *functions: str) -> list[int]:
    """Return the runtimes of several functions, in one pass, so that they can be killed at once.

    The nursery has forked them, each named after its stack.
    """
    stack = str(world.ready["pid"])
    return [pid for pid in _children(_nursery()) if _name(pid) == stack and _folder(pid) in functions]


@cache
def _nursery() -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ[NURSERY])
        return nursery.peer(connection)


@contextmanager
def held(worlds: list[World], function: str):
    """Stop every invocation of a function meanwhile. Call the yielded function again to stop a new runtime."""

    def hold() -> None:
        for world in worlds:
            _signal(runtimes(world, function), signal.SIGSTOP)

    hold()
    try:
        yield hold
    finally:
        for world in worlds:
            _signal(runtimes(world, function), signal.SIGCONT)


def kill(pids: list[int]) -> None:
    _signal(pids, signal.SIGKILL)


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _children(parent: int) -> list[int]:
    """Return the children of all threads of a process."""
    children = []
    for thread in (PROC / str(parent) / "task").iterdir():
        with suppress(OSError):  # it has just ended
            children += map(int, (thread / "children").read_text().split())
    return children


def _name(pid: int) -> str:
    with suppress(OSError):
        return (PROC / str(pid) / "comm").read_text().strip()
    return ""


def _folder(pid: int) -> str:
    with suppress(OSError):
        folder = (PROC / str(pid) / "cwd").readlink()
        return folder.name if folder.parent.name == "functions" else ""
    return ""
