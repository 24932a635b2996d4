"""A failed run is restored: only its own changes, newest first, and nobody else's edit is overwritten."""

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from routing_weights.bootstrap import genesys, stores
from routing_weights.domain.actuators.score import Score
from routing_weights.domain.queue import Member, Queue, holds
from routing_weights.domain.restore import SLICE_S, Restoration, Restorer
from routing_weights.domain.run import Run
from routing_weights.domain.target import image, members_to_write, settings_by_part
from routing_weights.errors import (
    Forbidden,
    GenesysRefused,
    GenesysUnavailable,
    Interrupted,
    QueueChanged,
    RateLimited,
    StoreUnavailable,
    WaitTooLong,
)
from routing_weights.settings import RestoreSettings
from tests.support.fakes import (
    FakeDocuments,
    FakeSession,
    FakeTime,
    answer,
    function_module,
    member,
    plan,
    queue,
    target,
    work,
    written_in_turn,
)

WATCH_S = 15.0
SETTING = "overflow_threshold"
EDITED = 7.75
"""A value that a person writes: in no before-image and in no plan."""


class FakeGenesys:
    """A queue in memory, as a contract shows it. A write is readable `delay_s` after it was accepted.

    `refusals` has the error that each write of a member, or of a setting, is answered with. `troubles` has, by the
    number of the request, an error and whether it comes after the request had its effect.
    """

    def __init__(self, held, *, per_write=1, raise_first=False, delay_s=0.0, time=None):
        self.time = time or FakeTime()
        self.per_write, self.raise_first, self.delay_s = per_write, raise_first, delay_s
        self.members = {m.user_id: m for m in held.members}
        self.settings, self.queue_id = held.settings, held.queue_id
        self.under_way, self.writes, self.reads, self.requests = [], [], 0, 0
        self.refusals, self.troubles, self.before_writes = {}, {}, []

    # ---- the contract -----------------------------------------------------------------------------------------------

    def read_queue(self, queue_id):
        assert queue_id == self.queue_id
        self.reads += 1
        return self._request(self.shown)

    def read_again(self, queue, user_ids):
        """Only the requested members are new, as with every contract."""
        assert set(user_ids) <= {m.user_id for m in queue.members}
        fresh = {m.user_id: m for m in self.read_queue(queue.queue_id).members if m.user_id in user_ids}
        return dataclasses.replace(queue, members=tuple(fresh.get(m.user_id, m) for m in queue.members))

    def restore_settings(self, before, target, names, key):
        assert key.endswith(":queue")
        assert all(name in target.settings for name in names)
        then = {name: before.settings.get(name) for name in names}
        self._write(sorted(names), lambda: self.set(then))

    def write_members(self, before, members, target, key, *, go_on, stops_at):
        assert key.endswith(":member")
        assert all(m.native is before_native(before, m.user_id) for m in members), "written as it was just read"
        write = lambda chunk: self.write_chunk(chunk, target)  # noqa: E731 - a name for a request
        return written_in_turn(members, self.per_write, write, go_on=go_on, stops_at=stops_at)

    def write_chunk(self, members, target):
        values = {m.user_id: target.values[m.user_id] for m in members}
        self._write(list(values), lambda: self.give(values))

    # ---- everybody else ---------------------------------------------------------------------------------------------

    def give(self, values):
        for user, value in values.items():
            if user == SETTING:
                self.set({user: value})
            elif user in self.members:
                self.members[user] = dataclasses.replace(self.members[user], weight=value)

    def set(self, changes):
        self.settings = self.settings.changed(changes)

    def accept(self, values):
        """A write of the run, accepted right now."""
        self.under_way.append((self.time.now + self.delay_s, lambda: self.give(values)))

    def shown(self):
        for due, change in list(self.under_way):
            if due <= self.time.now:
                change()
                self.under_way.remove((due, change))
        return Queue(self.queue_id, self.settings, tuple(self.members.values()))

    def at_last(self):
        """The state once every accepted write is applied."""
        self.time.now += 1000
        shown = self.shown()
        return {m.user_id: m.weight for m in shown.members} | {SETTING: shown.settings.get(SETTING)}

    def _write(self, names, change):
        if self.before_writes:
            self.before_writes.pop(0)()
        for name in names:
            if name in self.refusals:
                raise self.refusals[name]

        def apply():
            self.writes.append(names)
            self.under_way.append((self.time.now + self.delay_s, change))

        self._request(apply)

    def _request(self, answer):
        self.requests += 1
        error, applied = self.troubles.get(self.requests, (None, True))
        answered = answer() if applied else None
        if error:
            raise error
        return answered


