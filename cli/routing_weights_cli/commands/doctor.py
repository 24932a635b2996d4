"""What the credentials lack, and which queues' divisions are covered. It reads only."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import typer

from routing_weights_cli.api import Json
from routing_weights_cli.app import Session, session
from routing_weights_cli.arguments import MaybeQueue
from routing_weights_cli.errors import CliError, Exit, ProblemError
from routing_weights_cli.genesys import Genesys, NoCredentialsError
from routing_weights_cli.names import folded

NOBODY = "00000000-0000-0000-0000-000000000000"
_FORBIDDEN, _NOT_FOUND, _NAMED, _INDENT = 403, 404, 5, 23
_OF_ROLES = (
    ("planner", "DELETE", f"/schedules/{NOBODY}", "change queues"),
    ("approver", "POST", f"/distributions/{NOBODY}/reject", "approve what others ask for"),
)
"""Requests about what does not exist: a 404 says that the role was enough, a 403 that it was not."""
_OF_GENESYS: Sequence[tuple[str, str, str]] = (
    ("read queues", "/api/v2/routing/queues", "routing:queue:view"),
    ("read skills", "/api/v2/routing/skills", "routing:skill:view"),
)
"""Of a person the first one is asked: the deployment reads the rest with its own client."""

State = Literal["ok", "missing", "skipped"]


class Finding(NamedTuple):
    state: State
    check: str
    sentence: str


def doctor(ctx: typer.Context, queue: MaybeQueue = None) -> int:
    """What is missing before you start: the API, your roles, and the queues that are covered. It changes nothing.

    With GENESYSCLOUD_ACCESS_TOKEN, or with GENESYSCLOUD_OAUTHCLIENT_ID and _SECRET, it also asks Genesys
    (GENESYSCLOUD_REGION), and names the queues that you see there and the deployment does not.
    """
    own = session(ctx)
    findings = []
    for finding in _findings(own, queue):
        findings.append(finding._asdict())
        if own.out.form == "table":
            own.out.say(_line(finding))
    if own.out.form != "table":
        own.out.table(findings, Finding._fields)
    missing = sum(each["state"] == "missing" for each in findings)
    own.out.say(f"{missing} missing." if missing else "Nothing is missing.", "bold red" if missing else "bold green")
    return Exit.REFUSED if missing else Exit.DONE


def _findings(own: Session, queue: str | None) -> Iterator[Finding]:
    lines: list[Json] | None = None
    try:
        who = {"token": "with your Genesys token", "aws": "signed by your AWS credentials", "none": "unsigned"}
        yield Finding("ok", "address", f"{own.config.api}, {who[own.config.auth]}.")
        lines = own.names.queues()
        yield _of_queues(lines)
    except CliError as error:
        yield Finding("missing", "api", _sentence(error))
    if lines is not None:
        yield from _roles(own)
        if queue:
            yield _of_queue(own, queue)
    try:
        genesys = Genesys.of(own.environ)
        yield from _of_genesys(genesys, lines)
    except CliError as error:
        yield Finding("missing", "genesys", _sentence(error))
    except NoCredentialsError as reason:
        yield Finding("skipped", "genesys", str(reason))


def _of_queues(lines: list[Json]) -> Finding:
    if not lines:
        sentence = "You see no queue. Either your role in Genesys covers no division with queues, or the deployment's."
        return Finding("missing", "queues", sentence)
    divisions = sorted({str(line["division"]) for line in lines if line["division"]})
    where = f" in {_listed(divisions)}" if divisions else ""
    return Finding("ok", "queues", f"You see {_counted(len(lines), 'queue')}{where}.")


def _roles(own: Session) -> Iterator[Finding]:
    for role, method, path, purpose in _OF_ROLES:
        try:
            own.api.delete(path) if method == "DELETE" else own.api.post(path, {"reason": "doctor"})
        except ProblemError as error:
            if error.status == _NOT_FOUND:
                yield Finding("ok", role, f"You may {purpose}.")
            elif error.status == _FORBIDDEN:
                yield Finding("skipped", role, f"You may not {purpose}: {error.message}")
            else:
                yield Finding("missing", role, _sentence(error))


def _of_queue(own: Session, queue: str) -> Finding:
    try:
        line = own.names.queue(queue)
        members = own.names.members(line["queue_id"])
    except CliError as error:
        return Finding("missing", "queue", _sentence(error))
    joined = sum(member["joined"] for member in members)
    no_mail = sum(not member["email"] for member in members)
    lacks = f" {no_mail} have no e-mail address: name them otherwise in files." if no_mail else ""
    return Finding("ok", "queue", f"{line['name']} has {len(members)} members, {joined} of them joined.{lacks}")


def _of_genesys(genesys: Genesys, lines: list[Json] | None) -> Iterator[Finding]:
    try:
        organisation = genesys.get("/api/v2/tokens/me").get("organization") or {}
        yield Finding("ok", "organisation", f"{organisation.get('name') or 'unnamed'}, id {organisation.get('id')}.")
    except ProblemError as error:
        yield Finding("missing", "organisation", f"Genesys does not accept the token: {error.message}.")
        return
    for check, path, permission in _OF_GENESYS if genesys.is_of_a_client else _OF_GENESYS[:1]:
        try:
            genesys.get(path, pageSize=1)
            yield Finding("ok", check, f"Allowed ({permission}).")
        except ProblemError as error:
            if error.status != _FORBIDDEN:
                raise
            yield Finding("missing", check, f"Genesys refuses {path}: the role needs {permission}.")
            if check == "read queues":
                return
    theirs = list(genesys.queues())
    if lines is not None:
        yield _covered(theirs, lines)
    if genesys.is_of_a_client:
        yield Finding("skipped", "writes", "Not tried. From a checkout, `make doctor` says what the client may write.")


def _covered(theirs: list[Json], lines: list[Json]) -> Finding:
    """Compare the queues that the caller sees in Genesys with those that the API lists."""
    ours = {line["queue_id"] for line in lines}
    absent = [queue for queue in theirs if str(queue["id"]).lower() not in ours]
    if not absent:
        return Finding("ok", "divisions", f"The deployment sees all {len(theirs)} queues that you see in Genesys.")
    names = sorted((str(queue["name"]) for queue in absent), key=folded)
    divisions = sorted({str((queue.get("division") or {}).get("name") or "no division") for queue in absent})
    sentence = (
        f"{_counted(len(absent), 'queue')} of Genesys are not listed here: {_listed(names)}. The role of the "
        f"deployment's OAuth client, or your own, does not cover {_listed(divisions)}."
    )
    return Finding("missing", "divisions", sentence)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _line(finding: Finding) -> str:
    first = f"{finding.state:<9}{finding.check:<14}"
    return textwrap.fill(finding.sentence, 80, initial_indent=first, subsequent_indent=" " * _INDENT)


def _sentence(error: CliError) -> str:
    return f"{error.message} {error.remedy}".rstrip()
