"""The layer's contract `score` against the simulator, over real loopback HTTP; hostile listings against a fake."""

import json
import math

import pytest
import requests

from local.genesys import GenesysSimulator
from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts import score
from routing_weights.adapters.genesys.contracts.score import ScoreContract
from routing_weights.adapters.genesys.directory import ScoreDirectory
from routing_weights.adapters.genesys.tokens import StoredTokens, TokenIssuer, score_request
from routing_weights.adapters.genesys.transport import Deadline, Transport
from routing_weights.domain.actuation import Actuation
from routing_weights.domain.actuators.score import Score
from routing_weights.domain.directory import ListedQueue
from routing_weights.domain.queue import QueueSettings, require_members
from routing_weights.domain.strategies import strategies
from routing_weights.domain.target import Target, members_to_write, settings_to_write, unsettled
from routing_weights.errors import (
    Forbidden,
    GenesysAnswerInvalid,
    GenesysRefused,
    GenesysUnavailable,
    MemberNotInQueue,
    QueueNotFound,
    QueuesNotListable,
    Unauthorized,
)
from tests.support.fakes import FakeTime, written

QUEUE = "queue-001"
ACTUATION = Actuation(Score(), strategies()["longest-available-agent"], None, ())
PATH = f"/api/v2/routing/queues/{QUEUE}"


class Secret:
    """The secret of the token, in memory."""

    def __init__(self):
        self.value = {}

    def read(self):
        return self.value

    def write(self, value):
        self.value = value


class Genesys:
    """A simulator, and the layer's contract that calls it like the deployed functions, on a fake clock."""

    def __init__(self, time, **options):
        self.time, self.secret, self.session = time, Secret(), requests.Session()
        self.session.trust_env = False
        self.simulator = GenesysSimulator(contract="score", clock=time.clock, sleep=time.sleep, **options).start()
        settings = self.simulator.settings
        issuer = TokenIssuer(
            self.secret,
            self._transport(),
            lambda: score_request(self.simulator.url, settings.client_id, settings.client_secret),
            f"{self.simulator.url}/api/v2/tokens/me",
            revoke_refused=True,
            wall_clock=time.clock,
        )
        tokens = StoredTokens(self.secret, issuer.refresh, wall_clock=time.clock)
        client = GenesysClient(self.simulator.url, tokens, self._transport(), score.needs)
        self.contract = ScoreContract(client, ACTUATION)

    def _transport(self):
        deadline = Deadline(at=self.time.now + 10_000)
        return Transport(
            self.session,
            deadline,
            max_retry_after_s=100.0,
            clock=self.time.clock,
            wall_clock=self.time.clock,
            sleep=self.time.sleep,
            jitter=lambda: 0.5,
        )

    def close(self):
        self.session.close()
        self.simulator.close()

    def sent(self, method=None):
        """The simulator's log of requests, without those for tokens."""
        return [
            entry
            for entry in self.simulator.requests()
            if entry["path"].startswith(PATH.rsplit("/", 1)[0]) and method in {None, entry["method"]}
        ]

    def held(self):
        return self.simulator.state()["queues"][QUEUE]

    def scores(self):
        return {member["user"]["id"]: member["score"] for member in self.held()["members"]}

    def distribute(self, weights, name="d-1"):
        """Write a plan's members as Patch does."""
        before = self.contract.read_queue(QUEUE)
        require_members(weights, before)
        target = Target(weights, weights)
        changes = members_to_write(target, before, raise_first=self.contract.raise_first)
        written(self.contract, before, changes, target, key=f"{name}:member")
        return before


@pytest.fixture
def genesys():
    """Start a simulator with these settings. It ends with the test."""
    running = []

    def start(**options):
        running.append(Genesys(FakeTime(), **options))
        return running[-1]

    yield start
    for one in running:
        one.close()


# ---- the directory ---------------------------------------------------------------------------------------------------