def before_native(held, user_id):
    return next(m.native for m in held.members if m.user_id == user_id)


@dataclasses.dataclass
class Scene:
    """A before-image, a target, and the number of accepted writes of the run."""

    before: Queue
    target: object
    applied: int
    raise_first: bool = False
    per_write: int = 1

    def genesys(self, **options):
        """Genesys after those writes."""
        genesys = FakeGenesys(self.before, per_write=self.per_write, raise_first=self.raise_first, **options)
        for name in self.changed:
            genesys.accept({name: self.wanted(name)})
        return genesys

    @property
    def order(self):
        """Members and setting in the order in which the run writes them."""
        order = members_to_write(self.target, self.before, raise_first=self.raise_first)
        members = [m.user_id for m in order]
        wanted = self.target.settings.get(SETTING)
        if SETTING not in self.target.settings or holds(self.before.settings.get(SETTING), wanted):
            return members
        return [*members, SETTING] if self.part == "last" else [SETTING, *members]

    @property
    def part(self):
        """When the setting is written."""
        return "last" if settings_by_part(self.target, self.before)["last"] else "first"

    @property
    def settings_accepted(self):
        return [self.part] if SETTING in self.changed else []

    @property
    def changed(self):
        return self.order[: self.applied]

    @property
    def accepted(self):
        return len([name for name in self.changed if name != SETTING])

    @property
    def old(self):
        return {m.user_id: m.weight for m in self.before.members} | {SETTING: self.before.settings.get(SETTING)}

    def wanted(self, name):
        return self.target.settings[name] if name == SETTING else self.target.values[name]

    def restorer(self, genesys, *, earlier=None, has_time=lambda: True):
        known = {"earlier": earlier} if earlier else {}
        return Restorer(
            genesys, self.before, self.target, "d-1:restore", has_time, genesys.time.clock, genesys.time.sleep, **known
        )

    def restore(self, genesys, *, watch_s=WATCH_S, accepted=None, **options):
        accepted = self.accepted if accepted is None else accepted
        restorer = self.restorer(genesys, **options)
        return restorer.run(accepted=accepted, watch_s=watch_s, settings_accepted=self.settings_accepted)[0]

    def attempt(self, genesys, **options):
        """Restore as the function does, which keeps its knowledge if an attempt is interrupted.

        Returns the restoration, and True if the attempt was interrupted.
        """
        restorer = self.restorer(genesys, **options)
        try:
            run = restorer.run(accepted=self.accepted, watch_s=WATCH_S, settings_accepted=self.settings_accepted)
        except (RateLimited, WaitTooLong, GenesysUnavailable, Forbidden):
            return restorer.interrupted(), True
        return run[0], False


VALUES = (0.0, 0.125, 0.25, 0.5)
weights = st.sampled_from(VALUES)


@st.composite
def scenes(draw, least=0, per_write=1):
    count = draw(st.integers(1, 6))
    users = [f"agent-{n}" for n in range(count)]
    held = [member(user, draw(weights | st.none()), page=1) for user in users]
    named = draw(st.lists(st.sampled_from(users), min_size=1, unique=True))
    before = queue(*held, overflow_threshold=draw(st.sampled_from([0.7, 0.8, 0.9, None])))
    threshold = draw(st.sampled_from([{}, {SETTING: 0.8}]))
    wanted = target({user: draw(weights) for user in named}, **threshold)
    scene = Scene(before, wanted, 0, draw(st.booleans()), per_write)
    assume(len(scene.order) >= least)
    scene.applied = draw(st.integers(least, len(scene.order)))
    return scene


def some_of(names):
    return st.lists(st.sampled_from(names), unique=True) if names else st.just([])


# ---- what comes of it ------------------------------------------------------------------------------------------------


@given(scenes())
def test_exactly_what_was_written_is_restored(scene):
    genesys = scene.genesys()
    restoration = scene.restore(genesys)
    assert genesys.at_last() == scene.old
    assert genesys.writes == [[name] for name in reversed(scene.changed)], "newest first, each once"
    outcome = "restored" if scene.changed else "not_needed"
    assert restoration == Restoration(outcome, len(scene.changed))


