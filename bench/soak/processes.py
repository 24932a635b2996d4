"""The stack, its nursery and its runtimes as /proc shows them: memory, open files, threads."""

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1024**2


@dataclass(frozen=True)
class Sample:
    """A process at one moment. `name`: stack, nursery, or the folder of a runtime's function."""

    pid: int
    name: str
    mb: float
    """Resident. What a fork shares with the nursery is in it."""
    files: int
    threads: int


def samples(stack_pid: int) -> list[Sample]:
    nursery = _nursery(stack_pid)
    named = {stack_pid: "stack"} | ({nursery: "nursery"} if nursery else {}) | runtimes(stack_pid)
    return [sample for pid, name in named.items() if (sample := _sample(pid, name))]


def runtimes(stack_pid: int) -> dict[int, str]:
    """Return the folder of the function of each runtime. The nursery names its forks after the requester."""
    nursery = _nursery(stack_pid)
    found = {}
    for pid in _children(nursery) if nursery else ():
        with suppress(OSError):
            folder = (PROC / str(pid) / "cwd").readlink()
            if (PROC / str(pid) / "comm").read_text().strip() == str(stack_pid) and folder.parent.name == "functions":
                found[pid] = folder.name
    return found


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _nursery(stack_pid: int) -> int | None:
    for pid in _children(stack_pid):
        with suppress(OSError):
            if b"nursery.py" in (PROC / str(pid) / "cmdline").read_bytes():
                return pid
    return None


def _children(parent: int) -> list[int]:
    """Return the children of all threads of a process."""
    children: list[int] = []
    with suppress(OSError):
        for thread in (PROC / str(parent) / "task").iterdir():
            with suppress(OSError):  # it has just ended
                children += map(int, (thread / "children").read_text().split())
    return children


def _sample(pid: int, name: str) -> Sample | None:
    with suppress(OSError, IndexError, ValueError):
        folder = PROC / str(pid)
        pages = int((folder / "statm").read_text().split()[1])
        threads = sum(1 for _ in (folder / "task").iterdir())
        return Sample(pid, name, pages * _PAGE_MB, len(os.listdir(folder / "fd")), threads)  # noqa: PTH208
    return None
