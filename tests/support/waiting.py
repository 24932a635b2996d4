"""Waits for another thread or process, without a fixed sleep."""

import threading
import time

DEADLINE_S = 60.0

_PAUSE = threading.Event()  # never set


def until(condition, deadline_s=DEADLINE_S, pause_s=0.02):
    """What `condition` returns once it is true; fails at the deadline."""
    end = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {condition}"
        _PAUSE.wait(pause_s)
    return value