def test_a_queue_is_shown_by_its_id_and_its_members_without_addresses_and_nothing_is_listed(genesys):
    one = genesys(agents=2)
    directory = ScoreDirectory(one.contract.client)
    assert directory.queue(QUEUE) == (ListedQueue(QUEUE, f"Queue {QUEUE}", "Home", 2), None)
    members = one.contract.read_queue(QUEUE).members
    assert [(member.name, member.email) for member in members] == [("Ada Abel", None), ("Ben Brandt", None)]
    with pytest.raises(QueuesNotListable):
        directory.queues()


# ---- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200, 250, 1_000])
def test_every_member_is_read_once_page_by_page_to_the_end(genesys, count):
    one = genesys(agents=count)
    queue = one.contract.read_queue(QUEUE)
    assert [member.user_id for member in queue.members] == [f"agent-{i + 1:03}" for i in range(count)]
    assert len(one.sent()) == 1 + max(1, math.ceil(count / 100))


def test_pages_are_requested_at_full_size(genesys):
    one = genesys(agents=201)
    one.contract.read_queue(QUEUE)
    assert [entry["query"] for entry in one.sent()] == [
        "",
        *(f"pageSize=100&page={page}&pageNumber={page}" for page in (1, 2, 3)),
    ]


def test_a_queue_is_read_with_its_settings_and_its_members_weights(genesys):
    one = genesys(agents=3, initial_score=0.25)
    one.simulator.edit_queue(QUEUE, utilizationThreshold=0.7, wrapUpTimeout=45)
    queue = one.contract.read_queue(QUEUE)
    assert queue.queue_id == QUEUE
    assert queue.settings == QueueSettings(overflow_threshold=0.7, wrap_up_timeout_s=45.0)
    assert set(queue.weights().values()) == {0.25}


def test_members_who_joined_and_are_on_queue_are_active(genesys):
    one = genesys(agents=12, off_queue=2, unjoined=3)
    queue = one.contract.read_queue(QUEUE)
    assert [member.active for member in queue.members] == [True] * 7 + [False] * 5


@pytest.mark.parametrize(
    ("status", "absent"),
    [("IDLE", None), ("INTERACTING", None), ("COMMUNICATING", None), ("NOT_RESPONDING", "NOT_RESPONDING")],
)
def test_a_member_who_does_not_respond_is_not_active(genesys, status, absent):
    one = genesys(agents=1)
    one.simulator.edit_member(QUEUE, "agent-001", routingStatus={"status": status})
    assert one.contract.read_queue(QUEUE).members[0].absent == absent


def test_a_members_skills_are_known_by_id_and_by_name(genesys):
    queue = genesys(agents=2).contract.read_queue(QUEUE)
    known = [("skill-support", "support"), ("skill-billing", "billing")]
    assert [{*member.skills} for member in queue.members] == [{*skill} for skill in known]


def test_an_unknown_queue_is_named(genesys):
    with pytest.raises(QueueNotFound, match=r"Genesys knows no queue nowhere.* Check queue_id"):
        genesys().contract.read_queue("nowhere")


@pytest.mark.parametrize("skip", [1, 2])
def test_a_repeated_page_never_counts_members_twice(genesys, skip):
    one = genesys(agents=350)
    one.simulator.add_faults({"action": "repeat_page", "path": "members", "skip": skip})
    assert len(one.contract.read_queue(QUEUE).members) == 350
    one.simulator.add_faults({"action": "repeat_page", "path": "members", "skip": skip, "times": 100})
    with pytest.raises(GenesysAnswerInvalid, match="agent-001 is listed twice, and the queue shows a count of 350"):
        one.contract.read_queue(QUEUE)
    assert one.sent("PATCH") == []


@pytest.mark.parametrize(("skip", "what"), [(0, PATH), (1, f"{PATH}/members")])
def test_an_answer_that_stays_malformed_is_an_error(genesys, skip, what):
    one = genesys()
    one.simulator.add_faults({"action": "malformed", "method": "GET", "path": "queues", "skip": skip, "times": 3})
    with pytest.raises(GenesysAnswerInvalid, match=f"GET {what} with something that is not JSON"):
        one.contract.read_queue(QUEUE)


