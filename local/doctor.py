"""`python -m local.doctor`: names what a Genesys Cloud organisation and an AWS account lack before a deployment.

It uses the layer's own client, so Genesys refuses it the requests that it would refuse the functions.
"""

import logging
import os
import re
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, Literal

import requests
from botocore.exceptions import BotoCoreError, ClientError

from local import quotas, shares
from local.terminal import Connection, Credentials, given_by, parser_of
from routing_weights.adapters.genesys.analytics import Analytics
from routing_weights.adapters.genesys.contracts import platform
from routing_weights.adapters.genesys.contracts.member_writes import member_write
from routing_weights.adapters.genesys.contracts.queue_document import QueueDocument
from routing_weights.adapters.genesys.contracts.reading import child, children, get_queue, queue_path
from routing_weights.adapters.genesys.tokens import platform_request
from routing_weights.domain.actuation import Actuation
from routing_weights.domain.actuators import actuator_class, names_for
from routing_weights.domain.actuators.base import Actuator, MemberField, SkillProficiency
from routing_weights.domain.actuators.joined import Joined
from routing_weights.domain.queue import Member, QueueSettings
from routing_weights.domain.shares import SharesInForce
from routing_weights.domain.strategies import Strategy
from routing_weights.domain.types import GenesysId, Line
from routing_weights.errors import Forbidden, GenesysRefused, RoutingWeightsError
from routing_weights.settings import PlatformActuator

NOBODY = "00000000-0000-0000-0000-000000000000"
_PAST_THE_PERMISSION = {requests.codes.bad_request, requests.codes.not_found}
_ANY_STRATEGY = Strategy(description="Requires nothing.")
_EDITED = "Only plans with wrap_up_timeout_s or overflow groups, and strategies that set something, need it."
_OF_FORECASTS = "Only forecasts from Genesys need it: docs/use/forecasts.md."
_OF_SHARES = "Counters of draws are corrected by it, and realised shares are read by it."
_HERE = {
    r"then send the plan again": "then run this again",
    r"in CredentialsSecret": "(GENESYS_CLIENT_ID, GENESYS_CLIENT_SECRET)",
    r"that the client is active": "that the client is active and of this region",
    r"Check queue_id": "Check the id, and the divisions of the client's role",
    r"^The OAuth client may not do .*?: it needs": "It needs",
    r"^skill: ": "",
}
"""The layer's sentences are for whoever sends a plan to a deployment. The doctor says instead what to do here."""
_HELP = """
variables; the first ones are those of python -m local.stack. An empty variable
counts as unset:
  GENESYS_CLIENT_ID      the OAuth client, of grant type Client Credentials
  GENESYS_CLIENT_SECRET  its secret, read from here only and never shown
  GENESYS_REGION         the AWS region of the organisation: eu-central-1
  GENESYS_CONTRACT       platform, the only contract that the doctor checks
  GENESYS_BASE_URL, GENESYS_LOGIN_URL
                         only for a Genesys on this machine
  QUEUE_ID, SKILL, ACTUATOR, WFM_BUSINESS_UNIT
                         for the flags that are not given
  AWS_PROFILE, or AWS_ACCESS_KEY_ID and so on; AWS_REGION
                         the account and region of the deployment, whose quotas
                         are checked; without them, no quota is
  STACK_NAME             the deployment whose shares are checked, with actuator
                         share (routing-weights)

The doctor changes nothing. To find out whether the client may write, it writes
to a user, a skill and a queue that do not exist: their ids are all zeros. A 403
means that the permission is missing; a 404 or 400 means that Genesys has looked
at the permission. This has two limits. Genesys might look for the id first;
then a missing permission passes as granted. And a permission is valid in
divisions: writes of members are tried in your queue, but editing a queue and
assigning a skill are tried in no division.

exit code: 0 nothing is missing, 1 something is missing, 2 wrong usage

example:
  export GENESYS_REGION=eu-central-1 GENESYS_CLIENT_ID=6f1d...
  read -rs GENESYS_CLIENT_SECRET && export GENESYS_CLIENT_SECRET
  python -m local.doctor --queue 9c2e... --actuator proficiency --skill "Sales"
"""


