"""The cells of the fault matrix: the request or state, the fault that hits it, and the allowed outcomes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tests.faults.scenes import CARRIERS, OUR_RULE, RINGS, Scene

Rules = Callable[[Scene], list[dict[str, Any]]]
Names = Callable[[Scene], list[str]]

MEMBERS_PLACES = ("the first member", "the middle member", "the last member")
JOINING, UNJOINING = "the joining write", "the un-joining write"
"""The two writes of a run under `joined`: of all who join, and then of all who are un-joined."""
LATE_S = 0.8
"""The delay until a write is readable: shorter than Verify polls."""
HELD_UP_S = 6.0
"""How long a request is under way when its execution is aborted: shorter than the wait of a recovery."""


@dataclass(frozen=True)
class Case:
    id: str
    actuator: str
    rules: Rules
    statuses: tuple[str, ...] = ("completed",)
    outcomes: tuple[str | None, ...] = (None,)
    """The outcome of the restore. None without a restore."""
    stuck: Names = lambda _scene: []
    """The parts that cannot be restored."""
    narrows: bool = False
    wave: str = "all at once"
    abort_in: str = ""
    """The state that is aborted, once the first of `rules` delays a request or its function is stopped."""
    wait_for_lock_s: int = 0
    together: str = ""
    """Temporary faults hit one run at several places: cases with the same name share the run."""
    rings: Literal["", "made", "removed"] = ""
    """`made`: the plan makes the queue's rings. `removed`: a revert removes rings that a plan has made."""
    edits: dict[str, Any] = field(default_factory=dict)
    """The values that somebody gives the plan's settings, by our names."""
    edited_fields: dict[str, Any] = field(default_factory=dict)
    """Other fields that somebody changes."""
    of_table: tuple[dict[str, Any], ...] = ()
    """Faults of the write that puts shares in force."""

    @property
    def run(self) -> str:
        return self.together or self.id

    def scene(self, world) -> Scene:
        changes = {"wait_for_lock_s": self.wait_for_lock_s} if self.wait_for_lock_s else {}
        return Scene(world, self.actuator, self.narrows, changes=changes, makes_rings=bool(self.rings))