def test_a_second_reading_reads_only_the_pages_of_the_members(genesys):
    one = genesys(agents=450)
    before = one.contract.read_queue(QUEUE)
    one.simulator.clear_requests()
    for user_id in ("agent-001", "agent-150", "agent-201", "agent-300"):
        one.simulator.edit_member(QUEUE, user_id, score=0.2)
    again = one.contract.read_again(before, ["agent-201", "agent-300", "agent-150"])
    assert [entry["query"] for entry in one.sent()] == [
        f"pageSize=100&page={page}&pageNumber={page}" for page in (2, 3)
    ]
    changed = {name for name, weight in again.weights().items() if weight == 0.2}
    assert changed == {"agent-150", "agent-201", "agent-300"}
    assert [member.user_id for member in again.members] == [member.user_id for member in before.members]


# ---- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [3, 100, 1_000])
def test_exactly_the_requested_scores_are_written(genesys, count):
    one = genesys(agents=count)
    weights = {f"agent-{i + 1:03}": (i + 1) / (count * (count + 1)) for i in range(count)}
    held_before = one.held()
    one.distribute(weights)
    assert one.scores() == weights
    for after, before in zip(one.held()["members"], held_before["members"], strict=True):
        assert after | {"score": 0.0} == before
    assert one.held()["queue"] == held_before["queue"]
    assert len(one.simulator.requests()) <= count + 2 * math.ceil(count / 100) + 8


def test_the_second_identical_plan_writes_nothing(genesys):
    one = genesys(agents=3)
    weights = {"agent-001": 0.4, "agent-002": 0.35, "agent-003": 0.25}
    one.distribute(weights, "d-1")
    one.simulator.clear_requests()
    one.distribute(weights, "d-2")
    assert one.sent("PATCH") == []


def test_a_write_has_user_routing_type_and_score(genesys):
    one = genesys(agents=3)
    one.distribute({"agent-002": 0.5}, "d-7")
    (entry,) = one.sent("PATCH")
    assert entry["path"] == f"{PATH}/members/agent-002"
    assert entry["body"] == {"user_id": "agent-002", "routing_type": "Automatic", "score": 0.5}
    assert entry["idempotency_key"] == "d-7:member:agent-002"


def test_a_write_leaves_the_routing_type_alone(genesys):
    one = genesys(agents=2)
    one.simulator.edit_member(QUEUE, "agent-002", routingType="Manual")
    one.distribute({"agent-001": 0.4, "agent-002": 0.5})
    assert [member["routingType"] for member in one.held()["members"]] == ["Automatic", "Manual"]


def test_reversed_weights_never_sum_to_more_than_1(genesys):
    one = genesys(agents=4)
    weights = dict(zip(one.scores(), (0.7, 0.2, 0.1, 0.0), strict=True))
    one.distribute(weights, "d-1")
    reversed_weights = dict(zip(weights, reversed(weights.values()), strict=True))
    one.distribute(reversed_weights, "d-2")
    assert one.scores() == reversed_weights
    assert {entry["status"] for entry in one.sent("PATCH")} == {200}


def test_every_write_has_its_own_idempotency_key(genesys):
    one = genesys(agents=5)
    one.distribute(dict.fromkeys(one.scores(), 0.2), "d-1")
    one.distribute(dict.fromkeys(one.scores(), 0.1), "d-2")
    one.distribute(dict.fromkeys(one.scores(), 0.2), "d-3")
    keys = [entry["idempotency_key"] for entry in one.sent("PATCH")]
    assert len(keys) == len(set(keys)) == 15
    assert (set(one.scores().values()), one.simulator.state()["replays"]) == ({0.2}, 0)


def test_a_user_who_is_no_member_is_found_before_the_first_write(genesys):
    one = genesys(agents=3)
    with pytest.raises(MemberNotInQueue):
        one.distribute({"agent-001": 0.5, "agent-999": 0.1})
    assert one.sent("PATCH") == []


