"""Client credentials and tokens rotate while distributions run: none fails, and a failed rotation changes nothing."""

import base64
import json
from contextlib import contextmanager

import pytest
import requests

from local.genesys import GenesysSimulator
from local.planted import planted
from tests.support.waiting import DEADLINE_S, until
from tests.support.world import CLIENT_ID, CLIENT_SECRET, World, a_plan, served_stack

KEEPER = {"client_id": "keeper", "client_secret": planted("client-secret", "keeper")}
STANDBY = {"client_id": "second-client", "client_secret": planted("client-secret", "second")}
ACTIVE = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
MEMBERS = {f"agent-{n:03}": n / 100 for n in range(1, 13)}
"""Different weights, so different rings: nearly every member is written."""


@pytest.fixture(scope="module")
def rotating(tmp_path_factory):
    """A stack whose secrets rotate, and which writes one member after another."""
    with GenesysSimulator(contract="platform", client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as sim:
        sim.put_client(*STANDBY.values())
        sim.put_client(*KEEPER.values(), permissions="oauth:client:edit")
        settings = {"ROTATE_CREDENTIALS_DAYS": "30", "MAX_CONCURRENT_WRITES": "1"}
        with served_stack(tmp_path_factory.mktemp("rotating"), sim.url, "platform", **settings) as ready:
            world = World(ready, sim)
            store(world, ACTIVE | {"standby": STANDBY, "keeper": KEEPER})
            yield world
            world.close()


def store(world, value):
    secret = world.ready["credentials_secret"]
    world.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=json.dumps(value))


def held(world, of="credentials_secret"):
    answer = world.client("secretsmanager").get_secret_value(SecretId=world.ready[of], VersionStage="AWSCURRENT")
    return json.loads(answer["SecretString"])


def rotate(world, of="credentials_secret"):
    """Begin a rotation, as an operator does. Returns the version that becomes current."""
    return world.client("secretsmanager").rotate_secret(SecretId=world.ready[of])["VersionId"]


def labels(world, version, of="credentials_secret"):
    described = world.client("secretsmanager").describe_secret(SecretId=world.ready[of])
    return described["VersionIdsToStages"].get(version, [])


def rotated(world, of="credentials_secret"):
    version = rotate(world, of)
    until(lambda: "AWSCURRENT" in labels(world, version, of))


@contextmanager
def runs_under_way(world, count):
    """Runs that have a token and are at a write of a member, until the block ends."""
    plans = [a_plan(world.queue(len(MEMBERS), unjoined=0, off_queue=0), MEMBERS, actuator="ring") for _ in range(count)]
    with world.holding(*(f"/{plan['queue_id']}/members/" for plan in plans), method="PATCH"):
        runs = [world.run(plan).start() for plan in plans]
        until(lambda: all(writes_of_members(world, run) for run in runs))
        yield runs


def writes_of_members(world, run):
    return [entry for entry in world.requests_about(run.queue_id) if entry["method"] == "PATCH"]


def logs_in(world, client):
    pair = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    form, headers = {"grant_type": "client_credentials"}, {"Authorization": f"Basic {pair}"}
    answer = requests.post(f"{world.sim.url}/oauth/token", data=form, headers=headers, timeout=DEADLINE_S)
    return answer.status_code == requests.codes.ok


def test_no_distribution_fails_while_the_credentials_and_the_tokens_rotate(rotating):
    world = rotating
    with runs_under_way(world, 2) as runs:
        before = held(world, "token_secret")["access_token"]
        rotated(world)
        assert held(world)["client_id"] == STANDBY["client_id"]
        assert held(world)["standby"] == ACTIVE  # both pairs are valid now
        assert logs_in(world, held(world))
        assert logs_in(world, ACTIVE)
        assert not logs_in(world, STANDBY)
        assert held(world, "token_secret")["access_token"] == before

        rotated(world, "token_secret")  # the runs' token is revoked: they get a 401 and read the new one
    with runs_under_way(world, 1) as more:
        rotated(world)  # Genesys makes a new secret for the first client
        assert (held(world)["client_id"], held(world)["keeper"]) == (CLIENT_ID, KEEPER)
        assert not logs_in(world, ACTIVE)
        assert logs_in(world, held(world))
    for run in [*runs, *more]:
        run.ends("completed")
    assert all(len({entry["token"] for entry in run.requests}) > 1 for run in runs), "a run never used the new token"


def test_a_rotation_that_fails_leaves_the_credentials_in_use_and_can_begin_again(rotating):
    world, before = rotating, held(rotating)
    world.sim.put_client(*KEEPER.values(), permissions="routing:queue:view")
    failed_at_genesys = len(refused(world))
    version = rotate(world)
    until(lambda: len(refused(world)) > failed_at_genesys)
    assert labels(world, version) == ["AWSPENDING"]
    assert held(world) == before
    world.run(a_plan(world.queue(), actuator="ring")).ends("completed")

    world.sim.put_client(*KEEPER.values(), permissions="oauth:client:edit")
    client, secret = world.client("secretsmanager"), world.ready["credentials_secret"]
    with pytest.raises(client.exceptions.InvalidRequestException, match="previous rotation isn't complete"):
        rotate(world)
    client.update_secret_version_stage(SecretId=secret, VersionStage="AWSPENDING", RemoveFromVersionId=version)
    rotated(world)
    assert held(world)["client_id"] == before["standby"]["client_id"]


def refused(world):
    entries = world.sim.requests()
    return [entry for entry in entries if entry["path"].endswith("/secret") and entry["status"] == 403]


def test_secrets_manager_refuses_what_it_cannot_rotate(rotating):
    client = rotating.client("secretsmanager")
    with pytest.raises(client.exceptions.InvalidRequestException, match="No Lambda rotation function"):
        client.rotate_secret(SecretId=rotating.ready["webhook_secret"])
    function = "arn:aws:lambda:us-east-1:123456789012:function:TokenFunction"
    rules = {"AutomaticallyAfterDays": 30}
    with pytest.raises(client.exceptions.ClientError, match="cannot invoke the specified Lambda function"):
        client.rotate_secret(SecretId=rotating.ready["webhook_secret"], RotationLambdaARN=function, RotationRules=rules)