@given(scenes(least=1), st.sampled_from([0.5, 3.0, 7.0, 14.0]), st.booleans())
def test_a_write_that_becomes_readable_late_is_restored(scene, delay_s, answered):
    genesys = scene.genesys(delay_s=delay_s)
    restoration = scene.restore(genesys, accepted=None if answered else 0)
    assert genesys.at_last() == scene.old
    assert restoration == Restoration("restored", len(scene.changed))


def test_readable_writes_are_restored_before_any_wait():
    genesys = ONE.genesys()
    before_the_first_write = []
    genesys.before_writes = [lambda: before_the_first_write.extend(genesys.time.slept)]
    ONE.restore(genesys)
    assert genesys.writes == [["agent-1"]]
    assert before_the_first_write == []


@pytest.mark.parametrize("lasts_s", [0, 30, 80])
def test_a_watch_ends_with_the_time_of_the_invocation(lasts_s):
    genesys = ONE.genesys()
    ends_at = genesys.time.now + lasts_s
    restoration = ONE.restore(genesys, watch_s=90.0, has_time=lambda: genesys.time.now < ends_at)
    assert genesys.time.now <= ends_at + SLICE_S
    assert restoration.left == (0 if lasts_s else 1)


def test_a_write_that_lands_after_its_restore_is_restored_again():
    """The first attempt of a write timed out, and is applied after its retry was restored."""
    genesys = ONE.genesys()
    genesys.under_way.append((genesys.time.now + 6.0, lambda: genesys.give({"agent-1": 0.5})))
    restoration = ONE.restore(genesys)
    assert genesys.at_last() == ONE.old
    assert (genesys.writes, restoration) == ([["agent-1"]] * 2, Restoration("restored", 1))


@given(st.data(), scenes())
def test_edits_by_others_survive_and_are_named(data, scene):
    genesys = scene.genesys()
    genesys.shown()
    edited = data.draw(some_of([*scene.old]))
    genesys.give(dict.fromkeys(edited, EDITED))
    restoration = scene.restore(genesys, accepted=0)
    assert genesys.at_last() == scene.old | dict.fromkeys(edited, EDITED)
    ours = [name for name in scene.changed if name not in edited]
    assert genesys.writes == [[name] for name in reversed(ours)]
    assert restoration.restored == len(ours)
    assert restoration.outcome == ("restored" if ours else "not_needed")
    members, settings = set(edited) & set(scene.target.values), set(edited) & set(scene.target.settings)
    assert set(restoration.edited) >= (members | settings) & set(scene.order)
    assert set(restoration.edited) <= members | settings


@given(st.data(), scenes())
def test_a_member_who_left_the_queue_is_named_and_not_written(data, scene):
    genesys = scene.genesys()
    genesys.shown()
    gone = data.draw(some_of([m.user_id for m in scene.before.members]))
    for user in gone:
        del genesys.members[user]
    restoration = scene.restore(genesys)
    assert not {name for names in genesys.writes for name in names} & set(gone)
    assert restoration.edited == sorted(set(gone) & set(scene.order))
    assert restoration.restored == len(set(scene.changed) - set(gone))


@given(st.data(), scenes(), st.sampled_from([Forbidden, GenesysRefused, QueueChanged]))
def test_one_refused_write_does_not_stop_the_restore_of_others(data, scene, error):
    genesys = scene.genesys()
    genesys.shown()
    refused = data.draw(some_of([*scene.old]))
    genesys.refusals = dict.fromkeys(refused, error("No."))
    restoration = scene.restore(genesys)
    kept = {name: scene.wanted(name) for name in scene.changed if name in refused}
    assert genesys.at_last() == scene.old | kept
    assert restoration.unrestored == sorted(set(kept) - {SETTING}) + [SETTING] * (SETTING in kept)
    assert restoration.restored == len(scene.changed) - len(kept)
    expected = {(True, True): "partial", (True, False): "failed", (False, True): "restored"}
    assert restoration.outcome == expected.get((bool(kept), restoration.restored > 0), "not_needed")
    assert restoration.left == 0, "a refusal is tried twice, and then no more"


