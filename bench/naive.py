"""The naive client that everything is measured against: one PATCH after another over one session.

It has no diff, so it writes each member whatever Genesys holds; no lock, no order, no before-image, no verification.
"""

import time
from collections.abc import Mapping
from urllib.parse import quote

import requests

from bench.outside import Genesys

FIELD = {"score": "score", "platform": "ringNumber"}
TIMEOUT_S = 30.0


def write_all(genesys: Genesys, queue_id: str, values: Mapping[str, float]) -> float:
    """Give each member its value, and return the seconds that this took, without the login."""
    members = f"{genesys.url}/api/v2/routing/queues/{quote(queue_id)}/members"
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {genesys.token()}"
        started = time.perf_counter()
        for user_id, value in values.items():
            name = "id" if genesys.contract == "platform" else "user_id"
            more = {} if genesys.contract == "platform" else {"routing_type": "Automatic"}
            body = {name: user_id, FIELD[genesys.contract]: value} | more
            session.patch(f"{members}/{quote(user_id)}", json=body, timeout=TIMEOUT_S).raise_for_status()
        return time.perf_counter() - started