@pytest.mark.parametrize(
    ("threshold", "wrap_up", "body"),
    [
        (0.9, None, {"utilizationThreshold": 0.9}),
        (0.9, 20, {"utilizationThreshold": 0.9, "wrapUpTimeout": 20}),
        (0.8, 20, {"wrapUpTimeout": 20}),
        (0.9, 30, {"utilizationThreshold": 0.9}),
    ],
)
def test_only_changed_settings_are_written(genesys, threshold, wrap_up, body):
    one = genesys(agents=1)
    before, held_before = one.contract.read_queue(QUEUE), one.held()["queue"]
    wanted = {"overflow_threshold": threshold, "wrap_up_timeout_s": wrap_up}
    one.contract.write_queue(before, Target({}, {}, wanted), differing(before, threshold, wrap_up), key="d:queue")
    (entry,) = one.sent("PATCH")
    assert (entry["path"], entry["body"], entry["idempotency_key"]) == (PATH, body, "d:queue")
    stamps = {"version", "dateModified"}
    changed = {name for name, value in one.held()["queue"].items() if value != held_before[name]} - stamps
    assert changed == set(body)


@pytest.mark.parametrize("wrap_up", [None, 30])
def test_a_queue_that_holds_the_settings_is_not_written(genesys, wrap_up):
    one = genesys(agents=1)
    before = one.contract.read_queue(QUEUE)
    assert differing(before, 0.8, wrap_up) == {}


def differing(before, threshold, wrap_up):
    """Write the queue's settings as Patch does."""
    settings = {"overflow_threshold": threshold} | ({} if wrap_up is None else {"wrap_up_timeout_s": wrap_up})
    return settings_to_write(Target({}, {}, settings), before)


def test_an_accepted_write_becomes_readable_later(genesys):
    one = genesys(agents=150, apply_delay_s=2.0)
    weights = {"agent-001": 0.4, "agent-120": 0.6}
    before = one.distribute(weights)
    again = one.contract.read_again(before, weights)
    assert unsettled(Target(weights, weights), again) == ["agent-001", "agent-120"]
    one.time.advance(2.0)
    assert unsettled(Target(weights, weights), one.contract.read_again(again, weights)) == []


def test_a_member_whose_page_has_shifted_is_found_again(genesys):
    one = genesys(agents=150)
    before = one.contract.read_queue(QUEUE)
    members = one.simulator.state()["queues"][QUEUE]["members"]
    one.simulator.put_queue(QUEUE, members=[m for m in members if m["user"]["id"] != "agent-001"])
    one.simulator.edit_member(QUEUE, "agent-101", score=0.4)
    assert one.contract.read_again(before, {"agent-101"}).weights()["agent-101"] == 0.4


# ---- when things go wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        ({"action": "reset_after"}, ["d-1:member:agent-001", "d-1:member:agent-002"]),
        ({"action": "reset_before"}, ["d-1:member:agent-001", "d-1:member:agent-001", "d-1:member:agent-002"]),
        ({"action": "status", "status": 504}, ["d-1:member:agent-001", "d-1:member:agent-001", "d-1:member:agent-002"]),
        ({"action": "status", "status": 408}, ["d-1:member:agent-001", "d-1:member:agent-001", "d-1:member:agent-002"]),
        ({"action": "status", "status": 409}, ["d-1:member:agent-001", "d-1:member:agent-001", "d-1:member:agent-002"]),
    ],
    ids=["applied", "not applied", "a gateway's, not applied", "a time-out, not applied", "a conflict"],
)
def test_after_a_lost_answer_a_write_is_repeated_only_if_it_was_not_applied(genesys, fault, sent):
    one = genesys(agents=2)
    one.simulator.add_faults(fault | {"method": "PATCH"})
    one.distribute({"agent-001": 0.4, "agent-002": 0.6})
    assert [entry["idempotency_key"] for entry in one.sent("PATCH")] == sent
    assert (one.scores(), one.simulator.state()["replays"]) == ({"agent-001": 0.4, "agent-002": 0.6}, 0)


@pytest.mark.parametrize("fault", [{"action": "status", "status": 503}, {"action": "reset_before"}])
def test_a_temporary_failure_is_survived(genesys, fault):
    one = genesys(agents=250)
    one.simulator.add_faults(fault | {"path": "queues", "times": 3, "skip": 1})
    assert len(one.contract.read_queue(QUEUE).members) == 250


