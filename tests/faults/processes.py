"""The processes of a served stack, found in /proc: they are children of this process, and only those are touched."""

import os
import signal
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.world import World

PROC = Path("/proc")


def stack_of(world: World) -> int:
    """The process of `python -m local.stack`: the child of ours that keeps this world's log."""
    folder = str(Path(world.ready["logs"]).parent)
    (pid,) = (pid for pid in _children(os.getpid()) if folder in _command(pid))
    return pid


def runtimes(world: World, function: str) -> list[int]:
    """The runtimes that run a function's code; the nursery has forked them."""
    (nursery,) = (pid for pid in _children(stack_of(world)) if "".join(_command(pid)[1:2]).endswith("/nursery.py"))
    return [pid for pid in _children(nursery) if _folder(pid) == function]


def emulators(world: World, *functions: str) -> list[int]:
    """Of several functions in one look, so that they can be killed at once and not one after the other."""
    return [pid for pid in _children(stack_of(world)) if _folder(pid) in functions]


@contextmanager
def held(worlds: list[World], function: str):
    """No invocation of a function goes on meanwhile; call what is given again to catch a runtime that is new."""

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
    """The children that any thread of a process has started."""
    children = []
    for thread in (PROC / str(parent) / "task").iterdir():
        with suppress(OSError):  # it has just ended
            children += map(int, (thread / "children").read_text().split())
    return children


def _command(pid: int) -> list[str]:
    with suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_text().split("\0")
    return []


def _folder(pid: int) -> str:
    with suppress(OSError):
        folder = (PROC / str(pid) / "cwd").readlink()
        return folder.name if folder.parent.name == "functions" else ""
    return ""