def test_an_accepted_restore_that_is_never_applied_is_not_called_restored():
    scene = Scene(queue(member("agent-1", 0.0), member("agent-2", 0.0)), target({"agent-1": 0.5, "agent-2": 0.25}), 2)
    genesys = scene.genesys()
    lost = []
    genesys._write = lambda names, _change: lost.append(names)
    restoration = scene.restore(genesys)
    assert (restoration.outcome, restoration.unrestored) == ("failed", ["agent-1", "agent-2"])
    assert lost == [["agent-2"], ["agent-1"]] * 2
    assert sum(genesys.time.slept) <= 2 * WATCH_S


def test_a_restore_that_failed_once_is_sent_again():
    scene = Scene(queue(member("agent-1", 0.0), member("agent-2", 0.0)), target({"agent-1": 0.5, "agent-2": 0.25}), 2)
    genesys = scene.genesys()
    genesys.refusals = {"agent-1": Forbidden("Not now.")}
    real, dropped = genesys._write, []

    def write(names, change):
        if genesys.time.slept:
            genesys.refusals = {}
        if names == ["agent-2"] and not dropped:
            dropped.append(names)
        else:
            real(names, change)

    genesys._write = write
    assert scene.restore(genesys) == Restoration("restored", 2)
    assert genesys.at_last() == scene.old


# ---- attempts that break off -----------------------------------------------------------------------------------------


class Rings(FakeGenesys):
    """A queue that refuses to remove a ring with members, and to put a member into a missing ring."""

    def shown(self):
        held = super().shown()
        return dataclasses.replace(held, members=tuple(dataclasses.replace(m, carried=m.weight) for m in held.members))

    def restore_settings(self, before, target, names, key):
        rings = max(1, before.settings.bullseye_rings)
        if any(m.weight > rings for m in self.shown().members):
            raise GenesysRefused("Ring in use.", http_status=400)
        super().restore_settings(before, target, names, key)

    def write_chunk(self, members, target):
        rings = max(1, self.shown().settings.bullseye_rings)
        if any(target.values[m.user_id] > rings for m in members):
            raise GenesysRefused("No such ring.", http_status=400)
        super().write_chunk(members, target)


def ringed(rings, **values):
    return queue(*(member(u, v, value=v) for u, v in values.items()), bullseye_rings=rings)


def in_rings(rings, **values):
    return dataclasses.replace(target(values, bullseye_rings=rings), actuator="ring")


@pytest.mark.parametrize("delay_s", [0.0, 1.0])
def test_rings_that_the_run_made_are_removed_once_they_are_empty(delay_s):
    scene = Scene(ringed(0, a=1, b=1, c=1), in_rings(6, a=1, b=3, c=5), 0)
    genesys = Rings(ringed(6, a=1, b=3, c=5), delay_s=delay_s)
    assert scene.restore(genesys, accepted=2) == Restoration("restored", 3)
    assert [sorted(names) for names in genesys.writes] == [["c"], ["b"], ["bullseye_rings"]]


def test_rings_stay_if_somebody_else_uses_one():
    scene = Scene(ringed(0, a=1, b=1, c=1), in_rings(6, b=3, c=5), 0)
    genesys = Rings(ringed(6, a=1, b=2, c=5))
    assert scene.restore(genesys, accepted=2) == Restoration("partial", 1, ["bullseye_rings"], edited=["b"])
    assert genesys.writes == [["c"]]


def test_removed_rings_are_made_again_before_members_return_to_them():
    scene = Scene(ringed(6, a=1, b=3, c=5), in_rings(0, a=1, b=1, c=1), 0)
    genesys = Rings(ringed(0, a=1, b=1, c=1))
    assert scene.restore(genesys, accepted=2) == Restoration("restored", 3)
    assert genesys.writes[0] == ["bullseye_rings"]


def rounding(values, decimals):
    return {user: value if value is None else round(value, decimals) for user, value in values.items()}


def test_a_value_that_genesys_rounded_counts_as_the_runs_own():
    before = queue(*(member(user, value) for user, value in {"a": 1.0, "b": 2.0, "c": None, "d": 4.0}.items()))
    wanted = target({"a": 5.0, "b": 4.375, "c": 1.234567, "d": 3.846154}, overflow_threshold=0.85)
    scene = Scene(before, dataclasses.replace(wanted, actuator="proficiency"), 0)
    genesys = scene.genesys()
    genesys.give(rounding(scene.target.values, 2))
    genesys.give({"b": EDITED})
    restoration = scene.restore(genesys, accepted=4)
    assert restoration == Restoration("restored", 3, edited=["b"])
    assert genesys.at_last() == scene.old | {"b": EDITED}