def test_a_permanent_failure_ends_the_run(genesys):
    one = genesys()
    one.simulator.add_faults({"action": "status", "status": 500, "path": "queues", "times": None})
    with pytest.raises(GenesysUnavailable, match="status 500 at attempt 6"):
        one.contract.read_queue(QUEUE)


@pytest.mark.parametrize("dates", [False, True], ids=["seconds", "date"])
def test_no_request_is_earlier_than_the_rate_limit_allows(genesys, dates):
    one = genesys(agents=30, rate_limit=10, rate_window_s=7.0, retry_after="date" if dates else "seconds")
    weights = {f"agent-{i + 1:03}": 0.03 for i in range(30)}
    one.distribute(weights)
    log = one.simulator.requests()
    limits = [entry for entry in log if entry["retry_after_until"] is not None]
    assert limits
    for limit in limits:
        later = [entry for entry in log if entry["index"] > limit["index"] and entry["token"] == limit["token"]]
        assert all(entry["monotonic"] >= limit["retry_after_until"] for entry in later)
    assert one.scores() == weights


def test_after_a_revocation_one_new_token_is_enough(genesys):
    one = genesys(agents=20)
    one.simulator.add_faults({"action": "revoke_tokens", "method": "PATCH", "skip": 10})
    weights = dict.fromkeys(one.scores(), 0.05)
    one.distribute(weights)
    assert (one.scores(), one.simulator.state()["tokens_issued"]) == (weights, 2)


def test_an_expiring_token_is_replaced_before_it_is_refused(genesys):
    one = genesys(agents=20, expires_in=300)
    one.contract.read_queue(QUEUE)
    one.time.advance(240)
    one.distribute(dict.fromkeys(one.scores(), 0.05))
    assert one.simulator.state()["tokens_issued"] == 2
    assert 401 not in {entry["status"] for entry in one.simulator.requests()}


def test_wrong_credentials_end_the_run_before_any_reading(genesys):
    one = genesys()
    one.simulator.change_settings(client_secret="changed-since")
    with pytest.raises(Unauthorized, match="Check client_id and client_secret") as caught:
        one.contract.read_queue(QUEUE)
    assert "demo-client-secret" not in str(caught.value)
    assert one.sent() == []


@pytest.mark.parametrize(
    ("scope", "missing"),
    [("routing:queue:write", "routing:queue:read"), ("routing:queue:read", "routing:queue:write")],
)
def test_a_missing_scope_is_named_and_nothing_is_written(genesys, scope, missing):
    one = genesys(agents=2, scope=scope)
    with pytest.raises(Forbidden, match=f"it needs the scope {missing}"):
        one.distribute({"agent-001": 0.5})
    assert set(one.scores().values()) == {0.0}


def test_a_refused_write_quotes_genesys(genesys):
    one = genesys(agents=2)
    one.simulator.edit_member(QUEUE, "agent-002", score=0.9)
    with pytest.raises(GenesysRefused, match=r"The scores of the queue would sum to 1\.4") as caught:
        one.distribute({"agent-001": 0.5})
    assert caught.value.details["genesys_code"] == "weight.sum.exceeded"
    assert caught.value.details["correlation_id"]


# ---- listings that the simulator does not give -----------------------------------------------------------------------


class FakeClient:
    """Answers GET with the queue, and then with these listings in turn, over and over."""

    def __init__(self, *listings, queue=None):
        self.queue, self.listings, self.pages = {"id": QUEUE} if queue is None else queue, list(listings), []

    def get(self, path, **query):
        if not path.endswith("/members"):
            return self.queue
        self.pages.append(query["page"])
        return self.listings[(len(self.pages) - 1) % len(self.listings)]

    def get_in_lanes(self, get, items, go_on=lambda: True):
        return [get(item) for item in items if go_on()]

    def pause(self, _seconds):
        return True


def listed(*entities, **page):
    return {"entities": list(entities), **page}


def read(*listings, queue=None):
    return ScoreContract(FakeClient(*listings, queue=queue), ACTUATION).read_queue(QUEUE)


