"""Patch: writes everything that differs from the before-image, the queue's own settings or the members."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from routing_weights.application.ports import Documents, Genesys, Reconnect, SkillOwners
from routing_weights.domain.decision import Work
from routing_weights.domain.images import require_unedited
from routing_weights.domain.queue import RINGS, Member, named
from routing_weights.domain.run import Failure, Run
from routing_weights.domain.target import Part, Target, goes_up, in_groups, unsettled
from routing_weights.domain.verify import Settling, unverified
from routing_weights.errors import (
    GenesysUnavailable,
    RateLimited,
    RoutingWeightsError,
    StoreUnavailable,
    VerificationFailed,
    first_error,
)

MOST_ALSO = 2000
"""How many members a tick names beyond a gap. A state gets at most 262,144 bytes, and an id has at most 64.

Usually fewer than may be under way at once are beyond a gap. A write that is tried again for a minute may leave
thousands. Writes of members who are not named are repeated, which changes nothing.
"""


@dataclass(frozen=True)
class PatchQueue:
    documents: Documents
    skills: SkillOwners
    connect: Reconnect
    settling: Settling

    def patch(self, run: Run, part: Part) -> bool:
        """Write one part of the queue's own settings, those that differ. False when none does.

        When this returns, new rings exist. Rings that are removed are empty first.

        Raises:
            VerificationFailed: the new rings do not exist in time, or members are still in the rings to remove.
        """
        work = self.documents.work(run.distribution_id)
        genesys, decision = self.connect(work.decision), work.decision
        if part == "first":  # every run begins here; from here on a restoration has something to look for
            self.documents.mark_writing(run.distribution_id)
        if decision.skill_id:
            self.skills.claim(decision.skill_id, work.plan.queue_id)
        settings, earlier = decision.settings(part), decision.settings("first")
        if not settings:
            return False
        _require_unedited(genesys, work, run)
        if part == "last" and RINGS in settings:
            self._await_empty_rings(genesys, work)
        own = earlier if part == "last" and (decision.order or earlier) else None
        genesys.write_queue(work.before, decision.target, settings, f"{run.distribution_id}:queue:{part}", own)
        if part == "first" and RINGS in settings and decision.order:
            self._await_rings(genesys, work)
        return True

    def _await_rings(self, genesys: Genesys, work: Work) -> None:
        """Wait until the new rings exist: Genesys refuses a member's ring that it does not have yet."""
        rings = Target({}, {}, {RINGS: work.decision.target.settings[RINGS]})
        if unverified(rings, self.settling.settle(genesys, work.before, rings)):
            raise VerificationFailed(
                f"Genesys accepted the queue's rings, and {self.settling.timeout_s:g} s later still does not have "
                "them. No member was written. Send the plan again."
            )

    def _await_empty_rings(self, genesys: Genesys, work: Work) -> None:
        """Wait until the members have left the rings to remove: a write that was accepted is not yet applied."""
        members = replace(work.decision.target, settings={})
        staying = unsettled(members, self.settling.settle_members(genesys, work.before, members))
        if staying:
            raise VerificationFailed(
                f"Genesys accepted the writes of members, and {self.settling.timeout_s:g} s later still holds "
                f"something else for {named(staying)}. The rings were not removed. Send the plan again.",
                members=staying[:100],
            )


@dataclass(frozen=True)
class Tick:
    """How far the writing of members has come."""

    next: int
    """How many writes, in their order, Genesys has accepted without a gap."""
    total: int
    pause_s: float = 0
    """How long Genesys asks to wait before the next tick."""
    failure: Failure | None = None
    """What ended the run. It is returned and not raised, so that the accepted writes are known."""
    also: tuple[str, ...] = ()
    """The first of the members whose writes were accepted beyond the gap, at most MOST_ALSO."""

    def to_json(self) -> dict[str, object]:
        progress: dict[str, object] = {"next": self.next, "total": self.total, "pause_s": self.pause_s}
        progress |= {"also": list(self.also)} if self.also else {}
        return progress | ({"failure": self.failure.to_json()} if self.failure else {})


@dataclass(frozen=True)
class PatchMembers:
    documents: Documents
    connect: Reconnect
    settling: Settling
    has_time: Callable[[], bool]
    """True while one more write can be begun and finished in order."""

    def patch(self, run: Run, start: int, also: Collection[str] = ()) -> Tick:
        """Write members from position `start` on, without those in `also`, as far as this invocation gets.

        Members who go up are one group, the others are the other one. Within a group several writes are under way at
        once. The next group begins once every write of this one is accepted.

        A tick ends when all are written, when the time is up, when Genesys asks for a long pause, or when a write
        fails after some progress. It says where the next tick begins, and which writes to leave out.
        """
        work = self.documents.work(run.distribution_id)
        genesys, target = self.connect(work.decision), work.decision.target
        members, pause_s, failure = work.decision.members(work.before), 0.0, None
        left = [member for member in members[start:] if member.user_id not in also]
        accepted = set(also)
        try:
            _require_unedited(genesys, work, run)
            for group in in_groups(target, left):
                if target.joins and not goes_up(target, group[0]):
                    if not self.has_time():
                        break
                    self._await_joined(genesys, work)
                answers = genesys.write_members(
                    work.before,
                    group,
                    target,
                    f"{run.distribution_id}:member",
                    go_on=self.has_time,
                    stops_at=(RoutingWeightsError,),
                )
                accepted |= {user for user, error in answers.items() if error is None}
                error = first_error(answers.values())
                if error:
                    raise error
                if len(answers) < len(group):
                    break
        except RateLimited as limited:
            pause_s = limited.details["retry_after_s"]
        except (GenesysUnavailable, StoreUnavailable):  # both pass, and the next tick may meet them again
            position, beyond = _reached(members, start, accepted)
            if (position, set(beyond)) == (start, set(also)):
                raise
        except RoutingWeightsError as error:
            failure = Failure.of(error)
        position, beyond = _reached(members, start, accepted)
        return Tick(position, len(members), pause_s, failure, beyond)

    def _await_joined(self, genesys: Genesys, work: Work) -> None:
        """Wait until Genesys shows everybody as joined whom the plan joins. Only then is anybody un-joined.

        Raises:
            VerificationFailed: somebody is not joined in time.
        """
        target = work.decision.target
        if not any(goes_up(target, member) for member in work.decision.members(work.before)):
            return
        joined = replace(target, values={user: True for user, value in target.values.items() if value}, settings={})
        missing = unsettled(joined, self.settling.settle_members(genesys, work.before, joined))
        if missing:
            raise VerificationFailed(
                f"Genesys accepted the writes that join members, and {self.settling.timeout_s:g} s later still does "
                f"not show as joined: {named(missing)}. Nobody was un-joined. Send the plan again.",
                members=missing[:100],
            )


def _reached(members: Sequence[Member], start: int, accepted: Collection[str]) -> tuple[int, tuple[str, ...]]:
    """Return the position of the first member from `start` on who is not accepted, and who is accepted beyond."""
    position = start + sum(1 for _ in takewhile(lambda member: member.user_id in accepted, members[start:]))
    beyond = [member.user_id for member in members[position:] if member.user_id in accepted]
    return position, tuple(beyond[:MOST_ALSO])


def _require_unedited(genesys: Genesys, work: Work, run: Run) -> None:
    """Genesys may have kept the run waiting for a long time. A repair overwrites no edit of that time.

    Neither does a run that somebody approved: the approval is for the queue as Project read it.
    """
    if work.plan.overwrites_no_edit or run.approved_at:
        require_unedited(work.decision.target, work.before, genesys.read_queue(work.plan.queue_id))