def at(scene: Scene, place: str) -> dict[str, Any]:
    """Return the write of this name."""
    order = scene.order
    if place == "the queue's setting":
        return scene.settings_write
    if place == UNJOINING:
        return scene.writes_of(order[-1]) | {"skip": 1}
    return scene.writes_of({"first": order[0], "last": order[-1]}.get(place.split()[1], order[len(order) // 2]))


def places(actuator: str) -> tuple[str, ...]:
    return ("the queue's setting", *((JOINING, UNJOINING) if actuator == "joined" else MEMBERS_PLACES))


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
    """Combine each place with each fault, in as many runs as there are faults."""
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
        for number, place in enumerate(place for place in places(actuator) if place != UNJOINING):
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
    rule = FAILING[name]
    if place == UNJOINING:  # the requests after it are the restore's
        rule = rule | {"times": 18 if name == "500 for ever" else 1}  # three ticks of six attempts
    # The write of the second member is under way together with that of the first one.
    of_first = ("not_needed", "restored") if place in MEMBERS_PLACES else ("not_needed",)
    return Case(
        f"{actuator}{', narrowing' if narrows else ''}-{place}-{name}",
        actuator,
        lambda scene: [rule | at(scene, place)],
        (failed_in(place),),
        of_first if place == first else ("restored",),
        narrows=narrows,
    )


def dropped_write(actuator: str, place: str, *, narrows: bool = False) -> Case:
    return Case(
        f"{actuator}{', narrowing' if narrows else ''}-{place}-dropped",
        actuator,
        # A sum that is limited would be too high for the next member where one that goes down is dropped.
        lambda scene: [{"action": "drop"} | at(scene, place)],
        {
            ("score", place): ("verification_failed", "member_update_failed"),
            ("joined", JOINING): ("member_update_failed",),  # nobody is un-joined before the others are joined
        }.get((actuator, place), ("verification_failed",)),
        ("restored",),
        narrows=narrows,
    )


def of_lost_answers() -> Iterator[Case]:
    """The write is applied, but never answered, or answered after the read time-out. A reading shows the write."""
    lost = {"action": "reset_after", "times": None}
    for actuator in CARRIERS:
        for place in ("the queue's setting", JOINING if actuator == "joined" else "the middle member"):
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
        for number, (place, (earlier, failure)) in enumerate(READS.items()):
            # Under `joined`, Patch reads in between who is joined.
            skip = 2 * earlier if actuator == "joined" else earlier
            # An answer that is not JSON is read again, three times in all.
            malformed = {"action": "malformed", "times": 3}
            for name, rule in {"refused with 403": status(403), "malformed answers": malformed}.items():
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
    """Return the faults that fail a run once all members, or all except one, are written."""
    if scene.actuator == "joined":
        return [status(403) | scene.listing | {"skip": 2}]
    return [status(403, None) | scene.writes_of(scene.order[-1])]


def hit(rule: dict[str, Any], write: Callable[[Scene], dict[str, Any]]) -> Rules:
    """Return `rule` for the second request of a kind: the first is the run's, the second is the restore's."""
    return lambda scene: [*failing(scene), rule | one_more(write(scene))]


def one_more(rule: dict[str, Any]) -> dict[str, Any]:
    """Return the rule for the next request after the one that `rule` is for."""
    return rule | {"skip": rule.get("skip", 0) + 1}


def first_back(scene: Scene) -> dict[str, Any]:
    """Return the newest write of the run. The first write of the restore is the next one of its kind."""
    if scene.actuator == "joined":
        return at(scene, UNJOINING)
    return scene.writes_of(scene.order[-2])


def oldest(scene: Scene) -> dict[str, Any]:
    """Return the oldest write of the run. Under `joined`, restoring it is the request after restoring the newest."""
    return one_more(at(scene, UNJOINING)) if scene.actuator == "joined" else scene.writes_of(scene.order[0])


def own_settings(scene: Scene) -> dict[str, Any]:
    return scene.settings_write


def listing(scene: Scene) -> dict[str, Any]:
    return scene.listing


def in_one_write(scene: Scene, user: str) -> list[str]:
    if scene.actuator == "joined":
        return [other for other in scene.order if scene.new[other] == scene.new[user]]
    return [user]


def dropped_and_its_consequence(scene: Scene) -> list[str]:
    dropped = [scene.order[-2]]
    return [*dropped, *([scene.order[0]] if scene.actuator == "score" else [])]


def everything(scene: Scene) -> list[str]:
    return [*scene.order[:-1], *scene.settings_old]


def all_refused(scene: Scene) -> list[dict[str, Any]]:
    writes = [scene.settings_write, *map(scene.writes_of, scene.order[:-1])]
    return [*failing(scene), *(status(403, None) | one_more(write) for write in writes)]


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
    return {"action": "delay", "delay_s": HELD_UP_S} | rule | {"skip": rule.get("skip", 0) + skip}


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


# ---- rings that a plan makes, and a revert removes -------------------------------------------------------------------

# A plan writes the first part of the settings, rings and wrap-up time-out, and waits until the rings are there;
# then the members; then the last part, a lower threshold. A restoration puts the threshold back, then the members and
# the time-out, and removes the rings when it sees that nobody is in them any more.
# A revert writes the members, reads them, and then writes all settings at once.

MADE, REMOVED = "ring, making rings", "ring, removing rings"
DESCRIPTION = {"description": "Edited between two writes of a run."}
OTHER_RINGS = {"bullseye": {"rings": [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 20}]}] * RINGS}}


def nth_put(number: int) -> Callable[[Scene], dict[str, Any]]:
    return lambda scene: scene.settings_write | {"skip": number}


def last_member(scene: Scene) -> dict[str, Any]:
    return scene.writes_of(scene.order[-1])


def made(name: str, *args: Any, **also: Any) -> Case:
    rules, *more = args
    return Case(f"{MADE}-{name}", "ring", rules, *more, **{"rings": "made", "narrows": True} | also)


