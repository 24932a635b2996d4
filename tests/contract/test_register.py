"""A deployment is registered at a gateway of contract `score`, and found again. The simulator signs its webhooks."""

import re
import shlex
import time
from contextlib import closing

import pytest
import requests

from local import register
from local.genesys import GenesysSimulator
from tests.contract.loopback import assert_error
from tests.support.receiver import WfmSystem
from tests.support.waiting import until
from tests.support.world import ROOT

CLIENT_ID, CLIENT_SECRET, SIGNED_WITH = "client-001", "s3cret-of-the-client", "s3cret-of-webhooks"
API = "https://abc123.execute-api.eu-central-1.amazonaws.com"
PAYLOAD_OF_THE_DOCUMENT = {"name", "description", "enabled", "endpointUrl", "events"}


@pytest.fixture
def gateway():
    with GenesysSimulator(
        contract="score", client_id=CLIENT_ID, client_secret=CLIENT_SECRET, webhook_secret=SIGNED_WITH
    ) as simulator:
        yield simulator


@pytest.fixture
def run(gateway, capsys):
    """Run the command in this process: return exit code and output."""

    def run(*argv, **environ):
        given = {"GENESYS_BASE_URL": gateway.url, "GENESYS_CLIENT_ID": CLIENT_ID, "API_URL": API}
        code = register.main(argv, given | {"GENESYS_CLIENT_SECRET": CLIENT_SECRET} | environ)
        out, err = capsys.readouterr()
        assert CLIENT_SECRET not in out + err
        return code, out + err

    return run


def hooks(gateway):
    return list(gateway.state()["webhooks"].values())


def writes(gateway):
    return [
        (entry["method"], entry["status"])
        for entry in gateway.requests()
        if entry["method"] != "GET" and "oauth" not in entry["path"]
    ]


def test_a_webhook_is_registered_as_documented(run, gateway):
    code, output = run()
    assert (code, output.partition(":")[0]) == (0, "Registered webhook-1")
    (hook,) = hooks(gateway)
    assert hook["endpointUrl"] == f"{API}/webhooks/genesys/callback"
    assert hook["events"] == ["routing.queue.updated", "routing.queueMember.updated"]
    assert hook["enabled"] is True
    (sent,) = [entry["body"] for entry in gateway.requests() if entry["method"] == "POST" and entry["body"].get("name")]
    assert sent.keys() == PAYLOAD_OF_THE_DOCUMENT


def test_a_registered_webhook_is_not_made_twice(run, gateway):
    run()
    gateway.clear_requests()
    code, output = run()
    assert (code, output) == (0, "webhook-1 is registered correctly: nothing was sent.\n")
    assert (writes(gateway), len(hooks(gateway))) == ([], 1)


@pytest.mark.parametrize(
    "changed",
    [
        {"API_URL": "https://other.example.com"},
        {"API_URL": "http://127.0.0.1:3000/"},
    ],
)
def test_a_new_address_changes_the_existing_webhook(run, gateway, changed):
    run()
    code, output = run(**changed)
    assert (code, output.partition(":")[0]) == (0, "Changed webhook-1")
    (hook,) = hooks(gateway)
    assert hook["endpointUrl"] == f"{changed['API_URL'].rstrip('/')}/webhooks/genesys/callback"


def test_a_renamed_or_disabled_webhook_is_corrected(run, gateway):
    run()
    hook = hooks(gateway)[0]
    gateway._organisation.webhooks.put(hook["id"], hook | {"enabled": False, "name": "Somebody's"})
    assert run()[1].startswith("Changed webhook-1")
    assert [(hook["enabled"], hook["name"]) for hook in hooks(gateway)] == [(True, register.NAME)]


def test_each_deployment_has_its_own_webhook(run, gateway):
    run()
    run("--name", "Test", "--api", "https://test.example.com")
    assert [hook["name"] for hook in hooks(gateway)] == [register.NAME, "Test"]
    code, output = run("--name", "Test")
    assert (code, "Keep one, delete the others" in output) == (1, True)
    assert len(hooks(gateway)) == 2


def test_a_webhook_on_a_later_page_is_found(run, gateway):
    run()
    hook = hooks(gateway)[0]
    for number in range(150):
        gateway._organisation.webhooks.put(
            f"a-{number}", hook | {"name": f"{number}", "endpointUrl": "https://x.example"}
        )
    gateway._organisation.webhooks[hook["id"]] = gateway._organisation.webhooks.pop(hook["id"])
    assert run()[1].startswith("webhook-1 is registered")


def test_a_lost_answer_registers_nothing_twice(run, gateway):
    gateway.add_faults({"action": "reset_after", "method": "POST", "path": "/platform/webhooks$"})
    code, output = run()
    assert (code, output.partition(":")[0]) == (0, "Registered webhook-1")
    assert len(hooks(gateway)) == 1


