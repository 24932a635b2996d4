"""`python -m local.register`: registers a deployment's webhook at a gateway of contract `score`.

Run it at set-up, and again whenever the deployment's address changes. An existing webhook is found and updated.
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import requests
from pydantic import Field

from local.terminal import Connection, Credentials, given_by, parser_of
from routing_weights.adapters.genesys.client import GenesysClient
from routing_weights.adapters.genesys.contracts import score
from routing_weights.adapters.genesys.contracts.reading import PAGE_SIZE, entities
from routing_weights.adapters.genesys.tokens import score_request
from routing_weights.errors import GenesysAnswerInvalid, RoutingWeightsError

PATH = "/api/v2/platform/webhooks"
CALLBACK = "/webhooks/genesys/callback"
NAME = "Routing Weight Distribution Sync"
EVENTS = ["routing.queue.updated", "routing.queueMember.updated"]
_HELP = """
variables; an empty one counts as unset:
  API_URL                ApiUrl of the deployment, unless --api names it
  GENESYS_BASE_URL       the URL of the gateway's API
  GENESYS_LOGIN_URL      the URL that issues tokens, if it is another one
  GENESYS_CLIENT_ID      the OAuth client; its scope is webhooks:write
  GENESYS_CLIENT_SECRET  its secret: read from this variable only, never shown

The gateway must sign its webhooks with the secret in the deployment's
WebhookSecret. Contract score has no field for the secret: set it as the
gateway's own documentation says.

exit code: 0 registered, 1 the gateway refused, 2 wrong usage
"""


class Input(Credentials):
    genesys_contract: Literal["score"] = "score"
    api_url_of_deployment: str = Field(alias="api_url", pattern=r"^https://[^\s?#@]+$|^http://127\.0\.0\.1(:\d+)?/?$")
    name: str = Field(default=NAME, min_length=1, max_length=200)


class Registration:
    """The webhook of this name, or with this endpoint."""

    def __init__(self, client: GenesysClient, name: str, endpoint: str) -> None:
        self._client = client
        self._wanted = {
            "name": name,
            "description": "Reports changes in queues, so that drift from the applied plan is found.",
            "enabled": True,
            "endpointUrl": endpoint,
            "events": EVENTS,
        }

    def carry_out(self) -> str:
        """Register or update the webhook, read it back, and return a sentence about it."""
        before = self._one()
        if before is None:
            self._client.write("POST", PATH, self._wanted, applied=lambda: self._one() is not None)
            return f"Registered {self._confirmed()}."
        if not self._differs(before):
            return f"{before['id']} is registered correctly: nothing was sent."
        # A PUT replaces the webhook, so the gateway's other fields are sent as they were.
        self._client.write("PUT", f"{PATH}/{before['id']}", before | self._wanted)
        return f"Changed {self._confirmed()}."

    def _one(self) -> dict[str, Any] | None:
        hooks = [
            hook for hook in self._all() if any(hook.get(key) == self._wanted[key] for key in ("name", "endpointUrl"))
        ]
        if len(hooks) > 1:
            raise GenesysAnswerInvalid(
                f"{len(hooks)} webhooks have this name or endpoint: {', '.join(str(hook['id']) for hook in hooks)}. "
                "Keep one, delete the others, then run this again."
            )
        return hooks[0] if hooks else None

    def _all(self) -> list[dict[str, Any]]:
        listed: dict[str, dict[str, Any]] = {}
        number, pages = 1, 1
        while number <= pages:
            # Every listing of this contract takes both names of the parameter.
            response = self._client.get(PATH, pageSize=PAGE_SIZE, page=number, pageNumber=number)
            page = {str(hook["id"]): hook for hook in entities(response, PATH)}
            if listed.keys() & page.keys():
                raise GenesysAnswerInvalid(f"The gateway lists a webhook again on page {number}: nothing was changed.")
            listed |= page
            pages = response.get("pageCount") if isinstance(response.get("pageCount"), int) else 1
            number += 1
        return list(listed.values())

    def _differs(self, hook: dict[str, Any]) -> bool:
        registered = hook | {"events": sorted(map(str, hook.get("events") or []))}
        return any(registered.get(key) != value for key, value in self._wanted.items())

    def _confirmed(self) -> str:
        hook = self._one()
        if hook is None or self._differs(hook):
            raise GenesysAnswerInvalid("The gateway accepted the webhook, but does not list it as it was sent.")
        return f"{hook['id']}: {', '.join(EVENTS)} to {hook['endpointUrl']}"


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run the command, and return the exit code. Wrong usage ends in SystemExit 2, as argparse does it."""
    parser = parser_of("register", "Registers a deployment's webhook at a gateway of contract score.", _HELP)
    parser.add_argument("--api", dest="api_url", metavar="URL", help="ApiUrl, from the outputs of the deployment")
    parser.add_argument("--name", help=f"the webhook's name ({NAME}); each deployment at a gateway needs its own")
    flags = vars(parser.parse_args(argv))
    if environ.get("GENESYS_CONTRACT") == "platform":
        parser.error("Genesys Cloud has no webhooks for queues: docs/administer/genesys-events.md describes its events")
    given = given_by(Input, parser, flags, environ)
    endpoint = given.api_url_of_deployment.rstrip("/") + CALLBACK
    with requests.Session() as session:
        session.trust_env = False  # a .netrc would replace the token
        connection = Connection(given, session, score_request, score.needs)
        try:
            connection.issuer.refresh("")
            print(Registration(connection.client, given.name, endpoint).carry_out())
        except RoutingWeightsError as error:
            message = error.message.replace("then send the plan again", "then run this again")
            print("".join(c for c in message if c.isprintable()), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())  # the layer's log lines are for functions
    sys.exit(main(sys.argv[1:], os.environ))
