"""The layer reads queues and members by name from the simulated public API over loopback HTTP."""

import pytest

from local.genesys import GenesysSimulator, publicapi
from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts.platform import PlatformContract, needs
from routing_weights.adapters.genesys.directory import PlatformDirectory
from routing_weights.adapters.genesys.transport import Deadline, Transport, new_session
from routing_weights.domain.actuation import Actuation
from routing_weights.domain.actuators.ring import Ring
from routing_weights.domain.directory import ListedQueue, evaluation
from routing_weights.domain.strategies import Strategy
from routing_weights.errors import QueueNotFound
from tests.contract.test_analytics import Token

NORTH = {"id": "division-north", "name": "North"}


@pytest.fixture(scope="module")
def genesys():
    with GenesysSimulator(contract="platform", agents=2) as simulator:
        yield simulator


@pytest.fixture
def client(genesys, fake_time):
    session = new_session()
    transport = Transport(session, Deadline(fake_time.now + 30), 5.0, clock=fake_time.clock, sleep=fake_time.sleep)
    made = GenesysClient(genesys.url, Token(genesys.url), transport, needs, lanes=4)
    genesys.clear_requests()
    yield made
    session.close()


def sent(genesys):
    """The requests, after a check that each of them matches the public API."""
    log = genesys.requests()
    assert [sentence for entry in log for sentence in publicapi.breaches(entry)] == []
    return log


def test_a_queue_has_a_name_a_division_and_a_number_of_members(genesys, client):
    genesys.put_queue("Queue-ABC", agents=3, queue={"name": "Billing", "division": NORTH})
    directory = PlatformDirectory(client)
    billing = ListedQueue("queue-abc", "Billing", "North", 3)
    assert [queue for queue in directory.queues() if queue.name == "Billing"] == [billing]
    assert directory.queue("queue-abc")[0] == billing
    assert {entry["path"] for entry in sent(genesys)} == {
        "/api/v2/routing/queues",
        "/api/v2/routing/queues/queue-abc",
    }


def test_the_listing_takes_a_request_for_each_hundred_queues(genesys, client):
    for number in range(230):
        genesys.put_queue(f"many-{number:03}", agents=0)
    listed = {queue.queue_id for queue in PlatformDirectory(client).queues()}
    assert {f"many-{number:03}" for number in range(230)} <= listed
    assert len(sent(genesys)) == 3


def test_the_settings_say_how_a_queue_chooses(genesys, client):
    ring = {"expansionCriteria": [{"type": "TIMEOUT_SECONDS", "threshold": 5}]}
    rule = {"operator": "ANY", "waitSeconds": 5}
    fields = {"bullseye": {"rings": [ring] * 6}, "skillEvaluationMethod": "BEST", "routingRules": [rule]}
    genesys.put_queue("queue-rings", agents=1, queue=fields)
    _, settings = PlatformDirectory(client).queue("queue-rings")
    assert evaluation(settings) == "6 bullseye rings, skills by BEST, preferred agents first"


def test_an_unknown_queue_is_not_found(client):
    with pytest.raises(QueueNotFound):
        PlatformDirectory(client).queue("queue-of-nobody")


def test_the_listing_of_members_has_their_names_and_addresses(genesys, client):
    contract = PlatformContract(client, Actuation(Ring(1.0), Strategy(description="of a test"), None, ()))
    ana = {"id": "ana", "name": "Ana", "email": "ana@example.com"}
    genesys.put_queue("queue-named", members=[{"user": ana}, {"user": {"id": "bo"}}])
    members = {member.user_id: (member.name, member.email) for member in contract.read_queue("queue-named").members}
    assert members == {"ana": ("Ana", "ana@example.com"), "bo": ("bo", None)}
    assert len(sent(genesys)) == 2
    kept = contract.read_queue("queue-named").to_json()
    assert "Ana" not in str(kept), "names of agents are in no document"