def removed(name: str, *args: Any, **also: Any) -> Case:
    rules, *more = args
    return Case(f"{REMOVED}-{name}", "ring", rules, *more, **{"rings": "removed"} | also)


def one(rule: dict[str, Any], write: Callable[[Scene], dict[str, Any]]) -> Rules:
    return lambda scene: [rule | write(scene)]


def of_rings() -> Iterator[Case]:
    lost, limited = {"action": "reset_after"}, status(429, **{"Retry-After": "2"})
    # A retry is a PUT more, so it moves the number of the last part's.
    for number, (first, name, last, rule) in enumerate(
        (
            ({"action": "reset_after"}, "malformed answer", 0, {"action": "malformed"}),
            ({"action": "outdated"}, "connection lost after", 1, lost),
            (limited, "429, two seconds", 1, limited),
        )
    ):
        together = f"{MADE}, faults that pass, {number}"
        said = first.get("status") or first["action"]
        yield made(f"the first part-{said}", one(first, nth_put(0)), together=together)
        yield made(f"the last part-{name}", one(rule, nth_put(last)), together=together)

    failed, back = ("member_update_failed",), ("restored",)
    dropped, refused = {"action": "drop"}, status(403, None)
    yield made("the first part-dropped", one(dropped, nth_put(0)), ("queue_update_failed",), ("not_needed",))
    yield made("the last member-dropped", one(dropped, last_member), ("verification_failed",), back)
    yield made("the last part-dropped", one(dropped, nth_put(1)), ("verification_failed",), back)
    yield made(
        "the last part and the way back-refused with 403",
        one(refused, nth_put(1)),
        ("queue_update_failed",),
        ("partial",),
        lambda _: ["bullseye_rings", "wrap_up_timeout_s"],
    )
    yield made("with a rule-the last member-refused", failing, failed, back, narrows=False)
    for name, rule, outcome, stuck in (
        ("refused once", status(403), "restored", []),
        ("connection lost after", lost, "restored", []),
        ("refused", refused, "partial", ["bullseye_rings"]),
    ):
        rules = lambda scene, rule=rule: [*failing(scene), rule | nth_put(2)(scene)]  # noqa: E731
        yield made(f"restoration-the rings' removal {name}", rules, failed, (outcome,), lambda _, s=stuck: s)
    yield made(
        "restoration-one member refused",
        hit(refused, oldest),
        failed,
        ("partial",),
        lambda scene: [scene.order[0], "bullseye_rings"],
    )

    stopped = ("interrupted",)
    for state, rules in {
        "Patch queue, the first part": lambda s: [held_up(nth_put(0)(s))],
        "Patch members, the last": lambda s: [held_up(last_member(s))],
        "Patch queue, the last part": lambda s: [held_up(s.settings_write, 1)],
        "Verify": lambda s: [held_up(s.listing, 2)],
        "Restore, while it removes the rings": lambda s: [held_up(s.settings_write, 2), *failing(s)],
    }.items():
        yield made(f"abort in {state}", rules, stopped, back, abort_in=state.partition(",")[0])
    unread = lambda scene: status(403) | scene.listing | {"skip": 2}  # noqa: E731 - Verify's reading
    for state, rules in {
        "Patch queue": lambda s: [held_up(s.settings_write)],
        "Restore, while it makes the rings": lambda s: [held_up(s.settings_write, 1), unread(s)],
    }.items():
        yield removed(f"abort in {state}", rules, stopped, back, abort_in=state.partition(",")[0])

    yield removed("the last part-dropped", one(dropped, nth_put(0)), ("verification_failed",), back)
    yield removed("the verification's reading-refused", lambda s: [unread(s)], ("verification_failed",), back)

    refusing = (("queue_update_failed",), back)
    for name, fields, edits in (
        ("description", DESCRIPTION, {}),
        (
            "threshold",
            {"conditionalGroupRouting": {"rules": [OUR_RULE | {"conditionValue": 0.7}]}},
            {"overflow_threshold": 0.7},
        ),
        (
            "wrap-up time-out",
            {"acwSettings": {"wrapupPrompt": "MANDATORY_TIMEOUT", "timeoutMs": 123_000}},
            {"wrap_up_timeout_s": 123},
        ),
    ):
        rules = one({"action": "edit", "body": fields}, last_member)
        others = {} if edits else fields
        yield made(f"somebody edits the {name} between the parts", rules, *refusing, edits=edits, edited_fields=others)
    for name, fields in {"description": DESCRIPTION, "rings": OTHER_RINGS}.items():
        rules = one({"action": "edit", "body": fields}, last_member)
        yield removed(f"somebody edits the {name} before they go", rules, *refusing, edited_fields=fields)

    yield made("every write-applied late", lambda _: [], wave="late")
    yield made("the last part-refused, the others applied late", one(status(403), nth_put(1)), *refusing, wave="late")
    yield removed("every write-applied late", lambda _: [], wave="late")
    yield made("every write-applied later than Patch waits", lambda _: [], *refusing, wave="too late")


