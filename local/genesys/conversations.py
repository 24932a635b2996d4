"""Conversations: contacts meet the queues and agents of a simulated organisation, by the published rules of ACD.

A `Floor` has its own clock, in seconds from 0, and runs a day in about a second. It is the oracle of shares: it shares
no code with the projection, and it scans everything at every event, because that is easy to check. The rules, from the
help articles on routing and evaluation methods, bullseye routing and preferred agent routing:

- An agent handles one contact at a time. An agent who becomes free takes the contact that has waited longest, over all
  queues, of those that can reach the agent.
- The agent who has gone longest since the last contact is chosen. Going off queue and returning do not change that.
- BEST looks at the 100 longest idle agents, keeps those with all requested skills, and takes the highest average of
  their proficiencies in these skills; the longest idle of equals. ALL needs all skills, NONE needs none.
- A ring opens when the time-outs of the rings before it have passed. Rings before it stay open.
- Preferred agents must be members and on queue. Skills do not matter. The queue's routing rules open one after the
  other, and the pool only grows: MEETS_THRESHOLD for scores at or above the threshold, ANY for every preferred agent.
  After the last rule, the contact reaches the whole queue by its method, from ring 1 on.

Our choices, where nothing is published: a contact without preferred agents, or in a queue without rules, reaches the
whole queue at once. Scores do not rank within an open pool, unless `ranked` (two help pages disagree). After-call work
shows as INTERACTING, an agent at whom a contact rings as IDLE. A contact that rings in vain keeps its place in line.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from heapq import heappop, heappush
from itertools import accumulate
from random import Random
from typing import Any, Literal

Document = dict[str, Any]
Draw = Callable[[str, str, str, float], tuple[Sequence[str], Sequence[int]]]
"""The flow's question before Transfer to ACD: conversation, queue, media, second. The answer: agents, their scores."""
Status = Literal["IDLE", "INTERACTING", "NOT_RESPONDING", "OFF_QUEUE"]

LONGEST_IDLE = 100
INTERVAL_S = 900
_DEFAULT_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Queue:
    queue_id: str
    evaluation: Literal["ALL", "BEST", "NONE"] = "ALL"
    rules: tuple[Document, ...] = ()
    """`routingRules`, as the queue's document holds them."""
    ring_timeouts_s: tuple[float, ...] = ()
    """By ring, from ring 1 on. Empty: no bullseye routing. The time-out of the last ring opens nothing."""
    within_s: float = 20.0
    """Seconds: the service level counts the contacts that are answered within them."""
    rings_s: float = 0.0
    """How long a contact rings at an agent who answers. Until then the agent shows as idle."""
    alerting_s: float = 30.0
    """How long a contact rings at an agent who does not respond."""


@dataclass(frozen=True, slots=True)
class Agent:
    user_id: str
    rings: Mapping[str, int]
    """By queue that the agent is joined to: the ring there; 1 in a queue without rings."""
    skills: Mapping[str, float] = field(default_factory=dict)
    """Proficiency by skill, 0 to 5."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as it arrives. Times are seconds; `arrives_s` is a time of the clock, the others are lengths."""

    conversation_id: str
    queue_id: str
    arrives_s: float
    talk_s: float
    acw_s: float = 0.0
    patience_s: float = math.inf
    media: str = "voice"
    skills: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stream:
    """A Poisson stream of contacts. Talk, after-call work and patience are exponential, with these means in seconds."""

    queue_id: str
    per_s: float | tuple[tuple[float, float], ...]
    """Contacts per second: a number, or pairs of a second and the rate from then on."""
    talk_s: float
    acw_s: float = 0.0
    patience_s: float = math.inf
    media: str = "voice"
    skills: tuple[str, ...] = ()

    def contacts(self, *, seed: int, until_s: float) -> list[Contact]:
        """Return the contacts that arrive before `until_s`. Equal seeds give equal contacts, whoever answers them."""
        names = ("arrivals", "thinning", "talk", "acw", "patience")
        arrivals, thinning, talk, acw, patience = (
            Random(f"{seed}/{self.queue_id}/{self.media}/{name}")  # noqa: S311
            for name in names
        )
        rates = ((0.0, self.per_s),) if isinstance(self.per_s, float | int) else self.per_s
        highest = max(rate for _, rate in rates)
        contacts: list[Contact] = []
        at = 0.0
        while highest and (at := at + arrivals.expovariate(highest)) < until_s:
            rate = next((rate for since, rate in reversed(rates) if since <= at), 0.0)
            if thinning.random() * highest >= rate:
                continue
            contacts.append(
                Contact(
                    f"{self.queue_id}-{self.media}-{len(contacts):06}",
                    self.queue_id,
                    at,
                    talk.expovariate(1 / self.talk_s),
                    acw.expovariate(1 / self.acw_s) if self.acw_s else 0.0,
                    patience.expovariate(1 / self.patience_s) if self.patience_s < math.inf else math.inf,
                    self.media,
                    self.skills,
                )
            )
        return contacts


