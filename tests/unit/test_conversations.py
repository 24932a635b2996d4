"""The simulator's conversations: closed forms, the published rules one by one, and what holds on every small day."""

import ast
import json
import math
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.genesys import Settings, conversations
from local.genesys.conversations import Agent, Contact, Floor, Queue, Stream, agents_of, figures, queue_of
from local.genesys.platform_analytics import AGGREGATES, OBSERVATIONS, query_aggregates, query_observations
from local.genesys.platform_organisation import PlatformOrganisation
from local.genesys.tokens import Clock
from local.genesys.wire import Request

DAY = 86_400.0
MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
QUEUE = Queue("q")


def rule(threshold, wait_s):
    return {"operator": "MEETS_THRESHOLD", "threshold": threshold, "waitSeconds": wait_s}


def any_preferred(wait_s):
    return {"operator": "ANY", "waitSeconds": wait_s}


def agents(*names, **skills):
    """Agents of queue `q`, in ring 1. `skills`: by agent, the proficiency in skill `s`."""
    return [Agent(name, {"q": 1}, {"s": skills[name]} if name in skills else {}) for name in names]


def contact(name, at_s, *, talk_s=100.0, **fields):
    return Contact(name, "q", at_s, talk_s, **fields)


def answers(floor, until_s=DAY):
    """Run, and return by conversation who answered it and when."""
    floor.run(until_s)
    return {item.contact.conversation_id: (item.user_id, item.answered_s) for item in floor.conversations}


def floor_of(queue, people, *contacts, scores=None, **fields):
    """`scores`: by conversation, the score of each preferred agent."""

    def draw(conversation_id, *_):
        preferred = (scores or {}).get(conversation_id, {})
        return tuple(preferred), tuple(preferred.values())

    floor = Floor([queue], people, draw=draw, **fields)
    floor.receive(contacts)
    return floor


# ---- an oracle -------------------------------------------------------------------------------------------------------


def test_the_simulator_imports_nothing_of_the_layer():
    for path in Path(conversations.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.split(".")[0] == "routing_weights"], path


# ---- closed forms ----------------------------------------------------------------------------------------------------


def days(queue, people, *, erlangs, talk_s, number=12, patience_s=math.inf, draw=None, seed=1):
    """Return the figures of each of some days, after an hour, with equal agents or the given ones."""
    outcomes = []
    for day in range(number):
        floor = Floor([queue], people, draw=draw)
        stream = Stream("q", erlangs / talk_s, talk_s, patience_s=patience_s)
        floor.receive(stream.contacts(seed=100 * seed + day, until_s=DAY / 4))
        floor.run(DAY)
        waits = [item.wait_s for item in floor.conversations if item.contact.arrives_s >= 3600]
        outcomes.append((figures(floor, queue, from_s=3600), sum(wait > 0 for wait in waits) / len(waits)))
    return outcomes


def assert_mean(values, expected):
    """The mean of independent days is the expected value within 4 standard errors."""
    mean = math.fsum(values) / len(values)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    assert mean == pytest.approx(expected, abs=4 * error + 1e-12)


@pytest.mark.parametrize(
    ("erlangs", "people", "patience_s", "waiting", "abandoned", "service_level", "wait_s"),
    [
        (10.0, 14, math.inf, 0.174132, 0.0, 0.888350, 7.836),
        (10.0, 11, 120.0, 0.382816, 0.094155, 0.742209, 11.299),
        (10.0, 9, 120.0, 0.613307, 0.192156, 0.524066, 23.059),
    ],
)
def test_equal_agents_are_erlang_c_or_a(erlangs, people, patience_s, waiting, abandoned, service_level, wait_s):
    crew = agents(*map(str, range(people)))
    outcomes = days(QUEUE, crew, erlangs=erlangs, talk_s=180.0, patience_s=patience_s)
    assert_mean([probability for _, probability in outcomes], waiting)
    assert_mean([day.abandoned / day.offered for day, _ in outcomes], abandoned)
    assert_mean([day.service_level for day, _ in outcomes], service_level)
    assert_mean([day.waited_s / day.offered for day, _ in outcomes], wait_s)


