"""The cells of the fault matrix: which request or state is hit by what, and what is allowed then."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from tests.faults.scenes import CARRIERS, Scene

Rules = Callable[[Scene], list[dict[str, Any]]]
Names = Callable[[Scene], list[str]]

MEMBERS_PLACES = ("the first member", "the middle member", "the last member")
LATE_S = 0.8
"""When a write becomes readable: within the time that Verify polls."""
HELD_UP_S = 6.0
"""How long a request is under way when its execution is aborted: shorter than a recovery waits."""


@dataclass(frozen=True)
class Case:
    id: str
    actuator: str
    rules: Rules
    statuses: tuple[str, ...] = ("completed",)
    outcomes: tuple[str | None, ...] = (None,)
    """Of the restoration; None where there is none."""
    stuck: Names = lambda _scene: []
    """What cannot be put back."""
    narrows: bool = False
    wave: str = "all at once"
    abort_in: str = ""
    """The state that is aborted, once the first of `rules` delays a request or its function is held."""
    wait_for_lock_s: int = 0
    together: str = ""
    """Faults that pass hit one run at several places: those with the same name share it."""

    @property
    def run(self) -> str:
        return self.together or self.id

    def scene(self, world) -> Scene:
        changes = {"wait_for_lock_s": self.wait_for_lock_s} if self.wait_for_lock_s else {}
        return Scene(world, self.actuator, self.narrows, changes=changes)


def at(scene: Scene, place: str) -> dict[str, Any]:
    """The write that is called so."""
    order = scene.order
    if place == "the queue's setting":
        return scene.settings_write
    return scene.writes_of({"first": order[0], "last": order[-1]}.get(place.split()[1], order[len(order) // 2]))


def places(actuator: str) -> tuple[str, ...]:
    return ("the queue's setting", *(("the bulk write",) if actuator == "joined" else MEMBERS_PLACES))


def failed_in(place: str) -> str:
    return "queue_update_failed" if "setting" in place else "member_update_failed"


def status(code: int, times: int | None = 1, **headers: str) -> dict[str, Any]:
    return {"action": "status", "status": code, "times": times} | ({"headers": headers} if headers else {})


PASSING = {
    "connection lost before": {"action": "reset_before"},
    "connection lost after": {"action": "reset_after"},
    "503 once": status(503),
    "429, a second": status(429, **{"Retry-After": "1"}),
    "429, two seconds": status(429, **{"Retry-After": "2"}),
    "malformed answer": {"action": "malformed"},
    "401 once": status(401),
}
REFUSED = {"refused with 403": status(403, None), "refused with 400": status(400, None)}
FAILING = REFUSED | {"500 for ever": status(500, None)}
READS = {"the projection's reading": (0, "projection_failed"), "the verification's reading": (1, "verification_failed")}


def of_faults_that_pass() -> Iterator[Case]:
    """Each place with each of them, in as many runs as there are of them."""
    for actuator in CARRIERS:
        kinds = dict(PASSING)
        if actuator == "score":  # that contract revokes a token that was refused, which others use
            kinds.pop("401 once")
            for place in places(actuator):
                yield Case(
                    f"{actuator}-{place}-every token revoked",
                    actuator,
                    lambda scene, place=place: [{"action": "revoke_tokens"} | at(scene, place)],
                    wave="one by one",
                    together=f"{actuator}, every token revoked, again and again",
                )
        names = list(kinds)
        for number, place in enumerate(places(actuator)):
            for name in names:
                group = names[(names.index(name) - number) % len(names)]
                yield Case(
                    f"{actuator}-{place}-{name}",
                    actuator,
                    lambda scene, place=place, rule=kinds[name]: [rule | at(scene, place)],
                    together=f"{actuator}, faults that pass, {group} first",
                )
    yield Case(
        "ring-the first member-every token revoked",
        "ring",
        lambda scene: [{"action": "revoke_tokens"} | at(scene, "the first member")],
        wave="one by one",
    )


def of_faults_that_stay() -> Iterator[Case]:
    for actuator in CARRIERS:
        for number, place in enumerate(places(actuator)):
            refusal = list(REFUSED)[number % 2]
            yield failing_write(actuator, place, refusal)
            yield dropped_write(actuator, place)
            if actuator == "score" or place not in {"the first member", "the last member"}:
                yield failing_write(actuator, place, "500 for ever")
    # The setting goes last where it narrows the queue.
    for place in ("the queue's setting", "the first member", "the last member"):
        yield failing_write("score", place, "refused with 403", narrows=True)
        yield failing_write("ring", place, "refused with 400", narrows=True)
    yield dropped_write("ring", "the queue's setting", narrows=True)


def failing_write(actuator: str, place: str, name: str, *, narrows: bool = False) -> Case:
    first = places(actuator)[1 if narrows else 0]
    return Case(
        f"{actuator}{', narrowing' if narrows else ''}-{place}-{name}",
        actuator,
        lambda scene: [FAILING[name] | at(scene, place)],
        (failed_in(place),),
        ("not_needed" if place == first else "restored",),
        narrows=narrows,
    )


def dropped_write(actuator: str, place: str, *, narrows: bool = False) -> Case:
    return Case(
        f"{actuator}{', narrowing' if narrows else ''}-{place}-dropped",
        actuator,
        # A sum that is limited would be too high for the next member where one that goes down is dropped.
        lambda scene: [{"action": "drop"} | at(scene, place)],
        ("verification_failed", "member_update_failed") if actuator == "score" else ("verification_failed",),
        ("restored",),
        narrows=narrows,
    )


def of_lost_answers() -> Iterator[Case]:
    """Applied, and never answered; or answered after the read time-out. A reading shows what has been applied."""
    lost = {"action": "reset_after", "times": None}
    for actuator in CARRIERS:
        for place in ("the queue's setting", places(actuator)[-1] if actuator == "joined" else "the middle member"):
            yield Case(
                f"{actuator}-{place}-connection lost after, for ever",
                actuator,
                lambda scene, place=place: [lost | at(scene, place)],
            )
            yield Case(
                f"{actuator}-{place}-connection lost before, for ever",
                actuator,
                lambda scene, place=place: [{"action": "reset_before", "times": None} | at(scene, place)],
                (failed_in(place),),
                ("not_needed" if place == places(actuator)[0] else "restored",),
            )
    for actuator in ("score", "ring"):
        yield Case(
            f"{actuator}-the middle member-time-out of the answer",
            actuator,
            lambda scene: [{"action": "delay", "delay_s": 10.5} | at(scene, "the middle member")],
        )
        yield Case(
            f"{actuator}-the first member-time-out of the answer, and the next one refused",
            actuator,
            lambda scene: [
                {"action": "delay", "delay_s": 12.0} | scene.writes_of(scene.order[0]),
                status(403, None) | scene.writes_of(scene.order[1]),
            ],
            ("member_update_failed",),
            ("restored",),
        )


def of_reads() -> Iterator[Case]:
    for actuator in ("score", "joined"):
        for number, (place, (skip, failure)) in enumerate(READS.items()):
            for name, rule in {"refused with 403": status(403), "malformed answer": {"action": "malformed"}}.items():
                yield Case(
                    f"{actuator}-{place}-{name}",
                    actuator,
                    lambda scene, rule=rule, skip=skip: [rule | scene.listing | {"skip": skip}],
                    (failure,),
                    ("restored",) if failure == "verification_failed" else (None,),
                )
            passing = {"503 twice": status(503, 2), "connection lost": {"action": "reset_before"}}
            for order, (name, rule) in enumerate(passing.items()):
                yield Case(
                    f"{actuator}-{place}-{name}",
                    actuator,
                    lambda scene, rule=rule, skip=skip: [rule | scene.listing | {"skip": skip}],
                    together=f"{actuator}, reading, {(order + number) % 2} first",
                )


# ---- faults that hit the restoration ---------------------------------------------------------------------------------


def failing(scene: Scene) -> list[dict[str, Any]]:
    """What makes a run fail when all but one member, or all, are written."""
    if scene.actuator == "joined":
        return [status(403) | scene.listing | {"skip": 1}]
    return [status(403, None) | scene.writes_of(scene.order[-1])]


def hit(rule: dict[str, Any], write: Callable[[Scene], dict[str, Any]]) -> Rules:
    """`rule` for the second request of a kind: the first is the run's, the second the restoration's."""
    return lambda scene: [*failing(scene), rule | write(scene) | {"skip": 1}]


def first_back(scene: Scene) -> dict[str, Any]:
    """The first write of the restoration: the newest of the run."""
    return scene.writes_of(scene.order[-1 if scene.actuator == "joined" else -2])


def oldest(scene: Scene) -> dict[str, Any]:
    return scene.writes_of(scene.order[0])


def own_settings(scene: Scene) -> dict[str, Any]:
    return scene.settings_write


def listing(scene: Scene) -> dict[str, Any]:
    return scene.listing


def in_one_write(scene: Scene, user: str) -> list[str]:
    return scene.users if scene.actuator == "joined" else [user]


def dropped_and_its_consequence(scene: Scene) -> list[str]:
    dropped = in_one_write(scene, scene.order[-1 if scene.actuator == "joined" else -2])
    return [*dropped, *([scene.order[0]] if scene.actuator == "score" else [])]


def everything(scene: Scene) -> list[str]:
    return [*(scene.users if scene.actuator == "joined" else scene.order[:-1]), *scene.settings_old]


def all_refused(scene: Scene) -> list[dict[str, Any]]:
    written = 1 if scene.actuator == "joined" else len(scene.users) - 1
    rules = [
        status(403, None) | scene.writes | {"skip": written},
        status(403, None) | scene.settings_write | {"skip": 1},
    ]
    return [*(failing(scene) if scene.actuator == "joined" else []), *rules]


RESTORATIONS: dict[str, tuple[Rules, str, Names]] = {
    "503 twice": (hit(status(503, 2), first_back), "restored", lambda _: []),
    "503 until the attempt is given up": (hit(status(503, 6), first_back), "restored", lambda _: []),
    "connection lost after": (hit({"action": "reset_after"}, first_back), "restored", lambda _: []),
    "429, two seconds": (hit(status(429, **{"Retry-After": "2"}), first_back), "restored", lambda _: []),
    "429, two seconds, when it reads": (hit(status(429, **{"Retry-After": "2"}), listing), "restored", lambda _: []),
    "malformed answer when it reads": (hit({"action": "malformed"}, listing), "restored", lambda _: []),
    "one write refused": (hit(status(403, None), oldest), "partial", lambda s: in_one_write(s, s.order[0])),
    # Where a sum is limited, one that stays up leaves no room for the oldest, who has to go up: both go a second time.
    "one write dropped": (hit({"action": "drop"}, first_back), "restored", lambda _: []),
    "one write dropped twice": (
        hit({"action": "drop", "times": None}, first_back),
        "partial",
        dropped_and_its_consequence,
    ),
    "the setting refused": (hit(status(403, None), own_settings), "partial", lambda s: [*s.settings_old]),
    "everything refused": (all_refused, "failed", everything),
    "reading refused": (hit(status(403, None), listing), "failed", everything),
}


def of_restorations() -> Iterator[Case]:
    of_the_bulk = ("one write refused", "one write dropped", "503 until the attempt is given up", "the setting refused")
    of_skills = ("503 twice", "connection lost after", "one write refused", "everything refused")
    only = {"joined": of_the_bulk, "proficiency": of_skills}
    for actuator in CARRIERS:
        for name in only.get(actuator, RESTORATIONS):
            rules, outcome, stuck = RESTORATIONS[name]
            yield Case(
                f"{actuator}-restoration-{name}",
                actuator,
                rules,
                ("verification_failed",) if actuator == "joined" else ("member_update_failed",),
                (outcome,),
                stuck,
            )
    # Project reads the queue first, Verify second, Restore third; what Restore has written can be read no more.
    yield Case(
        "score-restoration-read-back refused",
        "score",
        lambda scene: [
            {"action": "drop"} | scene.writes_of(scene.order[-1]),
            status(403, None) | scene.reading | {"skip": 3},
        ],
        ("verification_failed",),
        ("restored", "failed", "partial"),
    )


# ---- aborts ----------------------------------------------------------------------------------------------------------


def held_up(rule: dict[str, Any], skip: int = 0) -> dict[str, Any]:
    return {"action": "delay", "delay_s": HELD_UP_S} | rule | {"skip": skip}


def of_aborts() -> Iterator[Case]:
    held: dict[str, tuple[str, Rules, tuple[str | None, ...]]] = {
        "Validate": ("Validate", lambda _: [], (None,)),
        # As soon as the lock is there; its function may come as far as writing until it finds the lock gone.
        "Lock": ("Lock", lambda _: [], ("not_needed", "restored", None)),
        "Project": ("Project", lambda s: [held_up(s.listing)], ("not_needed", None)),
        "Patch queue": ("Patch queue", lambda s: [held_up(s.settings_write)], ("restored",)),
        "Patch members, the first": ("Patch members", lambda s: [held_up(s.writes_of(s.order[0]))], ("restored",)),
        "Patch members, the last": ("Patch members", lambda s: [held_up(s.writes_of(s.order[-1]))], ("restored",)),
        "Verify": ("Verify", lambda s: [held_up(s.listing, 1)], ("restored",)),
        "Restore, while it reads": ("Restore", lambda s: [held_up(s.listing, 1), *failing(s)], ("restored",)),
        "Restore, while it writes": ("Restore", lambda s: [held_up(first_back(s), 1), *failing(s)], ("restored",)),
        "Audit": ("Audit", lambda _: [], ("restored", None)),
    }
    only = {
        "proficiency": ("Patch members, the first", "Verify", "Restore, while it writes"),
        "joined": ("Patch queue", "Patch members, the first", "Restore, while it writes", "Audit"),
    }
    for actuator in CARRIERS:
        for name in only.get(actuator, held):
            state, rules, outcomes = held[name]
            statuses = ("interrupted", "completed") if state == "Audit" else ("interrupted",)
            yield Case(f"{actuator}-abort in {name}", actuator, rules, statuses, outcomes, abort_in=state)
    for actuator in ("score", "ring"):
        yield Case(
            f"{actuator}-abort in Wait for the lock",
            actuator,
            lambda _: [],
            ("interrupted",),
            ("not_needed", None),
            abort_in="Wait for the lock",
            wait_for_lock_s=60,
        )


# ---- what is applied late --------------------------------------------------------------------------------------------


def of_late_writes() -> Iterator[Case]:
    for actuator in CARRIERS:
        yield Case(f"{actuator}-every write-applied late", actuator, lambda _: [], wave="late")
        for place in places(actuator):
            if actuator == "proficiency" and place != "the middle member":
                continue
            case = failing_write(actuator, place, "refused with 403")
            yield replace(case, id=f"{actuator}-{place}-refused with 403, the others applied late", wave="late")
    for actuator in ("score", "ring"):
        yield Case(
            f"{actuator}-every write-applied later than Verify waits",
            actuator,
            lambda _: [],
            ("verification_failed",),
            ("restored",),
            wave="too late",
        )


CASES = [
    *of_aborts(),
    *of_lost_answers(),
    *of_faults_that_stay(),
    *of_restorations(),
    *of_faults_that_pass(),
    *of_reads(),
    *of_late_writes(),
]
