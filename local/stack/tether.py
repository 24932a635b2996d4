"""`python tether.py PARENT COMMAND...`: become COMMAND, and have the kernel kill it when process PARENT ends.

A preexec_fn would do the same in the forked child of a threaded parent, but that may deadlock. A second exec cannot.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(signal_number: int, parent: int) -> bool:
    """Have the kernel send `signal_number` when the parent ends. Returns False if the parent has already ended.

    The signal also arrives when the *thread* that started this process ends, so start children from a lasting thread.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal_number) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    return os.getppid() == parent


if __name__ == "__main__":
    parent, *command = sys.argv[1:]
    if not die_with_parent(signal.SIGKILL, int(parent)):
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606  the kernel keeps the death signal over an exec