@pytest.mark.parametrize(
    ("entity", "absent"),
    [
        ({}, None),
        ({"joined": None}, None),
        ({"joined": True, "routingStatus": {"status": "IDLE"}}, None),
        ({"routingStatus": {}}, "no routing status"),
        ({"routingStatus": None}, "no routing status"),
        ({"routingStatus": "IDLE"}, None),
        ({"routingType": "Manual"}, None),
        ({"joined": False}, "not joined"),
        ({"routingStatus": {"status": "OFF_QUEUE"}}, "OFF_QUEUE"),
        ({"routingStatus": "OFF_QUEUE"}, "OFF_QUEUE"),
        ({"routingType": "Disabled"}, "routing type of no agent"),
        ({"user": {"id": "a", "state": "inactive"}}, "user inactive"),
    ],
)
def test_a_member_is_active_by_default(entity, absent):
    (member,) = read(listed({"user": {"id": "a"}, "score": 0.5} | entity)).members
    assert (member.absent, member.weight) == (absent, 0.5)


def test_a_member_without_a_routing_status_among_others_with_one_is_not_active():
    shown = {"user": {"id": "a"}, "routingStatus": {"status": "IDLE"}}
    assert [member.absent for member in read(listed(shown, {"user": {"id": "b"}})).members] == [
        None,
        "no routing status",
    ]


@pytest.mark.parametrize(
    ("entity", "user_id"),
    [({"user": {"id": "a"}, "id": "m"}, "a"), ({"id": "b"}, "b"), ({"user": {"name": "x"}, "id": "c"}, "c")],
)
def test_a_members_id_is_its_users_id_or_else_its_own(entity, user_id):
    assert read(listed(entity)).members[0].user_id == user_id


@pytest.mark.parametrize("held", [{}, {"score": None}])
def test_a_member_without_a_score_has_no_weight(held):
    assert read(listed({"id": "a"} | held)).weights() == {"a": None}


@pytest.mark.parametrize(
    ("skills", "known"),
    [
        (None, {}),
        ("Billing", {}),
        (["Billing", "Support"], {"billing": None, "support": None}),
        ([{"id": "s-1"}, {"name": "Billing"}, {"id": 7}, 7], {"s-1": None, "billing": None}),
        ([{"id": "s-1", "proficiency": 3}, {"name": "B", "proficiency": "high"}], {"s-1": 3.0, "b": None}),
        ([{"name": "B", "proficiency": True}], {"b": None}),
        (
            [{"name": "B", "state": "inactive"}, {"name": "C", "state": "deleted"}, {"name": "D", "state": "active"}],
            {"d": None},
        ),
        (
            [{"name": "Espan\u0303ol", "proficiency": 2}, {"name": "ESPA\u00d1OL", "proficiency": 4}],
            {"espa\u00f1ol": 4.0},
        ),
    ],
)
def test_skills_are_read_in_any_shape(skills, known):
    assert read(listed({"id": "a", "skills": skills})).members[0].skills == known


def many(first, count):
    return [{"id": f"m{i}"} for i in range(first, first + count)]


def test_without_a_page_count_a_full_page_is_followed_by_another():
    client = FakeClient(listed(*many(0, 100)), listed(*many(100, 100)), listed())
    assert len(ScoreContract(client, ACTUATION).read_queue(QUEUE).members) == 200
    assert client.pages == [1, 2, 3] * 2  # without a count, a second reading must agree


def test_without_a_page_count_a_short_page_is_the_last():
    client = FakeClient(listed(*many(0, 100)), listed(*many(100, 99)))
    assert len(ScoreContract(client, ACTUATION).read_queue(QUEUE).members) == 199
    assert client.pages == [1, 2] * 2


class PagedClient(GenesysClient):
    """Answers with the pages of 250 members, in several lanes. The queue may show another count."""

    def __init__(self, shown, lanes):
        super().__init__("", None, Transport(None, Deadline(0.0), 0.0), score.needs, lanes)
        self.shown, self.pages = shown, []

    def get(self, path, **query):
        if not path.endswith("/members"):
            return {"id": QUEUE, "memberCount": self.shown}
        self.pages.append(query["page"])
        return listed(*many(0, 250)[100 * query["page"] - 100 : 100 * query["page"]])

    def pause(self, _seconds):
        return True


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("shown", [None, 0, 1, 150, 250, 251, 900, 10**9])
def test_a_count_that_is_wrong_loses_no_member_and_reads_no_thousand_pages(shown, lanes):
    client = PagedClient(shown, lanes)
    members = ScoreContract(client, ACTUATION).read_queue(QUEUE).members
    assert [m.user_id for m in members] == [entity["id"] for entity in many(0, 250)]
    assert [m.native["page"] for m in members] == [1] * 100 + [2] * 100 + [3] * 50
    assert len(client.pages) <= (3 if shown == 250 else 2 * (4 + lanes))