@dataclass(slots=True, eq=False)
class Conversation:
    """What became of a contact. It is answered, or abandoned, or it still waits."""

    contact: Contact
    preferred: Mapping[str, int]
    """Score by user, as the draw answered."""
    opens: list[tuple[float, int]]
    """Of each rule that applies: the second at which it opens, and the lowest score that it lets in."""
    anyone_s: float
    """The second from which the whole queue is reached."""
    answered_s: float | None = None
    user_id: str | None = None
    abandoned_s: float | None = None
    unanswered_by: list[str] = field(default_factory=list)
    """The agents at whom it rang in vain."""

    @property
    def waits(self) -> bool:
        return self.answered_s is None and self.abandoned_s is None

    @property
    def wait_s(self) -> float | None:
        """None while it waits."""
        end_s = self.answered_s if self.abandoned_s is None else self.abandoned_s
        return None if end_s is None else end_s - self.contact.arrives_s

    @property
    def handle_s(self) -> float:
        return self.contact.talk_s + self.contact.acw_s


@dataclass(slots=True, eq=False)
class _Desk:
    """An agent's state."""

    agent: Agent
    rings: dict[str, int]
    idle_since: float
    on_queue: bool = True
    silent: bool = False
    """Does not respond to what rings."""
    blocked: bool = False
    """Did not respond, and gets nothing until the agent responds again."""
    busy: Conversation | None = None
    """What the agent handles, or what rings there."""

    @property
    def idle(self) -> bool:
        return self.on_queue and not self.blocked and self.busy is None


