"""`python stand_in.py SOCKET HANDLER`: what the emulator starts as its runtime. The nursery forks the real one.

It passes its folder, environment and output to the fork, takes the fork down with it, and ends as the fork does. It
dies with the emulator, whose number an outer tether.py has left in the environment. There is one for each runtime, so
it imports next to nothing.
"""

import os
import signal
import socket
import sys

sys.path.append(os.path.dirname(__file__))  # noqa: PTH120  pathlib takes as long to import as all the rest
from tether import EMULATOR, die_with_parent  # type: ignore[import-not-found]


def ask(path: str, handler: str) -> int:
    """Request a fork as `nursery.request` does, wait for its end, and return its exit code."""
    environment = [name + b"=" + value for name, value in os.environb.items()]
    body = b"\0".join([b"awslambdaric", os.getcwdb(), b"1", os.fsencode(handler), *environment])  # noqa: PTH109
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [len(body).to_bytes(4)], [sys.stdout.fileno(), sys.stderr.fileno()])
        connection.sendall(body)
        ended = int(connection.recv(16) or b"1")
    if ended < 0:
        os.kill(os.getpid(), -ended)
    return ended


if __name__ == "__main__":
    emulator = os.environ.pop(EMULATOR, None)
    if emulator is not None and not die_with_parent(signal.SIGKILL, int(emulator)):
        sys.exit(1)
    sys.exit(ask(*sys.argv[1:3]))