def test_a_registration_that_was_not_applied_is_not_claimed(run, gateway):
    gateway.add_faults({"action": "status", "status": 200, "method": "POST", "path": "/platform/webhooks$"})
    code, output = run()
    assert (code, output) == (1, "The gateway accepted the webhook, but does not list it as it was sent.\n")


def test_a_missing_scope_is_named(run, gateway):
    gateway.change_settings(scope="routing:queue:read routing:queue:write")
    code, output = run()
    assert (code, "webhooks:write" in output, "run this again" in output) == (1, True, True)


@pytest.mark.parametrize(
    ("argv", "environ", "named"),
    [
        ([], {"API_URL": ""}, "API_URL"),
        ([], {"API_URL": "http://plain.example.com"}, "API_URL"),
        ([], {"API_URL": "https://me:secret@example.com"}, "API_URL"),
        ([], {"GENESYS_CLIENT_SECRET": ""}, "GENESYS_CLIENT_SECRET"),
        ([], {"GENESYS_BASE_URL": "http://plain.example.com"}, "https"),
        ([], {"GENESYS_CONTRACT": "platform"}, "docs/administer/genesys-events.md"),
        (["--name", ""], {}, "NAME"),
    ],
)
def test_wrong_usage_sends_nothing(run, gateway, capsys, argv, environ, named):
    gateway.clear_requests()
    with pytest.raises(SystemExit) as ended:
        run(*argv, **environ)
    assert ended.value.code == 2
    assert named in capsys.readouterr().err
    assert gateway.requests() == []


def test_the_command_on_the_page_is_valid(run, gateway):
    page = (ROOT / "docs/administer/genesys-events.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^make register (.*)$", page, re.MULTILINE)
    named = dict(part.split("=", 1) for part in shlex.split(command))
    assert named.keys() == {"GENESYS_BASE_URL", "API_URL"}
    assert run(**named | {"GENESYS_BASE_URL": gateway.url})[0] == 0


def test_help_fits_a_terminal_and_names_every_variable(capsys):
    with pytest.raises(SystemExit) as ended:
        register.main(["--help"], {})
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert max(map(len, text.splitlines())) <= 80
    assert all(name in text for name in ("API_URL", "GENESYS_BASE_URL", "GENESYS_LOGIN_URL", "GENESYS_CLIENT_SECRET"))


# ---- the simulator's side --------------------------------------------------------------------------------------------


@pytest.fixture
def client(gateway):
    with requests.Session() as session:
        credentials = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        token = session.post(f"{gateway.url}/oauth/token", json=credentials).json()["access_token"]
        session.headers["Authorization"] = f"Bearer {token}"
        session.url = f"{gateway.url}{register.PATH}"
        yield session


A_HOOK = {
    "name": "x",
    "description": "",
    "enabled": True,
    "endpointUrl": "https://x.example",
    "events": register.EVENTS,
}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"enabled": "yes"},
        {"endpointUrl": "ftp://x.example"},
        {"events": []},
        {"events": ["routing.user.updated"]},
        {"secret": "x"},
    ],
)
def test_an_invalid_webhook_is_refused(client, changes):
    assert_error(client.post(client.url, json=A_HOOK | changes), 400, "bad.request", next(iter(changes)))
    assert_error(client.put(f"{client.url}/nobody", json=A_HOOK), 404, "not.found")
    assert client.get(client.url).json()["entities"] == []


def test_a_change_is_delivered_until_it_is_accepted(client, gateway):
    with closing(WfmSystem(SIGNED_WITH, time.time)) as system:
        system.script = [503, None, 204]
        client.post(client.url, json=A_HOOK | {"endpointUrl": f"{system.url}/hook", "events": register.EVENTS[1:]})
        client.post(client.url, json=A_HOOK | {"endpointUrl": f"{system.url}/off", "enabled": False})
        gateway.edit_queue("queue-001", wrapUpTimeout=60)
        gateway.edit_member("queue-001", "agent-001", score=0.5)
        until(lambda: len(system.sent) == 3)
        assert [(status, path) for status, _, _, path in system.sent] == [
            (503, "/hook"),
            (None, "/hook"),
            (204, "/hook"),
        ]
        assert len({headers["x-webhook-id"] for _, headers, _, _ in system.sent}) == 1
        body = client.get(gateway.url + "/_sim/state").json()["queues"]["queue-001"]
        assert body["members"][0]["score"] == 0.5
        assert (
            b'"eventType": "routing.queueMember.updated", "queueId": "queue-001", "userId": "agent-001"'
            in system.sent[0][2]
        )


def test_the_secret_is_never_shown(client, gateway):
    shown = client.patch(f"{gateway.url}/_sim/settings", json={"latency_ms": 0}).text
    assert SIGNED_WITH not in shown