class Floor:
    """Queues and agents over time. The order of the agents is that of their first idle time."""

    def __init__(
        self, queues: Iterable[Queue], agents: Sequence[Agent], *, draw: Draw | None = None, ranked: bool = False
    ) -> None:
        self.now = 0.0
        self.conversations: list[Conversation] = []
        self.draw = draw
        """None: no contact has preferred agents."""
        self._ranked = ranked
        self._queues = {queue.queue_id: queue for queue in queues}
        self._desks = {
            agent.user_id: _Desk(agent, dict(agent.rings), number - len(agents)) for number, agent in enumerate(agents)
        }
        if len(self._desks) < len(agents):
            raise ValueError("an agent is named twice")
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._planned = 0
        self._waiting: list[Conversation] = []
        """In the order of arrival."""
        self._idle: list[_Desk] = list(self._desks.values())
        """The longest idle first."""
        self._facts: dict[tuple[str, str, int, str | None], Counter[str]] = {}
        """By queue, medium, quarter of an hour and user: figures of `GenesysSimulator.put_analytics`."""

    # ---- what happens on a day ---------------------------------------------------------------------------------------

    def receive(self, contacts: Iterable[Contact]) -> None:
        for contact in contacts:
            if contact.queue_id not in self._queues:
                raise ValueError(f"there is no queue {contact.queue_id}")
            self.at(contact.arrives_s, partial(self._arrive, contact))

    def at(self, second: float, action: Callable[[], object]) -> None:
        """Call `action` at a second of the clock. What is planned for the same second happens in this order."""
        if second < self.now:
            raise ValueError(f"{second:g} s is in the past: it is {self.now:g} s")
        self._planned += 1
        heappush(self._events, (second, self._planned, action))

    def every(self, seconds: float, action: Callable[[], object]) -> None:
        """Call `action` again and again, the first time after `seconds`."""

        def again() -> None:
            action()
            self.at(self.now + seconds, again)

        self.at(self.now + seconds, again)

    def away(self, user_id: str, from_s: float, to_s: float) -> None:
        """An agent goes off queue, after the current contact, and returns."""
        desk = self._desks[user_id]
        self.at(from_s, lambda: self._change(desk, on_queue=False))
        self.at(to_s, lambda: self._change(desk, on_queue=True))

    def silent(self, user_id: str, from_s: float, to_s: float) -> None:
        """An agent does not respond. The first contact that rings in vain makes the agent NOT_RESPONDING."""
        desk = self._desks[user_id]
        self.at(from_s, lambda: self._change(desk, silent=True))
        self.at(to_s, lambda: self._change(desk, silent=False, blocked=False))

    def leave(self, user_id: str, queue_id: str, at_s: float) -> None:
        """An agent leaves a queue, and finishes the current contact."""
        self.at(at_s, lambda: self._desks[user_id].rings.pop(queue_id, None))

    def join(self, user_id: str, queue_id: str, at_s: float, ring: int = 1) -> None:
        def enter() -> None:
            self._desks[user_id].rings[queue_id] = ring
            self._match()

        self.at(at_s, enter)

    def configure(self, queue: Queue) -> None:
        """Replace a queue's settings. The contacts that wait keep the rules with which they arrived (our choice)."""
        self._queues[queue.queue_id] = queue

    def run(self, until_s: float) -> None:
        """Move the clock to `until_s`, and let everything happen that happens until then, including that second."""
        while self._events and self._events[0][0] <= until_s:
            self.now, _, action = heappop(self._events)
            action()
        self.now = max(self.now, until_s)

    # ---- what Genesys shows ------------------------------------------------------------------------------------------

    def status(self, user_id: str) -> Status:
        desk = self._desks[user_id]
        if desk.busy is not None and desk.busy.user_id == user_id:
            return "INTERACTING"
        if not desk.on_queue:
            return "OFF_QUEUE"
        return "NOT_RESPONDING" if desk.blocked else "IDLE"

    def members(self, queue_id: str) -> list[str]:
        return [user_id for user_id, desk in self._desks.items() if queue_id in desk.rings]

    def load(self, queue_id: str) -> dict[str, int]:
        """The contacts of a queue that are waiting and interacting now, as observations count them."""
        waiting = sum(conversation.contact.queue_id == queue_id for conversation in self._waiting)
        handled = [desk.busy for desk in self._desks.values() if desk.busy is not None and not desk.busy.waits]
        return {"waiting": waiting, "interacting": sum(item.contact.queue_id == queue_id for item in handled)}

    def analytics(self, day: datetime, *, from_s: float = 0.0) -> Document:
        """Return what happened until now, as `GenesysSimulator.put_analytics` takes it. Second 0 is `day`.

        Quarters of an hour that begin before `from_s` are left out.

        What happens counts in the quarter of an hour in which it happens: offered at the arrival, waited at the end of
        the wait, handled at the end of the after-call work. Figures of answers and of handling name the user.
        """
        contacts = []
        for (queue_id, media, number, user_id), figures in self._facts.items():
            if number * INTERVAL_S >= from_s:
                start = (day + timedelta(seconds=number * INTERVAL_S)).isoformat()
                fact = {"queueId": queue_id, "mediaType": media, "start": start, **figures}
                contacts.append(fact if user_id is None else fact | {"userId": user_id})
        return {"load": {queue_id: self.load(queue_id) for queue_id in self._queues}, "contacts": contacts}

    # ---- the events --------------------------------------------------------------------------------------------------

    def _arrive(self, contact: Contact) -> None:
        queue, now = self._queues[contact.queue_id], self.now
        agents, scores = (
            self.draw(contact.conversation_id, contact.queue_id, contact.media, now) if self.draw else ((), ())
        )
        preferred = dict(zip(agents, scores, strict=True))
        rules = queue.rules if preferred else ()
        ends = list(accumulate((rule.get("waitSeconds", _DEFAULT_WAIT_S) for rule in rules), initial=now))
        opens = [
            (second, rule["threshold"] if rule["operator"] == "MEETS_THRESHOLD" else 0)
            for second, rule in zip(ends, rules, strict=False)
        ]
        conversation = Conversation(contact, preferred, opens, ends[-1])
        self.conversations.append(conversation)
        self._count(conversation, offered=1)
        self._waiting.append(conversation)
        self._match()
        if conversation.waits:
            if contact.patience_s < math.inf:
                self.at(now + contact.patience_s, lambda: self._abandon(conversation))
            rings = accumulate(queue.ring_timeouts_s[:-1], initial=ends[-1])
            self._await(conversation, sorted({*ends, *rings} - {now}))

    def _count(self, conversation: Conversation, **figures: float) -> None:
        contact = conversation.contact
        key = (contact.queue_id, contact.media, int(self.now // INTERVAL_S), conversation.user_id)
        self._facts.setdefault(key, Counter()).update(figures)

    def _await(self, conversation: Conversation, seconds: Sequence[float]) -> None:
        """Look for an agent again at each of these seconds, as long as the contact waits."""

        def look() -> None:
            if conversation.waits:
                self._match()
                self._await(conversation, seconds[1:])

        if seconds:
            self.at(seconds[0], look)

    def _abandon(self, conversation: Conversation) -> None:
        if not conversation.waits:
            return
        conversation.abandoned_s = self.now
        wait_s = self.now - conversation.contact.arrives_s
        self._count(conversation, abandoned=1, abandon_s=wait_s, waited=1, wait_s=wait_s, counted=1)
        if conversation in self._waiting:
            self._waiting.remove(conversation)
        for desk in self._desks.values():  # it may ring at an agent
            if desk.busy is conversation:
                self._release(desk)

    def _change(self, desk: _Desk, **changes: bool) -> None:
        for name, value in changes.items():
            setattr(desk, name, value)
        self._rank()
        self._match()

    def _rank(self) -> None:
        self._idle = sorted((desk for desk in self._desks.values() if desk.idle), key=lambda desk: desk.idle_since)

    def _match(self) -> None:
        """Give every waiting contact, the longest waiting first, the agent that it can reach."""
        for conversation in list(self._waiting):
            if not self._idle:
                return
            if (desk := self._choice(conversation)) is not None:
                self._waiting.remove(conversation)
                self._idle.remove(desk)
                desk.busy = conversation
                self._ring(desk, conversation)

    def _ring(self, desk: _Desk, conversation: Conversation) -> None:
        queue = self._queues[conversation.contact.queue_id]
        if desk.silent:
            self.at(self.now + queue.alerting_s, lambda: self._give_up(desk, conversation))
        elif queue.rings_s:
            self.at(self.now + queue.rings_s, lambda: self._answer(desk, conversation, queue))
        else:
            self._answer(desk, conversation, queue)

    def _answer(self, desk: _Desk, conversation: Conversation, queue: Queue) -> None:
        if desk.busy is not conversation:
            return  # it has hung up
        conversation.answered_s, conversation.user_id = self.now, desk.agent.user_id
        wait_s = self.now - conversation.contact.arrives_s
        in_time = int(wait_s <= queue.within_s)
        self._count(conversation, answered=1, answer_s=wait_s, waited=1, wait_s=wait_s, counted=1, in_time=in_time)
        self.at(self.now + conversation.handle_s, lambda: self._finish(desk, conversation))

    def _give_up(self, desk: _Desk, conversation: Conversation) -> None:
        if desk.busy is not conversation:
            return
        conversation.unanswered_by.append(desk.agent.user_id)
        desk.busy, desk.blocked = None, desk.silent
        self._waiting.append(conversation)
        self._waiting.sort(key=lambda item: item.contact.arrives_s)
        self._rank()
        self._match()

    def _finish(self, desk: _Desk, conversation: Conversation) -> None:
        self._count(conversation, handled=1, handle_s=conversation.handle_s)
        desk.idle_since = self.now
        self._release(desk)

    def _release(self, desk: _Desk) -> None:
        desk.busy = None
        self._rank()
        self._match()

    # ---- who takes a contact -----------------------------------------------------------------------------------------

    def _choice(self, conversation: Conversation) -> _Desk | None:
        contact = conversation.contact
        members = [desk for desk in self._idle if contact.queue_id in desk.rings]
        lowest = min((score for second, score in conversation.opens if second <= self.now), default=None)
        if lowest is not None:
            scores = [(conversation.preferred.get(desk.agent.user_id, -1), desk) for desk in members]
            reached = [(score, desk) for score, desk in scores if score >= lowest]
            if reached:
                return max(reached, key=lambda item: item[0])[1] if self._ranked else reached[0][1]
        if conversation.anyone_s > self.now:
            return None
        queue = self._queues[contact.queue_id]
        opens = list(accumulate(queue.ring_timeouts_s[:-1], initial=conversation.anyone_s))
        if queue.ring_timeouts_s:
            members = [desk for desk in members if opens[desk.rings[queue.queue_id] - 1] <= self.now]
        return _by_method(queue, contact, members)


def _by_method(queue: Queue, contact: Contact, desks: Sequence[_Desk]) -> _Desk | None:
    """Choose among idle agents, of whom the longest idle comes first."""
    if queue.evaluation == "NONE":
        return next(iter(desks), None)
    looked_at = desks[:LONGEST_IDLE] if queue.evaluation == "BEST" else desks
    able = [desk for desk in looked_at if all(skill in desk.agent.skills for skill in contact.skills)]
    if queue.evaluation == "ALL" or not able or not contact.skills:
        return next(iter(able), None)
    return max(able, key=lambda desk: sum(desk.agent.skills[skill] for skill in contact.skills))  # the first of equals


# ---- the figures of a day --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one queue. offered = answered + abandoned + waiting."""

    offered: int
    answered: int
    abandoned: int
    waiting: int
    in_time: int
    waited_s: float
    """Of everything answered or abandoned."""
    contacts: Mapping[str, int]
    """Answered contacts by user."""

    @property
    def service_level(self) -> float:
        """Answered in time / offered."""
        return self.in_time / self.offered

    @property
    def shares(self) -> dict[str, float]:
        """By user who answered any contact: the part of the answered contacts."""
        return {user_id: count / self.answered for user_id, count in self.contacts.items()}


def figures(floor: Floor, queue: Queue, *, from_s: float = 0.0, to_s: float = math.inf) -> Figures:
    """Count the contacts of a queue that arrived from `from_s` on and before `to_s`."""
    own = [
        item
        for item in floor.conversations
        if item.contact.queue_id == queue.queue_id and from_s <= item.contact.arrives_s < to_s
    ]
    answered = [item for item in own if item.answered_s is not None]
    return Figures(
        offered=len(own),
        answered=len(answered),
        abandoned=sum(item.abandoned_s is not None for item in own),
        waiting=sum(item.waits for item in own),
        in_time=sum((item.wait_s or 0.0) <= queue.within_s for item in answered),
        waited_s=math.fsum(item.wait_s or 0.0 for item in own),
        contacts=Counter(item.user_id for item in answered if item.user_id is not None),
    )


# ---- from the simulator's state --------------------------------------------------------------------------------------


def queue_of(document: Document) -> Queue:
    """Read a queue as `GenesysSimulator.state` shows it."""
    rings = document.get("bullseye", {}).get("rings", [])
    return Queue(
        document["id"],
        document["skillEvaluationMethod"],
        tuple(document["routingRules"]),
        tuple(float(ring["expansionCriteria"][0]["threshold"]) for ring in rings),
    )


def agents_of(members: Iterable[Document], queue_id: str) -> list[Agent]:
    """Read the joined members of a queue as `GenesysSimulator.state` shows them."""
    return [
        Agent(
            member["user"]["id"],
            {queue_id: member["ringNumber"]},
            {skill["id"]: skill["proficiency"] for skill in member["skills"]},
        )
        for member in members
        if member["joined"]
    ]
