"""The people and queues of `make up`: two divisions, and somebody for each role. All of them are made up."""

from __future__ import annotations

from typing import Any

import requests

from local.genesys.platform_organisation import HOME
from local.genesys.settings import Settings

SEE, EDIT = "routing:queue:view", "routing:queue:edit"
NORTH = {"id": "division-north", "name": "North", "selfUri": "/api/v2/authorization/divisions/division-north"}
ALL = "*"
_TIMEOUT_S = 10.0


def _grant(role: str, division: str, *permissions: str) -> dict[str, Any]:
    return {"role": role, "division": division, "permissions": list(permissions)}


def _approves(division: str) -> dict[str, Any]:
    return _grant("Routing Weights Approver", division, SEE)


def _operates(division: str) -> dict[str, Any]:
    return _grant("Routing Weights Operator", division, SEE)


PEOPLE: dict[str, dict[str, Any]] = {
    "person-vera": {"name": "Vera Viewer", "grants": [_grant("Analyst", HOME["id"], SEE)]},
    "person-pia": {"name": "Pia Planner", "grants": [_grant("Supervisor", HOME["id"], SEE, EDIT)]},
    "person-anton": {"name": "Anton Approver", "grants": [_approves(HOME["id"])]},
    "person-nora": {
        "name": "Nora North",
        "grants": [_grant("Supervisor", NORTH["id"], SEE, EDIT), _approves(NORTH["id"])],
    },
    "person-alma": {
        "name": "Alma Admin",
        "grants": [_grant("Administrator", ALL, SEE, EDIT), _approves(ALL), _operates(ALL)],
    },
    "person-rolf": {"name": "Rolf Noroles", "grants": []},
}
QUEUES: dict[str, dict[str, Any]] = {
    "queue-002": {"agents": 8, "queue": {"name": "Billing"}},
    "queue-101": {"agents": 6, "queue": {"name": "Support North", "division": NORTH}},
}
FIRST_QUEUE = "Support"


def introduce(genesys_url: str, redirect_uri: str) -> None:
    """Let these people sign in at the simulator, and give each division a queue to look at."""
    control = f"{genesys_url}/_sim"
    with requests.Session() as session:
        session.trust_env = False

        def send(method: str, path: str, body: dict[str, Any]) -> None:
            session.request(method, f"{control}/{path}", json=body, timeout=_TIMEOUT_S).raise_for_status()

        send("PATCH", "settings", {"redirect_uris": redirect_uri})
        for user_id, person in PEOPLE.items():
            send("PUT", f"people/{user_id}", person)
        send("PATCH", f"queues/{Settings.queue_id}", {"name": FIRST_QUEUE})
        for queue_id, queue in QUEUES.items():
            send("PUT", f"queues/{queue_id}", queue)