# ---- shares, which are in a table of this system ---------------------------------------------------------------------


def table_fault(action: str, times: int = 1, skip: int = 0) -> dict[str, Any]:
    return {"action": action, "times": times, "skip": skip}


ALWAYS = 10_000
ALL_OF_SHARES: Names = lambda scene: [*scene.order, "routing_rules", "share_options"]  # noqa: E731


def of_shares() -> Iterator[Case]:
    """The PUT makes the rules, and one write to the table changes all shares. No member is written to Genesys."""

    def share(name: str, rules: Rules = lambda _: [], *more: Any, **fields: Any) -> Case:
        return Case(f"share-{name}", "share", rules, *more, **fields)

    place = "the queue's setting"
    yield failing_write("share", place, "refused with 403")
    yield dropped_write("share", place)
    yield replace(failing_write("share", place, "500 for ever"), id="share-the rules-500 for ever")
    lost = one({"action": "reset_after", "times": None}, own_settings)
    yield share("the rules-connection lost after, for ever", lost)
    held_puts = {"Patch queue": [own_settings, 0], "Verify": [listing, 1]}
    for state, (request, skip) in held_puts.items():
        rules: Rules = lambda scene, request=request, skip=skip: [held_up(request(scene), skip)]  # noqa: E731
        yield share(f"abort in {state}", rules, ("interrupted",), ("restored",), abort_in=state)
    yield share("every write-applied late", wave="late")

    # A client of DynamoDB tries four times, and the state machine five.
    failed = (("member_update_failed",), ("restored",))
    yield share(
        "the shares-throttled twice", of_table=(table_fault("throttle", 2),), together="share, faults that pass"
    )
    yield share(
        "the shares-answer lost", of_table=(table_fault("lose the answer"),), together="share, faults that pass"
    )
    yield share("the shares-answers lost for an attempt", of_table=(table_fault("lose the answer", 4),))
    yield share("the shares-refused by the condition", lambda _: [], *failed, of_table=(table_fault("refuse", 1),))
    yield share("the shares-store down for ever", lambda _: [], *failed, of_table=(table_fault("fail", ALWAYS),))

    # The verification fails, so the shares and the rules are restored.
    unread, of_restore = hit_reading(status(403)), (("verification_failed",), ("restored",))
    yield share("the verification's reading-refused with 403", unread, *of_restore)
    for name, fault in {
        "answer lost": table_fault("lose the answer", skip=1),
        "store down until the attempt is given up": table_fault("fail", 4, skip=1),
    }.items():
        yield share(f"restoration-{name}", unread, *of_restore, of_table=(fault,))
    stuck = table_fault("refuse", ALWAYS, skip=1)
    yield share(
        "restoration-refused by the condition, always",
        unread,
        ("verification_failed",),
        ("partial",),
        stuck=ALL_OF_SHARES,
        of_table=(stuck,),
    )


def hit_reading(rule: dict[str, Any]) -> Rules:
    """Return the rule for the verification's reading."""
    return lambda scene: [rule | scene.listing | {"skip": 1}]


CASES = [
    *of_shares(),
    *of_aborts(),
    *of_lost_answers(),
    *of_faults_that_stay(),
    *of_restorations(),
    *of_faults_that_pass(),
    *of_reads(),
    *of_late_writes(),
    *of_rings(),
]
