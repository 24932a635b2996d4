"""Waits for another thread or process, without a fixed sleep."""

import threading
import time

DEADLINE_S = 60.0

_PAUSE = threading.Event()  # never set


def until(condition, deadline_s=DEADLINE_S, pause_s=0.02, longest_pause_s=0.25):
    """Return what `condition` returns as soon as that is true. Fails at the deadline.

    The pauses grow with the time that has passed: a condition often costs more than a moment of waiting.
    """
    begun = time.monotonic()
    while not (value := condition()):
        passed = time.monotonic() - begun
        assert passed < deadline_s, f"not within {deadline_s:g} s: {condition}"
        _PAUSE.wait(max(pause_s, min(passed / 5, longest_pause_s)))
    return value
