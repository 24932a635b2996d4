"""Checks, at the end of a run, that no stack of the run wrote a planted secret to a place where it does not belong.

Each embedded stack writes what its watch has found (local/stack/watch.py). A finding fails the run, also a run of some
tests.
"""

import json
import os
from collections import Counter
from pathlib import Path

from local.stack.stack import PERMISSIONS_FOLDER
from local.stack.watch import PLACES, Watch


def look_at_received(receiver, body):
    """Look at what another system has got from us, and report a planted secret as the stacks do."""
    watch = Watch()
    watch.look("received by", lambda: f"received by {receiver}", body)
    watch.write(Path(os.environ[PERMISSIONS_FOLDER]))


def look_at_requests(entries):
    """Look at the requests in the simulator's log. It has neither the headers with tokens nor the body of a login."""
    seen = ("path", "query", "body", "idempotency_key", "correlation_id")
    look_at_received("Genesys", json.dumps([[entry[part] for part in seen] for entry in entries]).encode())


def complaints(folder, *, whole=True):
    """A line for each leak, for each secret that is not planted, and after a whole run for each place not looked at."""
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in Path(folder).glob("*.watch")]
    for leak in sorted({leak for report in reports for leak in report["found"]}):
        yield f"a planted secret leaks: {leak}"
    for secret in sorted({secret for report in reports for secret in report["unplanted"]}):
        yield f"a secret is not planted, so nobody would find it: {secret} (local/planted.py)"
    looked = sum((Counter(report["looked"]) for report in reports), Counter())
    for place in PLACES if whole else ():
        if not looked[place]:
            yield f"nothing was searched for planted secrets in: {place}"
