"""`python -m local.genesys`: prints `ready {json}` when it listens, and ends on SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
from dataclasses import fields

from local.genesys.settings import HINTS, Settings
from local.genesys.simulator import GenesysSimulator

_PR_SET_PDEATHSIG = 1
_STOP = {signal.SIGINT, signal.SIGTERM}


def main() -> int:
    parser = _parser()
    options = vars(parser.parse_args())
    if options.pop("die_with_parent") and not _die_with_parent():
        parser.error("--die-with-parent needs Linux, and a parent that lives")
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)  # before any thread starts, so that only sigwait receives them
    try:
        simulator = GenesysSimulator(Settings(**options))
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        where = f"{options['host']}:{options['port']}"
        print(f"genesys simulator: cannot listen on {where}: {error.strerror}", file=sys.stderr)
        return 1
    with simulator:
        queue_ids = list(simulator.state()["queues"])
        ready = {"url": simulator.url, "contract": simulator.settings.contract, "queue_ids": queue_ids}
        print("ready", json.dumps(ready), flush=True)
        signal.sigwait(_STOP)
    return 0


def _parser() -> argparse.ArgumentParser:
    """Return a parser with a flag for every setting."""
    parser = argparse.ArgumentParser(prog="python -m local.genesys", description="The Genesys simulator.")
    for setting in fields(Settings):
        flag, text = f"--{setting.name.replace('_', '-')}", setting.metadata["text"]
        if setting.default is not None:
            text += " (default: %(default)s)"
        kind = HINTS[setting.name]
        if kind is bool:
            parser.add_argument(flag, default=setting.default, help=text, action=argparse.BooleanOptionalAction)
        else:
            kind = int if kind == int | None else kind
            parser.add_argument(flag, default=setting.default, help=text, type=kind)
    parser.add_argument(
        "--die-with-parent", action="store_true", help="end when the process that started this one ends"
    )
    return parser


def _die_with_parent() -> bool:
    """Have the kernel send SIGTERM when the parent ends. Returns False if it cannot, or the parent has ended."""
    parent = os.getppid()
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        return False
    return os.getppid() == parent


if __name__ == "__main__":
    sys.exit(main())