def test_a_before_image_that_genesys_rounds_is_restored():
    before = queue(*(member(user, 1.25) for user in "abcd"))
    wanted = target({"a": 5.0, "b": 4.4, "c": 3.1, "d": 2.2}, overflow_threshold=0.85)
    scene = Scene(before, dataclasses.replace(wanted, actuator="proficiency"), 0)
    genesys = scene.genesys()
    genesys.give(scene.target.values | {"d": 1.25})  # the write of d failed
    give = genesys.give
    genesys.give = lambda values: give(rounding(values, 1))
    assert scene.restore(genesys, accepted=3) == Restoration("restored", 3)
    assert genesys.at_last() == scene.old | dict.fromkeys("abc", 1.2)


TROUBLES = [RateLimited("Wait.", retry_after_s=7), WaitTooLong("Too long."), GenesysUnavailable("Gone.")]
troubles = st.dictionaries(st.integers(1, 12), st.tuples(st.sampled_from(TROUBLES), st.booleans()), max_size=4)


@given(scenes(least=1), troubles)
def test_an_interrupted_attempt_is_repeated_until_all_is_restored(scene, happening):
    genesys = scene.genesys()
    genesys.troubles = happening
    earlier, again, attempts = None, True, 0
    while again:
        earlier, again = scene.attempt(genesys, earlier=earlier)
        attempts += 1
    assert attempts <= 1 + len(happening)
    assert genesys.at_last() == scene.old
    assert earlier == Restoration("restored", len(scene.changed))


@given(scenes(), st.data())
def test_an_attempt_after_a_complete_one_writes_nothing(scene, data):
    genesys = scene.genesys()
    genesys.shown()
    genesys.refusals = dict.fromkeys(data.draw(some_of([*scene.old])), Forbidden("No."))
    first = scene.restore(genesys)
    written = len(genesys.writes)
    assert scene.restore(genesys, earlier=first) == first
    assert len(genesys.writes) == written


@given(scenes(least=1), st.integers(0, 4), st.sampled_from([0.0, 0.5]))
def test_an_attempt_that_runs_out_of_time_is_continued_by_the_next(scene, most, delay_s):
    genesys = scene.genesys()
    genesys.shown()
    genesys.delay_s = delay_s
    earlier, attempts = None, 0
    while earlier is None or earlier.left:
        start = len(genesys.writes)
        earlier = scene.restore(
            genesys, earlier=earlier, has_time=lambda start=start: len(genesys.writes) < start + most
        )
        attempts += 1
        genesys.time.now += 300  # an invocation ends when it has no time left
        if most == 0 and attempts == 3:
            assert genesys.writes == []
            assert earlier == Restoration("failed", 0, earlier.unrestored, left=len(scene.changed))
            return
    assert genesys.at_last() == scene.old
    assert earlier == Restoration("restored", len(scene.changed))


def test_an_accepted_restore_that_cannot_be_read_is_unconfirmed():
    scene = Scene(queue(member("agent-1", 0.0), member("agent-2", 0.0)), target({"agent-1": 0.5, "agent-2": 0.25}), 2)
    genesys = scene.genesys()
    genesys.troubles = {4: (Forbidden("No."), True)}  # after a reading and two writes
    found, broke_off = scene.attempt(genesys, earlier=Restoration("partial", 4, ["agent-1"]))
    assert broke_off
    assert found == Restoration("partial", 4, [], ["agent-1", "agent-2"])
    assert scene.attempt(genesys, earlier=found) == (Restoration("restored", 6), False)


def test_values_not_written_by_an_interrupted_attempt_are_unrestored():
    scene = Scene(queue(member("agent-1", 0.0), member("agent-2", 0.0)), target({"agent-1": 0.5, "agent-2": 0.25}), 2)
    genesys = scene.genesys()
    genesys.troubles = {3: (TROUBLES[0], True)}
    assert scene.attempt(genesys) == (Restoration("partial", 0, ["agent-1"], ["agent-2"]), True)


def test_without_any_reading_the_accepted_writes_are_unrestored():
    before = queue(member("agent-1", 0.0), member("agent-2", 0.0), overflow_threshold=0.7)
    scene = Scene(before, target({"agent-1": 0.5, "agent-2": 0.25}, **{SETTING: 0.8}), 2)
    genesys = scene.genesys()
    genesys.troubles = {1: (Forbidden("No."), True)}
    assert scene.attempt(genesys) == (Restoration("failed", 0, ["agent-1", SETTING]), True)


