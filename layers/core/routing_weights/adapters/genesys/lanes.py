"""Several requests at once: each lane is a thread that sends one request after another (ADR 24)."""

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from routing_weights.errors import RoutingWeightsError

_T = TypeVar("_T")
_R = TypeVar("_R")

_thread = threading.local()


def in_lanes(
    lanes: int,
    do: Callable[[_T], _R],
    items: Iterable[_T],
    *,
    go_on: Callable[[], bool] = lambda: True,
    stops_at: tuple[type[RoutingWeightsError], ...] = (RoutingWeightsError,),
) -> dict[int, _R | RoutingWeightsError]:
    """Do the items, at most `lanes` at once, and return the result or error of each that was begun, by its position.

    Items are begun in their order, while `go_on()` is true and no error of `stops_at` has come. What was begun is
    finished before this returns or raises. Within a lane there are no further lanes: items are done one by one.
    """
    todo = list(items)
    results: dict[int, _R | RoutingWeightsError] = {}
    defects: list[Exception] = []
    begun, stopped, lock = 0, False, threading.Lock()

    def lane() -> None:
        nonlocal begun, stopped
        while True:
            with lock:
                if stopped or begun == len(todo) or not go_on():
                    return
                position, begun = begun, begun + 1
            try:
                results[position] = do(todo[position])
            except RoutingWeightsError as error:
                results[position] = error
                stopped = stopped or isinstance(error, stops_at)
            except Exception as defect:  # noqa: BLE001 - raised once every lane has ended
                defects.append(defect)
                stopped = True

    most = min(lanes, len(todo))
    if most <= 1 or getattr(_thread, "is_lane", False):
        lane()
    else:
        _in_threads(most, lane)
    if defects:
        raise _first(defects)
    return results


def _in_threads(number: int, lane: Callable[[], None]) -> None:
    def thread() -> None:
        _thread.is_lane = True
        lane()

    threads = [threading.Thread(target=thread) for _ in range(number)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def _first(defects: list[Exception]) -> Exception:
    return defects[0]