def test_best_without_waiting_is_ordered_hunting():
    """Whoever is i-th in an ordered loss system carries A (B(i-1) - B(i)) of A erlangs, with B of Erlang."""
    load, blocked = 3.0, [1.0]
    for number in range(1, 5):
        blocked.append(load * blocked[-1] / (number + load * blocked[-1]))
    queue = Queue("q", "BEST")
    crew = agents("d", "b", "c", "a", a=5.0, b=4.0, c=3.0, d=2.0)
    by_day = []
    for day in range(12):
        floor = Floor([queue], crew)
        stream = Stream("q", load / 60, 60.0, patience_s=1e-6, skills=("s",))
        floor.receive(stream.contacts(seed=day, until_s=DAY / 4))
        floor.run(DAY)
        by_day.append(figures(floor, queue))
    for user_id, before, after in zip("abcd", blocked, blocked[1:], strict=False):
        assert_mean([day.contacts[user_id] / day.offered for day in by_day], before - after)


def test_a_contact_that_waits_for_its_agent_alone_meets_a_queue_of_one_server():
    """Drawn at random, the contacts of each agent are a queue M/M/1: they wait rho AHT / (1 - rho)."""
    loads = {"a": 0.6, "b": 0.3}

    def draw(conversation_id, *_):
        return ("a" if Random(conversation_id).random() < 2 / 3 else "b",), (100,)

    queue = Queue("q", rules=(rule(100, DAY),))
    by_day = []
    for day in range(12):
        floor = Floor([queue], agents("a", "b"), draw=draw)
        floor.receive(Stream("q", 0.9 / 20, 20.0).contacts(seed=day, until_s=DAY / 2))
        floor.run(DAY)
        by_day.append(floor.conversations)
    for user_id, load in loads.items():
        waits = [[item.wait_s for item in day if item.user_id == user_id] for day in by_day]
        assert_mean([math.fsum(day) / len(day) for day in waits], load * 20 / (1 - load))