def test_an_edit_between_two_attempts_is_not_counted_as_restored():
    scene = Scene(queue(member("agent-1", 0.0)), target({"agent-1": 0.5}), 1)
    genesys = scene.genesys()
    genesys.troubles = {2: (TROUBLES[0], False)}
    earlier, _ = scene.attempt(genesys)
    genesys.give({"agent-1": EDITED})
    restoration, _ = scene.attempt(genesys, earlier=earlier)
    assert restoration == Restoration("not_needed", edited=["agent-1"])


def test_after_an_outage_of_our_own_store_the_restore_is_tried_again():
    scene = Scene(queue(member("agent-1", 0.0)), target({"agent-1": 0.5}), 1)
    genesys = scene.genesys()
    genesys.refusals = {"agent-1": StoreUnavailable("The lock could not be read.")}
    with pytest.raises(StoreUnavailable):
        scene.restore(genesys)


def test_a_restore_that_lost_its_lock_stops_and_claims_nothing():
    scene = Scene(queue(member("agent-1", 0.0)), target({"agent-1": 0.5}), 1)
    genesys = scene.genesys()
    genesys.refusals = {"agent-1": Interrupted("The lock is another's.")}
    with pytest.raises(Interrupted):
        scene.restore(genesys)


# ---- time ------------------------------------------------------------------------------------------------------------

ONE = Scene(queue(member("agent-1", 0.0)), target({"agent-1": 0.5}), 1)


def test_the_queue_is_watched_for_as_long_as_a_write_may_take():
    genesys = ONE.genesys()
    ONE.restore(genesys)
    assert (genesys.time.slept, genesys.reads) == ([3.75, 7.5, 3.75], 4)


@pytest.mark.parametrize("watch_s", [0.0, 0.5, WATCH_S])
def test_the_queue_is_always_read_after_a_write(watch_s):
    genesys = ONE.genesys()
    genesys.shown()
    assert ONE.restore(genesys, watch_s=watch_s) == Restoration("restored", 1)
    assert sum(genesys.time.slept) == watch_s


def test_a_write_that_lands_after_the_watch_is_not_seen():
    genesys = ONE.genesys(delay_s=100.0)
    assert ONE.restore(genesys).outcome == "not_needed"
    assert sum(genesys.time.slept) == WATCH_S


def test_a_restore_waits_until_it_can_be_read_back():
    genesys = ONE.genesys()
    genesys.shown()
    genesys.delay_s = 3.0
    assert ONE.restore(genesys).outcome == "restored"
    assert genesys.writes == [["agent-1"]]


# ---- the order -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("held", "first"), [(0.9, True), (0.7, False)])
def test_the_setting_that_was_written_last_is_restored_first(held, first):
    scene = Scene(queue(member("agent-1", 0.0), overflow_threshold=held), target({"agent-1": 0.5}, **{SETTING: 0.8}), 2)
    genesys = scene.genesys()
    scene.restore(genesys)
    assert genesys.writes == ([[SETTING], ["agent-1"]] if first else [["agent-1"], [SETTING]])


def test_at_no_moment_of_a_restore_do_the_scores_exceed_1():
    before = queue(member("a", 0.6), member("b", 0.3), member("c", 0.1))
    scene = Scene(before, target({"a": 0.1, "b": 0.2, "c": 0.7}), 3)
    genesys = scene.genesys()
    sums = []
    genesys.before_writes = [lambda: sums.append(sum(m.weight for m in genesys.shown().members))] * 3
    scene.restore(genesys)
    assert len(sums) == 3
    assert max(sums) <= 1 + 1e-9


@pytest.mark.parametrize(("count", "sizes"), [(3, [3]), (4, [3, 1]), (7, [3, 3, 1])])
def test_members_are_restored_in_batches(count, sizes):
    users = [f"agent-{n}" for n in range(count)]
    before = queue(*(Member(user, 0.0) for user in users))
    scene = Scene(before, target(dict.fromkeys(users, 0.5)), count, per_write=3)
    genesys = scene.genesys()
    assert scene.restore(genesys) == Restoration("restored", count)
    assert [len(names) for names in genesys.writes] == sizes
    assert [name for names in genesys.writes for name in names] == users[::-1]
    assert genesys.at_last() == scene.old