def test_a_page_of_several_that_cannot_be_read_is_an_error():
    client = PagedClient(250, 4)
    whole = client.get
    client.get = lambda path, **query: {} if query.get("page") == 2 else whole(path, **query)
    with pytest.raises(GenesysAnswerInvalid, match="without a list of entities"):
        ScoreContract(client, ACTUATION).read_queue(QUEUE)


def test_an_empty_page_ends_the_listing():
    client = FakeClient(listed(*many(0, 100), pageCount=9), listed(pageCount=9))
    assert len(ScoreContract(client, ACTUATION).read_queue(QUEUE).members) == 100


def test_a_page_count_that_grows_while_reading_is_followed():
    client = FakeClient(listed(*many(0, 100), pageCount=1), listed(*many(100, 1), pageCount=2))
    assert len(ScoreContract(client, ACTUATION).read_queue(QUEUE).members) == 100
    client = FakeClient(*(listed(*many(100 * i, 100), pageCount=min(3, i + 2)) for i in range(3)))
    assert len(ScoreContract(client, ACTUATION).read_queue(QUEUE).members) == 300


def test_a_member_twice_on_one_page_is_an_error():
    with pytest.raises(GenesysAnswerInvalid, match="member a is listed twice"):
        read(listed({"id": "a"}, {"id": "a"}))


def test_a_member_on_two_pages_is_an_error():
    with pytest.raises(GenesysAnswerInvalid, match="member m7 is listed twice"):
        read(listed(*many(0, 100), pageCount=2), listed({"id": "new"}, {"id": "m7"}, pageCount=2))


@pytest.mark.parametrize("listing", [None, [], "members", {}, {"entities": None}, {"entities": {}}])
def test_a_listing_without_a_list_is_an_error(listing):
    with pytest.raises(GenesysAnswerInvalid, match="without a list of entities"):
        read(listing)


@pytest.mark.parametrize("queue", [[], "queue", 7, True])
def test_a_queue_that_is_not_an_object_is_an_error(queue):
    with pytest.raises(GenesysAnswerInvalid, match="not an object"):
        read(listed(), queue=queue)


@pytest.mark.parametrize("entity", [None, "a", [], {}, {"id": ""}, {"id": 7}, {"user": {"id": 7}}, {"user": "a"}])
def test_a_member_without_an_id_is_an_error(entity):
    with pytest.raises(GenesysAnswerInvalid, match="without a user id"):
        read(listed(entity))


NO_NUMBERS = ['"0.5"', "true", "[0.5]", "{}", "NaN", "Infinity", "1e999", "9" * 400]


@pytest.mark.parametrize("raw", NO_NUMBERS, ids=lambda raw: raw[:9])
def test_a_score_that_is_not_a_finite_number_is_an_error(raw):
    with pytest.raises(GenesysAnswerInvalid):
        read(listed({"id": "a", "score": json.loads(raw)}))


@pytest.mark.parametrize("raw", ['"0.5"', "true", "NaN"])
@pytest.mark.parametrize("name", ["utilizationThreshold", "wrapUpTimeout"])
def test_a_setting_that_is_not_a_finite_number_is_an_error(name, raw):
    with pytest.raises(GenesysAnswerInvalid):
        read(listed(), queue={"id": QUEUE, name: json.loads(raw)})


@pytest.mark.parametrize("value", [["Automatic"], {"type": "Automatic"}, 7])
def test_a_routing_type_that_is_not_text_is_an_error(value):
    with pytest.raises(GenesysAnswerInvalid):
        read(listed({"id": "a", "routingType": value}))
