"""The audit trail: verify it, and export it for a spreadsheet."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import requests
import typer

from routing_weights_cli.api import TIMEOUT_S
from routing_weights_cli.app import Command, new_group, session
from routing_weights_cli.arguments import From, Queue, To
from routing_weights_cli.errors import CliError, Exit
from routing_weights_cli.times import bound

group = new_group("Who changed what: verify all records, and export those of a queue.")


class Form(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


@group.command("export", cls=Command)
def export(
    ctx: typer.Context,
    queue: Queue,
    since: From = None,
    to: To = None,
    form: Annotated[Form, typer.Option("--format", help="csv for a spreadsheet, jsonl for whole records.")] = Form.CSV,
    file: Annotated[Path | None, typer.Option("--file", help="Where to write it. The terminal when absent.")] = None,
) -> None:
    """Export the records of a queue: one row for each property that changed, with who, when, old and new.

    It needs the role operator, or an AWS profile.
    """
    own = session(ctx)
    line = own.names.queue(queue)
    span = {"from": bound(since, own.zone), "to": bound(to, own.zone)}
    address = own.api.location("/audit/export", queue_id=line["queue_id"], format=form.value, **span)
    try:
        with requests.Session() as plain:
            plain.trust_env = False  # the address has its own signature, which no other credentials may join
            answer = plain.get(address, timeout=TIMEOUT_S)
            answer.raise_for_status()
    except requests.RequestException as error:
        raise CliError("The exported file could not be fetched.", "Run the command again.") from error
    if file is None:
        own.out.stdout.write(answer.content.decode())
        return
    file.write_bytes(answer.content)
    rows = len(answer.content.splitlines())
    own.out.say(f"{rows} lines are in {file}.")


@group.command("verify", cls=Command)
def verify(ctx: typer.Context) -> int:
    """Verify every record, link, document and checkpoint. Exit code 4 if something is not as it was written.

    It needs an AWS profile: the trail is about all queues.
    """
    own = session(ctx)
    report = own.api.get("/audit/verification")
    if own.out.form == "json":
        own.out.document(report)
    else:
        empty = (
            f"Sound. All is as it was written. Records: {report['records']}, chains: {report['chains']}, documents: "
            f"{report['documents']}, checkpoints: {report['checkpoints']}."
        )
        own.out.table(report["findings"], ["kind", "sentence"], fold=["sentence"], empty=empty)
    if not report["sound"]:
        own.out.note("docs/operate/audit.md says what to do when something is found.")
    return Exit.DONE if report["sound"] else Exit.NEEDS_A_PERSON