class Input(Credentials):
    """The environment, with the flags over it."""

    genesys_contract: Literal["platform"] = "platform"
    queue_id: GenesysId | None = None
    skill: Line | None = None
    actuator: PlatformActuator = "ring"
    wfm_business_unit: GenesysId | None = None
    stack_name: Line = "routing-weights"


WITHOUT_A_TOKEN = {"hosts", "token", "shares", "draw", "concurrency", "log delivery"}


class _Skipped(Exception):
    """A check that cannot be made, with the reason."""


class Doctor:
    """Each check returns a sentence, or raises the layer's error."""

    def __init__(self, given: Input, session: requests.Session, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._given, self._queue_id, self._organisation_id = given, "", ""
        self._settings: QueueSettings | None = None
        self._shares: SharesInForce | None = None
        self._actuator = actuator_class(given.actuator).for_weights([1.0], 1)
        connection = Connection(given, session, platform_request, platform.needs)
        self._secret, self._issuer, self._client = connection.token, connection.issuer, connection.client

    def findings(self) -> Iterator[tuple[str, str, str]]:
        """Yield `ok`, `missing` or `skipped`, the name of the check, and a sentence."""
        for name, check in self._checks():
            try:
                if not self._secret.value and name not in WITHOUT_A_TOKEN:
                    raise _Skipped("There is no token.")  # noqa: TRY301
                yield "ok", name, check()
            except _Skipped as reason:
                yield "skipped", name, str(reason)
            except RoutingWeightsError as error:
                yield "missing", name, _in_our_words(error.message)

    def _checks(self) -> Iterator[tuple[str, Callable[[], str]]]:
        """Yield the checks one by one, so that a check can use what an earlier one has found."""
        yield "hosts", self._hosts
        yield "token", self._token
        yield "organisation", self._organisation
        yield "queue", self._find_queue
        yield "members", self._count_members
        if self._actuator.takes_skill:
            yield "read skills", self._read_skills
            yield "skill", self._find_skill
        if isinstance(self._actuator.carrier, MemberField | SkillProficiency):
            nothing = {NOBODY: self._actuator.value(0.0, Fraction(0))}
            write = member_write(self._actuator.carrier, self._queue_id or NOBODY, nothing, NOBODY)
            yield "write member", self._try(write.method, write.path, write.body)
        yield "edit queue", self._try("PUT", queue_path(NOBODY), {"name": "Nobody's queue"}, _EDITED)
        yield "agents now", self._optional(self._observe)
        yield "history", self._optional(self._history)
        yield "WFM forecast", self._optional(self._predicted)
        if self._actuator.takes_share:
            yield "realised", self._realised
            yield "draw role", self._deployed(self._role)
            yield "shares", self._deployed(self._find_shares)
            yield "can be drawn", self._deployed(self._compare_members)
            yield "rules", self._compare_rules
            yield "draw", self._deployed(lambda deployment: deployment.draw(self._named_queue()))
        yield "concurrency", self._granted(quotas.concurrency)
        yield "log delivery", self._granted(quotas.log_delivery)

    def _hosts(self) -> str:
        region = f"{self._given.genesys_region}: " if self._given.genesys_region else ""
        return f"{region}API {self._given.api_url}, tokens {self._given.login_url}."

    def _token(self) -> str:
        self._issuer.refresh("")
        return f"Issued, and valid for {(self._secret.value['expires_at'] - time.time()) / 60:.0f} minutes."

    def _organisation(self) -> str:
        answer = self._client.get("/api/v2/tokens/me")
        organisation = child(answer if isinstance(answer, dict) else {}, "organization")
        self._organisation_id = str(organisation.get("id") or "")
        return f"The client belongs to {organisation.get('name') or 'an organisation'}, id {organisation.get('id')}."

    def _find_queue(self) -> str:
        queue = get_queue(self._client, self._named_queue())
        self._queue_id = self._named_queue()
        document = QueueDocument(queue, _actuation(Joined(1.0)))
        rules, held = children(child(queue, "conditionalGroupRouting"), "rules"), document.settings()
        self._settings, overflow, advice = held, document.no_room_for_overflow(), ""
        if reason := self._actuator.without_effect(held):
            advice = f" {reason}."
        return (
            f"{queue.get('name')} is visible. skillEvaluationMethod {held.skill_evaluation_method}, "
            f"{held.bullseye_rings} bullseye rings, {len(rules)} rules of conditional group routing, conditional "
            f"group activation {'on' if child(queue, 'conditionalGroupActivation') else 'off'}. Overflow groups "
            f"{f'have no room: {overflow}' if overflow else 'have room'}.{advice}"
        )

    def _count_members(self) -> str:
        members = self._members(Joined(1.0))
        joined, by_group = sum(m.value is True for m in members), sum(m.by_group for m in members)
        sentence = f"{len(members)}, of whom {joined} are joined, {by_group} through a group."
        return f"{sentence} {self._actuator.group_note}".rstrip() if by_group else sentence

    def _read_skills(self) -> str:
        self._client.get("/api/v2/routing/skills", pageSize=1)
        return _allowed("GET", "/api/v2/routing/skills")

    def _find_skill(self) -> str:
        if not self._given.skill:
            raise _Skipped("Name a skill with --skill.")
        holders = sum(member.value is not None for member in self._members(self._actuator, self._given.skill))
        return f"{self._given.skill} exists. {holders} of the members hold it."

    def _observe(self) -> str:
        observed = Analytics(self._client).observe(self._known_queue())
        by_status = ", ".join(f"{count} {status}" for status, count in sorted(observed.on_queue.items())) or "nobody"
        return f"On queue: {by_status}. {observed.waiting} contacts wait."

    def _history(self) -> str:
        found = Analytics(self._client).history([self._known_queue()])[self._queue_id]
        if found is None:
            return (
                "Allowed, but this source would be skipped now: "
                "too few of the last weeks have contacts in this half hour."
            )
        return f"{found.offered:g} contacts offered in this half hour of the week: median of {found.weeks} weeks."

    def _predicted(self) -> str:
        if not self._given.wfm_business_unit:
            raise _Skipped("Name a WFM business unit with --wfm-business-unit.")
        found = Analytics(self._client).predicted(self._given.wfm_business_unit, self._known_queue())
        if isinstance(found, str):
            return f"Allowed, but this source would be skipped now: {found}."
        return f"{found.volume.offered:.1f} contacts in this quarter of an hour, from {found.detail}."

    def _realised(self) -> str:
        """Genesys may refuse what every distribution of shares is measured by."""
        queue, now = self._known_queue(), datetime.now(UTC)
        try:
            handled = Analytics(self._client).realised_by_member([queue], now - timedelta(hours=1), now)
        except Forbidden as error:
            raise Forbidden(f"{error.message} {_OF_SHARES}") from error
        contacts = sum(each.contacts for each in handled.get(queue.lower(), {}).values())
        return f"Allowed. In the last hour agents answered {contacts} contacts of this queue."

    def _role(self, deployment: shares.Deployment) -> str:
        if not self._organisation_id:
            raise _Skipped("Genesys did not say which organisation the client belongs to.")
        return deployment.role(self._organisation_id)

    def _find_shares(self, deployment: shares.Deployment) -> str:
        self._shares = deployment.shares(self._named_queue())
        return shares.described(self._shares_in_force())

    def _compare_members(self, deployment: shares.Deployment) -> str:
        in_force = self._shares_in_force()
        return shares.who_can_be_drawn(in_force, self._members(Joined(1.0)), int(deployment.parameters["DrawLimit"]))

    def _compare_rules(self) -> str:
        in_force = self._shares_in_force()
        if self._settings is None:
            raise _Skipped("No queue was found to look into.")
        return shares.rules_that_fit(in_force, self._settings.routing_rules)

    def _shares_in_force(self) -> SharesInForce:
        if self._shares is None:
            raise _Skipped("No shares were found to be in force for this queue.")
        return self._shares

    def _deployed(self, check: Callable[[shares.Deployment], str]) -> Callable[[], str]:
        """A check of the deployment, if there are credentials for it."""
        return self._granted(lambda clients: check(shares.Deployment(clients, self._given.stack_name)))

    def _optional(self, check: Callable[[], str]) -> Callable[[], str]:
        """A check of something that plans do not need."""

        def checked() -> str:
            try:
                return check()
            except Forbidden as error:
                raise _Skipped(f"{_in_our_words(error.message)} {_OF_FORECASTS}") from error

        return checked

    def _granted(self, check: Callable[[Callable[[str], Any]], str]) -> Callable[[], str]:
        """A check of the account for the deployment, if there are credentials for it."""

        def checked() -> str:
            try:
                clients = quotas.clients_of(self._environ)
                if clients is None:
                    raise _Skipped("Not checked: there are no AWS credentials. Set AWS_PROFILE and AWS_REGION.")
                return check(clients)
            except (BotoCoreError, ClientError) as error:
                raise _Skipped(f"Not checked: {error}") from error

        return checked

    def _named_queue(self) -> str:
        if not self._given.queue_id:
            raise _Skipped("Name a queue with --queue.")
        return self._given.queue_id

    def _known_queue(self) -> str:
        if not self._queue_id:
            raise _Skipped("No queue was found to look into.")
        return self._queue_id

    def _members(self, actuator: Actuator, skill: str | None = None) -> Sequence[Member]:
        contract = platform.PlatformContract(self._client, _actuation(actuator, skill))
        return contract.read_queue(self._known_queue()).members

    def _try(self, method: str, path: str, body: Any, note: str = "") -> Callable[[], str]:
        """A write that has nothing to change. It fails if Genesys refuses it for lack of a permission."""

        def check() -> str:
            try:
                self._client.write(method, path, body)
            except Forbidden as error:
                raise Forbidden(f"{error.message} {note}".rstrip()) from error
            except GenesysRefused as error:
                if error.details["http_status"] not in _PAST_THE_PERMISSION:
                    raise
            return _allowed(method, path)

        return check


def _in_our_words(message: str) -> str:
    for theirs, ours in _HERE.items():
        message = re.sub(theirs, ours, message)
    return message


def _actuation(actuator: Actuator, skill: str | None = None) -> Actuation:
    return Actuation(actuator, _ANY_STRATEGY, skill, ())


def _allowed(method: str, path: str) -> str:
    return f"Allowed ({platform.needs(method, path).split(',')[0].removeprefix('the permission ')})."


def main(argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Return the exit code. Wrong usage raises SystemExit 2, as argparse does."""
    what = "Checks a Genesys organisation and an AWS account before a deployment."
    parser = parser_of("doctor", what, _HELP)
    parser.add_argument("--queue", dest="queue_id", metavar="ID", help="the id of a queue that plans will be about")
    parser.add_argument("--skill", help="proficiency: the skill dedicated to that queue, by id or name")
    parser.add_argument("--actuator", help=f"{', '.join(names_for('platform'))}: what will carry the weights (ring)")
    parser.add_argument("--stack", dest="stack_name", metavar="NAME", help="the deployment, for actuator share")
    parser.add_argument("--wfm-business-unit", metavar="ID", help="where plans are to be projected with its forecasts")
    given = given_by(Input, parser, vars(parser.parse_args(argv)), environ)
    counts = {"ok": 0, "missing": 0, "skipped": 0}
    with requests.Session() as session:
        session.trust_env = False  # a .netrc would replace the token
        for state, name, sentence in Doctor(given, session, environ).findings():
            counts[state] += 1
            text = "".join(c for c in sentence if c.isprintable())
            print(
                textwrap.fill(text, 80, initial_indent=f"{state:<9}{name:<14}", subsequent_indent=" " * 23), flush=True
            )
    print(", ".join(f"{count} {state}" for state, count in counts.items()))
    return 1 if counts["missing"] else 0


if __name__ == "__main__":
    logging.getLogger().addHandler(logging.NullHandler())  # the layer's log lines are for functions
    sys.exit(main(sys.argv[1:], os.environ))
