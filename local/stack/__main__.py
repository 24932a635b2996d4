"""`python -m local.stack`: prints `ready {json}` once everything answers, and ends on SIGINT or SIGTERM.

SIGUSR1 deploys the template anew, and prints `updated N`, a number from 1.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import select
import signal
import socket
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from local.genesys.platform_organisation import ORGANISATION
from local.stack import StackError, tether
from local.stack.live import PATH, Ticking
from local.stack.stack import ROOT, Stack
from local.stack.template import declared_parameters, variable_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATIENCE_S = 40.0
_STOP = (signal.SIGINT, signal.SIGTERM)
_VARIABLES = """
variables of the stack:
  API_PORT               port of the API (3000; 0 for a free one)
  AWS_PORT               port of the AWS services (3001; 0 for a free one)
  PEOPLE_PORT            port of PeopleApi, if PEOPLE_SIGN_IN is not off (3002; 0 for a free one)
  AWS_REGION             region (us-east-1)
  GENESYS_CLIENT_ID      the OAuth client (the simulator's demo client)
  GENESYS_CLIENT_SECRET  its secret
  SCHEDULE_CLOCK         the clock of schedules: x60 runs 60 times as fast; a file contains the time as RFC 3339
                         (the wall clock)
  DYNAMODB_TRANSACTION_S how many seconds a transaction takes; other writes to its items are refused meanwhile (0.02)
  WEBHOOK_SECRET         the secret that signs incoming webhooks (none: all webhooks are refused)
  OUTGOING_SECRET        the secret that signs our own webhooks (none: no webhook is sent)
  With neither GENESYS_BASE_URL nor GENESYS_REGION, the stack starts the Genesys simulator and uses it. With
  GENESYS_REGION and the client of your organisation, it uses the real Genesys Cloud.

variables that set the template's parameters; an empty one counts as unset:
"""


class _Stopped(BaseException):
    """SIGINT or SIGTERM has arrived."""


def main() -> int:
    options = _parser().parse_args()
    if options.die_with_parent and not tether.die_with_parent(signal.SIGTERM, os.getppid()):
        return 1
    for number in _STOP:
        signal.signal(number, _stop)
    try:
        with Stack(
            options.template.resolve(),
            environment=_with_desk(os.environ) if options.live else os.environ,
            api_port=_port("API_PORT", 3000),
            aws_port=_port("AWS_PORT", 3001),
            people_port=_port("PEOPLE_PORT", 3002),
            keep_logs=options.keep_logs,
            ended=_print_end if options.print_ends else None,
            progress=lambda line: print(line, file=sys.stderr, flush=True),
        ) as stack:
            print("ready", json.dumps(stack.ready()), flush=True)
            if options.live:
                print(f"metrics: {stack.api_url}{PATH}", file=sys.stderr, flush=True)
                if stack.desk_url:
                    print(f"desk: {stack.desk_url}", file=sys.stderr, flush=True)
                with closing(Ticking(stack.live, sys.stderr)) as ticking:
                    ticking.start()
                    _wait_for_ever(stack)
            _wait_for_ever(stack)
    except _Stopped:
        return 0
    except StackError as error:
        print(f"stack: {error}", file=sys.stderr)
        return 1


def _with_desk(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Let people sign in at the desk, unless somebody has chosen otherwise, or the simulator cannot sign people in."""
    chosen = {"PEOPLE_SIGN_IN", "GENESYS_BASE_URL", "GENESYS_REGION"}
    if any(environment.get(name) for name in chosen) or environment.get("GENESYS_CONTRACT", "platform") != "platform":
        return environment
    desk = {"PEOPLE_SIGN_IN": "genesys", "GENESYS_ORGANISATION_ID": ORGANISATION["id"], "DESK_CLIENT_ID": "desk"}
    return desk | {name: value for name, value in environment.items() if value or name not in desk}


def _print_end(execution_arn: str) -> None:
    sys.stdout.write(f"ended {execution_arn}\n")  # in one piece: many threads print
    sys.stdout.flush()


def _wait_for_ever(stack: Stack) -> NoReturn:
    """Wait until a signal handler raises. `signal.pause` misses a signal that the kernel gives to another thread."""
    wanted: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, _frame: wanted.append(number))
    updates = 0
    woken, waking = socket.socketpair()
    waking.setblocking(False)
    signal.set_wakeup_fd(waking.fileno())
    while True:
        select.select([woken], [], [])
        woken.recv(1)
        if wanted:
            wanted.clear()
            updates += 1
            try:
                stack.update()
                print("updated", updates, flush=True)
            except StackError as error:
                print(f"stack: not updated: {error}", file=sys.stderr, flush=True)


def _stop(_number: int, _frame: object) -> None:
    for number in _STOP:
        signal.signal(number, signal.SIG_IGN)  # a second signal must not interrupt the end of the children
    end = threading.Timer(_PATIENCE_S, _end)
    end.daemon = True
    end.start()
    raise _Stopped


def _end() -> None:
    """End a stop that hangs, and print where it hangs. The children die with this process, however it ends."""
    faulthandler.dump_traceback()
    os._exit(0)


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or int(text) >= 1 << 16:
        raise StackError(f"{variable} must be a port, 0 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    template = ROOT / "template.yaml"
    lines = [
        f"  {variable_of(name):<22} {' '.join(rule.get('Description', '').split())} ({rule.get('Default', 'required')})"
        for name, rule in declared_parameters(template).items()
    ]
    parser = argparse.ArgumentParser(
        prog="python -m local.stack",
        description="The deployed system on this machine: API on 3000, AWS services on 3001. Linux only.",
        epilog=_VARIABLES + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--template", type=Path, default=template, help="another template (default: %(default)s)")
    parser.add_argument("--keep-logs", type=Path, metavar="DIR", help="keep the functions' log in DIR")
    parser.add_argument("--print-ends", action="store_true", help="print `ended ARN` when an execution has ended")
    parser.add_argument("--live", action="store_true", help="serve the desk, and print a summary of the metrics")
    parser.add_argument("--die-with-parent", action="store_true", help="end when the starting process ends")
    return parser


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # everything has ended; a normal exit would spend 2 s on moto's modules