class Joins(FakeGenesys):
    """A queue whose values say who is joined. `shown` also counts those who are joined."""

    def shown(self):
        held = super().shown()
        return dataclasses.replace(
            held, members=tuple(dataclasses.replace(m, carried=m.weight > 0) for m in held.members)
        )


def joining(**values):
    weights = {user: 0.5 if value else 0.0 for user, value in values.items()}
    return queue(*(member(user, weights[user], value=value) for user, value in values.items())), weights


@pytest.mark.parametrize("delay_s", [0.0, 1.0])
def test_a_restore_unjoins_nobody_before_everybody_is_joined_again(delay_s):
    before, _ = joining(out=True, new=False)
    after, weights = joining(out=False, new=True)
    wanted = target(weights, values={"out": False, "new": True}, joins=True)
    scene = Scene(before, wanted, 0, raise_first=True)
    genesys = Joins(after, raise_first=True, delay_s=delay_s)
    joined = []
    genesys.before_writes = [lambda: joined.append({m.user_id for m in genesys.shown().members if m.weight})] * 2
    assert scene.restore(genesys, accepted=2) == Restoration("restored", 2)
    assert genesys.writes == [["out"], ["new"]]
    assert joined == [{"new"}, {"new", "out"}]


def test_a_restore_unjoins_nobody_while_somebody_cannot_be_joined_again():
    before, _ = joining(out=True, new=False)
    after, weights = joining(out=False, new=True)
    wanted = target(weights, values={"out": False, "new": True}, joins=True, **{SETTING: 0.9})
    scene = Scene(
        dataclasses.replace(before, settings=before.settings.changed({SETTING: 0.8})), wanted, 0, raise_first=True
    )
    genesys = Joins(after, raise_first=True)
    genesys.set({SETTING: 0.9})
    genesys.refusals = {"out": Forbidden("No.")}
    restoration = scene.restore(genesys, accepted=2)
    assert genesys.writes == [], "neither the member nor the setting that the run wrote before"
    assert restoration == Restoration("failed", 0, ["new", "out", SETTING])


# ---- what a before-image asks for, and what is certain ---------------------------------------------------------------


def test_the_image_has_what_the_target_would_change():
    before = queue(member("a", 0.5), member("b", None), member("c", 0.25), wrap_up_timeout_s=None)
    wanted = target({"b": 0.5, "a": 0.0, "gone": 0.1}, joins=True, wrap_up_timeout_s=45, skill_evaluation_method="BEST")
    then = image(before, wanted)
    assert then.values == {"b": None, "a": 0.5}
    assert then.weights == {"b": None, "a": 0.5}
    assert then.settings == {"wrap_up_timeout_s": None, "skill_evaluation_method": None}
    assert then.joins


@given(scenes())
def test_the_image_of_a_target_restores_everything(scene):
    then = image(scene.before, scene.target)
    assert members_to_write(then, scene.before, raise_first=scene.raise_first) == []
    assert all(holds(scene.before.settings.get(name), value) for name, value in then.settings.items())


@pytest.mark.parametrize(
    ("held", "wanted", "expected"),
    [
        (0.8, 0.7, True),
        (0.8, 0.8 - 1e-12, False),
        (0.8, 0.8, False),
        (0.7, 0.8, False),
        (None, 0.7, False),
        (0.8, None, False),
        (1, 0.9, True),
    ],
)
def test_a_lower_threshold_narrows_the_queue(held, wanted, expected):
    parts = settings_by_part(target({"a": 0.5}, **{SETTING: wanted}), queue(member("a"), overflow_threshold=held))
    assert (SETTING in parts["last"]) is expected


MADE = {"bullseye_rings": 0}, {"bullseye_rings": 6}