def test_the_rate_of_arrivals_changes_over_the_day():
    stream = Stream("q", ((0.0, 0.1), (DAY / 2, 0.4), (DAY * 3 / 4, 0.0)), 60.0)
    counts = Counter(int(item.arrives_s // (DAY / 4)) for item in stream.contacts(seed=1, until_s=DAY))
    assert counts == {0: pytest.approx(2160, abs=140), 1: pytest.approx(2160, abs=140), 2: pytest.approx(8640, abs=280)}


def test_equal_seeds_give_equal_contacts_whatever_their_patience_and_number():
    stream, impatient = Stream("q", 0.1, 60.0, acw_s=5.0), Stream("q", 0.1, 60.0, acw_s=5.0, patience_s=9.0)
    first, longer = stream.contacts(seed=1, until_s=900), stream.contacts(seed=1, until_s=1800)
    assert longer[: len(first)] == first
    assert [(item.arrives_s, item.talk_s) for item in impatient.contacts(seed=1, until_s=900)] == [
        (item.arrives_s, item.talk_s) for item in first
    ]
    assert stream.contacts(seed=2, until_s=900) != first


# ---- the published rules ---------------------------------------------------------------------------------------------


def test_the_agent_who_has_gone_longest_since_the_last_contact_is_chosen():
    calls = [contact("1", 0, talk_s=10), contact("2", 1, talk_s=1), contact("3", 20), contact("4", 21)]
    assert answers(floor_of(QUEUE, agents("a", "b"), *calls)) == {
        "1": ("a", 0), "2": ("b", 1), "3": ("b", 20), "4": ("a", 21),
    }  # fmt: skip


def test_returning_to_the_queue_does_not_change_who_is_longest_idle():
    floor = floor_of(QUEUE, agents("a", "b"), contact("1", 50), contact("2", 60))
    floor.away("a", 10, 40)
    assert answers(floor) == {"1": ("a", 50), "2": ("b", 60)}


def test_an_agent_who_goes_away_finishes_the_contact_and_gets_no_other():
    floor = floor_of(QUEUE, agents("a"), contact("1", 0), contact("2", 20))
    floor.away("a", 10, 200)
    assert answers(floor) == {"1": ("a", 0), "2": ("a", 200)}


def test_after_call_work_keeps_an_agent_busy():
    floor = floor_of(QUEUE, agents("a"), contact("1", 0, acw_s=30), contact("2", 20))
    statuses = []
    for second in (110, 131):
        floor.at(second, lambda: statuses.append(floor.status("a")))
    assert answers(floor)["2"] == ("a", 130)
    assert statuses == ["INTERACTING", "INTERACTING"]


def test_who_left_a_queue_gets_no_contact_there_and_who_joined_does():
    floor = floor_of(QUEUE, [*agents("a"), Agent("b", {})], contact("1", 20), contact("2", 40, patience_s=5))
    floor.leave("a", "q", 10)
    floor.join("b", "q", 30)
    assert answers(floor) == {"1": ("b", 30), "2": (None, None)}


def test_a_contact_that_rings_in_vain_keeps_its_place():
    floor = floor_of(QUEUE, agents("a", "b"), contact("1", 1), contact("2", 2), contact("3", 3))
    floor.silent("a", 0, 500)
    floor.run(50)
    assert floor.status("a") == "NOT_RESPONDING"
    assert answers(floor) == {"1": ("b", 102), "2": ("b", 2), "3": ("b", 202)}
    assert floor.conversations[0].unanswered_by == ["a"]


def test_an_agent_is_shown_as_idle_and_gets_no_other_contact_while_one_rings():
    queue = Queue("q", rings_s=8.0)
    floor = floor_of(queue, agents("a", "b"), contact("1", 0), contact("2", 1), contact("3", 2, patience_s=5))
    statuses = []
    for second in (7.5, 8.5):
        floor.at(second, lambda: statuses.append((floor.status("a"), floor.load("q"))))
    assert answers(floor) == {"1": ("a", 8), "2": ("b", 9), "3": (None, None)}
    assert statuses == [("IDLE", {"waiting": 0, "interacting": 0}), ("INTERACTING", {"waiting": 0, "interacting": 1})]


def test_a_contact_that_hangs_up_while_it_rings_frees_the_agent():
    floor = floor_of(QUEUE, agents("a"), contact("1", 1, patience_s=5), contact("2", 20))
    floor.silent("a", 0, 10)
    assert answers(floor) == {"1": (None, None), "2": ("a", 20)}


def test_an_agent_takes_the_contact_that_has_waited_longest_over_all_queues():
    people = [Agent("a", {"q": 1, "other": 1})]
    floor = Floor([QUEUE, Queue("other")], people)
    floor.receive([contact("1", 0), Contact("2", "other", 10, 50.0), contact("3", 5)])
    assert answers(floor) == {"1": ("a", 0), "3": ("a", 100), "2": ("a", 200)}


@pytest.mark.parametrize(("evaluation", "chosen"), [("NONE", "a"), ("ALL", "b"), ("BEST", "c")])
def test_the_evaluation_method_decides_what_skills_mean(evaluation, chosen):
    people = agents("a", "b", "c", "d", b=3.0, c=4.0, d=4.0)
    call = contact("1", 0, skills=("s",))
    assert answers(floor_of(Queue("q", evaluation), people, call)) == {"1": (chosen, 0)}


def test_best_takes_the_highest_average_of_the_requested_skills_only():
    people = [Agent("a", {"q": 1}, {"s": 5, "t": 1}), Agent("b", {"q": 1}, {"s": 3, "t": 4, "u": 0})]
    people.append(Agent("c", {"q": 1}, {"s": 5, "u": 5}))
    assert answers(floor_of(Queue("q", "BEST"), people, contact("1", 0, skills=("s", "t")))) == {"1": ("b", 0)}


@pytest.mark.parametrize(("others", "chosen"), [(99, "best"), (100, "0")])
def test_best_looks_at_the_hundred_longest_idle_agents_only(others, chosen):
    people = [Agent(str(number), {"q": 1}, {"s": 1.0}) for number in range(others)] + agents("best", best=5.0)
    assert answers(floor_of(Queue("q", "BEST"), people, contact("1", 0, skills=("s",)))) == {"1": (chosen, 0)}


def test_rings_open_one_after_the_other_and_stay_open():
    queue = Queue("q", ring_timeouts_s=(10.0, 20.0, 5.0))
    people = [Agent("third", {"q": 3}), Agent("second", {"q": 2}), Agent("first", {"q": 1})]
    calls = [contact("1", 0, talk_s=15), contact("2", 1), contact("3", 2), contact("4", 3)]
    assert answers(floor_of(queue, people, *calls)) == {
        "1": ("first", 0),
        "2": ("second", 11),
        "3": ("first", 15),
        "4": ("third", 33),
    }


PREFERRED = {"1": {"a": 100, "b": 80, "c": 20, "stranger": 100}}


@pytest.mark.parametrize(
    ("busy", "answered"),
    [("", ("a", 1)), ("a", ("b", 11)), ("ab", ("c", 16)), ("abc", ("d", 21))],
)
def test_the_routing_rules_open_the_preferred_agents_and_then_the_queue(busy, answered):
    queue = Queue("q", "ALL", (rule(100, 10), rule(80, 5), any_preferred(5)))
    people = agents(*"dcba", d=1.0)
    calls = [contact(f"busy-{name}", 0, talk_s=500) for name in busy]
    scores = PREFERRED | {f"busy-{name}": {name: 100} for name in busy}
    floor = floor_of(queue, people, *calls, contact("1", 1, skills=("s",)), scores=scores)
    assert answers(floor)["1"] == answered, "preferred agents without the skill are taken, others are not"


def test_a_contact_reaches_its_agent_when_the_agent_becomes_free_within_the_hold():
    queue = Queue("q", rules=(rule(100, 10),))
    scores = {"0": {"a": 100}, "1": {"a": 100}, "2": {"a": 100}}
    calls = [contact("0", 0, talk_s=8), contact("1", 1, talk_s=5), contact("2", 2)]
    assert answers(floor_of(queue, agents("b", "a"), *calls, scores=scores)) == {
        "0": ("a", 0), "1": ("a", 8), "2": ("b", 12),
    }  # fmt: skip


def test_without_preferred_agents_or_rules_the_whole_queue_is_reached_at_once():
    held = Queue("q", rules=(rule(100, 10),))
    assert answers(floor_of(held, agents("a"), contact("1", 5))) == {"1": ("a", 5)}
    assert answers(floor_of(QUEUE, agents("b", "a"), contact("1", 5), scores={"1": {"a": 100}})) == {"1": ("b", 5)}


def test_after_the_rules_the_rings_open_from_ring_1_on():
    queue = Queue("q", rules=(rule(100, 10),), ring_timeouts_s=(7.0, 7.0))
    people = [Agent("far", {"q": 2})]
    assert answers(floor_of(queue, people, contact("1", 5), scores={"1": {"absent": 100}})) == {"1": ("far", 22)}


@pytest.mark.parametrize(("ranked", "chosen"), [(False, "a"), (True, "b")])
def test_scores_rank_within_an_open_pool_by_one_of_two_readings(ranked, chosen):
    queue = Queue("q", rules=(rule(50, 10),))
    floor = floor_of(queue, agents("a", "b"), contact("1", 0), scores={"1": {"a": 60, "b": 70}}, ranked=ranked)
    assert answers(floor) == {"1": (chosen, 0)}


def test_a_draw_is_asked_once_for_each_contact_with_its_time():
    asked = []
    floor = Floor([QUEUE], agents("a"), draw=lambda *question: asked.append(question) or ((), ()))
    floor.receive([contact("1", 3), contact("2", 4, media="chat")])
    floor.run(5)
    assert asked == [("1", "q", "voice", 3), ("2", "q", "chat", 4)]


def test_a_repeated_action_runs_until_the_end_and_the_past_is_closed():
    floor, seen = Floor([QUEUE], []), []
    floor.every(300, lambda: seen.append(floor.now))
    floor.run(900)
    assert seen == [300, 600, 900]
    with pytest.raises(ValueError, match="in the past"):
        floor.at(899, lambda: None)
    with pytest.raises(ValueError, match="no queue other"):
        floor.receive([Contact("1", "other", 1000, 1)])
    with pytest.raises(ValueError, match="named twice"):
        Floor([QUEUE], agents("a", "a"))


# ---- what holds on every small day -----------------------------------------------------------------------------------

NAMES = "abcd"
SECONDS = st.integers(0, 60)
RULES = st.lists(
    st.builds(rule, st.sampled_from([100, 80, 20]), st.integers(2, 9)) | st.builds(any_preferred, st.integers(2, 9)),
    max_size=3,
)
QUEUES = st.builds(
    Queue,
    st.just("q"),
    st.sampled_from(["ALL", "BEST", "NONE"]),
    st.builds(tuple, RULES),
    st.sampled_from([(), (4.0, 8.0), (0.0, 3.0)]),
    rings_s=st.sampled_from([0.0, 0.0, 2.0]),
    alerting_s=st.just(3.0),
)
PEOPLE = st.tuples(
    *(
        st.builds(Agent, st.just(name), st.fixed_dictionaries({"q": st.just(1) if name in "ab" else st.integers(1, 2)}),
                  st.dictionaries(st.just("s"), st.integers(0, 5)))
        for name in NAMES
    )
)  # fmt: skip
CONTACTS = st.lists(
    st.tuples(
        SECONDS, st.integers(1, 30), st.integers(0, 5), st.sampled_from([math.inf, 7.0, 20.0]),
        st.sampled_from([(), ("s",)]), st.dictionaries(st.sampled_from(NAMES), st.sampled_from([100, 80, 20])),
    ),
    max_size=12,
)  # fmt: skip
ABSENCES = st.lists(
    st.tuples(st.sampled_from(["away", "silent"]), st.sampled_from(NAMES), SECONDS, SECONDS), max_size=3
)


def reaches(queue, item, agent, now):
    """True where a waiting contact reaches an idle member, by the words of the help articles."""
    wait_s = now - item.contact.arrives_s
    score = item.preferred.get(agent.user_id)
    if item.preferred:
        for number, given_rule in enumerate(queue.rules):
            opened = wait_s >= sum(earlier["waitSeconds"] for earlier in queue.rules[:number])
            if opened and score is not None and (given_rule["operator"] == "ANY" or score >= given_rule["threshold"]):
                return True
        wait_s -= sum(given_rule["waitSeconds"] for given_rule in queue.rules)
    able = queue.evaluation == "NONE" or set(item.contact.skills) <= agent.skills.keys()
    return able and wait_s >= sum(queue.ring_timeouts_s[: agent.rings["q"] - 1])


@settings(deadline=None, max_examples=150)
@given(QUEUES, PEOPLE, CONTACTS, ABSENCES)
def test_no_contact_waits_for_an_agent_whom_it_reaches_and_the_figures_add_up(queue, people, calls, absences):
    if not queue.ring_timeouts_s:
        people = [Agent(agent.user_id, {"q": 1}, agent.skills) for agent in people]
    contacts = [
        contact(
            f"{number}", float(at_s), talk_s=float(talk_s), acw_s=float(acw_s), patience_s=patience_s, skills=skills
        )
        for number, (at_s, talk_s, acw_s, patience_s, skills, _) in enumerate(calls)
    ]
    scores = {f"{number}": call[-1] for number, call in enumerate(calls)}
    floor = floor_of(queue, people, *contacts, scores=scores)
    for kind, user_id, first, second in absences:
        getattr(floor, kind)(user_id, min(first, second), max(first, second) + 1)

    for second in range(401):  # every length is a whole number of seconds
        floor.run(second)
        load, day = floor.load("q"), figures(floor, queue)
        assert day.offered == day.answered + day.abandoned + day.waiting
        if load["waiting"] < day.waiting:
            continue  # a contact rings at an agent who looks idle
        idle = [agent for agent in people if floor.status(agent.user_id) == "IDLE"]
        for item in floor.conversations:
            assert not item.waits or not [agent for agent in idle if reaches(queue, item, agent, second)]

    spans = defaultdict(list)
    for item in floor.conversations:
        if item.answered_s is not None:
            (agent,) = (agent for agent in people if agent.user_id == item.user_id)
            assert reaches(queue, item, agent, item.answered_s - queue.rings_s)
            assert item.wait_s <= item.contact.patience_s
            spans[item.user_id].append((item.answered_s, item.answered_s + item.handle_s))
        elif item.abandoned_s is not None:
            assert item.wait_s == item.contact.patience_s
    for own in spans.values():
        assert all(end <= start for (_, end), (start, _) in pairwise(sorted(own)))
    assert_facts_add_up(floor, figures(floor, queue))


def assert_facts_add_up(floor, day):
    facts = floor.analytics(MONDAY)["contacts"]
    total = Counter()
    for fact in facts:
        total.update({name: value for name, value in fact.items() if isinstance(value, int | float)})
    finished = [item for item in floor.conversations if item.answered_s is not None]
    finished = [item for item in finished if item.answered_s + item.handle_s <= floor.now]
    assert [total[name] for name in ("offered", "answered", "abandoned", "handled", "in_time")] == [
        day.offered, day.answered, day.abandoned, len(finished), day.in_time,
    ]  # fmt: skip
    assert total["waited"] == total["counted"] == day.answered + day.abandoned
    assert total["wait_s"] == pytest.approx(day.waited_s)
    assert total["answer_s"] + total["abandon_s"] == pytest.approx(day.waited_s)
    assert total["handle_s"] == pytest.approx(math.fsum(item.handle_s for item in finished))
    by_user = Counter()
    for fact in facts:
        by_user.update({fact["userId"]: fact["answered"]} if "answered" in fact else {})
    assert by_user == day.contacts


# ---- what the simulator's API answers --------------------------------------------------------------------------------


def organisation_of(**spec):
    """A simulated organisation with queue `q`, without a server."""
    organisation = PlatformOrganisation(Settings(), Clock(lambda: 0.0, 0.0))
    organisation.put_queue("q", spec)
    return organisation


def test_a_floor_has_the_queue_and_the_joined_members_of_the_simulators_state():
    rings = [{"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": seconds}]} for seconds in (10, 20.5)]
    members = [
        {"user": {"id": "a"}, "ringNumber": 2, "skills": [{"id": "s", "proficiency": 4.5}]},
        {"user": {"id": "b"}, "joined": False},
    ]
    rules = [rule(100, 10.0)]
    fields = {"bullseye": {"rings": rings}, "routingRules": rules, "skillEvaluationMethod": "BEST"}
    state = organisation_of(members=members, queue=fields).state_of("q")
    assert queue_of(state["queue"]) == Queue("q", "BEST", (rule(100, 10.0),), (10.0, 20.5))
    assert agents_of(state["members"], "q") == [Agent("a", {"q": 2}, {"s": 4.5})]