@pytest.mark.parametrize(
    ("held", "wanted", "first", "last"),
    [
        ({}, {"wrap_up_timeout_s": 1}, {"wrap_up_timeout_s"}, set()),
        (*MADE, {"bullseye_rings"}, set()),
        (*MADE[::-1], set(), {"bullseye_rings"}),
        ({}, {"overflow_threshold": 0.5, "wrap_up_timeout_s": 1}, set(), {"overflow_threshold", "wrap_up_timeout_s"}),
        (
            MADE[0],
            MADE[1] | {"overflow_threshold": 0.5, "wrap_up_timeout_s": 1},
            {"bullseye_rings", "wrap_up_timeout_s"},
            {"overflow_threshold"},
        ),
        (
            MADE[1] | {"ring_groups": "2: g"},
            MADE[0] | {"ring_groups": None, "overflow_threshold": 0.9},
            set(),
            {"bullseye_rings", "ring_groups", "overflow_threshold"},
        ),
        (MADE[1], MADE[1], set(), set()),
    ],
)
def test_rings_are_made_before_members_are_written_and_removed_after_them(held, wanted, first, last):
    parts = settings_by_part(target({"a": 0.5}, **wanted), queue(member("a"), **held))
    assert (parts["first"].keys(), parts["last"].keys()) == (first, last)
    assert {**parts["first"], **parts["last"]}.items() <= wanted.items()


def test_a_restore_survives_its_document():
    kept = Restoration("partial", 2, ["a"], ["b"], ["c"], 1)
    assert Restoration(**kept.to_json()) == kept


# ---- the function ----------------------------------------------------------------------------------------------------


@pytest.fixture
def documents(monkeypatch):
    held = FakeDocuments()
    monkeypatch.setattr(stores, "documents", lambda _settings: held)
    return held


@pytest.fixture
def restore(documents, monkeypatch):
    """The handler of Restore for a run that has written, and a Genesys with scripted answers."""
    app = function_module("restore")
    settings = RestoreSettings(
        documents_bucket="documents-bucket",
        locks_table="locks",
        verify_timeout_s=0.0,
        genesys_contract="score",
        genesys_base_url="https://genesys.example.com",
        max_retry_after_s=5.0,
        token_function="token",
        token_secret="token",
        budget_table="budget",
        requests_per_minute=0.0,
        token_pool=1,
        max_concurrent_writes=1,
        shares_table="shares",
        reserved_for_others=0.0,
    )
    monkeypatch.setattr(app.RestoreSettings, "load", lambda: settings)
    before = queue(member("agent-1", 0.0))
    documents.keep_work("d-1", work(plan(), target({"agent-1": 0.4}), before, Score()))
    documents.mark_writing("d-1")

    def call(*answers, started_ago):
        tokens = SimpleNamespace(begin=lambda _: None, current=lambda _: "token", replace=lambda *_: ("token", True))
        monkeypatch.setattr(genesys, "shared_session", lambda: FakeSession(*answers))
        monkeypatch.setattr(genesys, "tokens", lambda _settings: tokens)
        run = Run(distribution_id="d-1", execution_arn="arn", started_at=datetime.now(UTC) - started_ago)
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda: 300_000,
            function_name="restore",
            memory_limit_in_mb=256,
            invoked_function_arn="arn:restore",
            aws_request_id="request",
        )
        return app.handler(run.model_dump(mode="json") | {"accepted": 0}, context)

    return call


def test_a_restore_leaves_a_long_pause_to_the_state_machine(restore, documents):
    with pytest.raises(RateLimited):
        restore(answer(429, {}, Retry_After="30"), started_ago=timedelta(minutes=5))
    assert documents.find_restoration("d-1") == Restoration("failed"), "which is so as long as nothing follows"


@pytest.mark.parametrize("minutes", [91, 121])
def test_a_restore_may_wait_after_the_runs_time_is_over(restore, minutes):
    with pytest.raises(RateLimited):
        restore(answer(429, {}, Retry_After="30"), started_ago=timedelta(minutes=minutes))


def test_a_restore_asks_again_even_if_genesys_wants_too_long_a_wait(restore):
    with pytest.raises(RateLimited) as caught:
        restore(answer(429, {}, Retry_After="200000000"), started_ago=timedelta(minutes=5))
    assert caught.value.details["retry_after_s"] == 900


def test_a_restore_that_runs_out_of_time_is_recorded_as_failed(restore, documents):
    with pytest.raises(WaitTooLong):
        restore(answer(429, {}, Retry_After="30"), started_ago=timedelta(minutes=165))
    assert documents.find_restoration("d-1") == Restoration("failed")


def test_a_restore_that_may_not_read_is_recorded_as_failed(restore, documents):
    with pytest.raises(Forbidden):
        restore(answer(403, {}), started_ago=timedelta(minutes=5))
    assert documents.find_restoration("d-1") == Restoration("failed")