def test_the_simulators_analytics_answer_what_happened_on_the_floor():
    stream = Stream("q", 0.02, 80.0, acw_s=9.0, patience_s=60.0)
    floor = floor_of(QUEUE, agents("a", "b"), *stream.contacts(seed=1, until_s=DAY))
    floor.run(DAY / 2)
    organisation = organisation_of(members=[{"user": {"id": "a"}}, {"user": {"id": "b"}}])
    organisation.put_analytics(floor.analytics(MONDAY))
    day, load = figures(floor, QUEUE), floor.load("q")

    def results(answer, path, **fields):
        wanted = {"type": "or", "predicates": [{"type": "dimension", "dimension": "queueId", "value": "q"}]}
        body = json.dumps({"filter": wanted, **fields}).encode()
        return answer(organisation, Request("POST", path, body=body)).body["results"]

    def sums(by, *metrics):
        """By the last name of each group, the statistics of each metric."""
        half_day = "2026-11-16T00:00:00Z/2026-11-16T12:00:00Z"
        found = results(query_aggregates, AGGREGATES, interval=half_day, groupBy=["queueId", by], metrics=metrics)
        return {
            item["group"].get(by): {metric["metric"]: metric["stats"] for metric in item["data"][0]["metrics"]}
            for item in found
        }

    voice = sums("mediaType", "nOffered", "tAnswered", "tAbandon", "oServiceLevel")["voice"]
    counts = (voice["nOffered"]["count"], voice["tAnswered"]["count"], voice["tAbandon"]["count"])
    assert counts == (day.offered, day.answered, day.abandoned)
    assert voice["oServiceLevel"]["numerator"] == day.in_time
    by_user = sums("userId", "tAnswered")
    assert {user: stats["tAnswered"]["count"] for user, stats in by_user.items() if user} == day.contacts
    (observed,) = results(query_observations, OBSERVATIONS, metrics=["oWaiting", "oInteracting"])
    assert [item["stats"]["count"] for item in observed["data"]] == [load["waiting"], load["interacting"]]
    assert load["interacting"] == 2
