"""Arguments that many commands have, and what a shell completes for them."""

import shlex
from collections.abc import Iterator
from typing import Annotated

import typer

from routing_weights_cli.app import Session
from routing_weights_cli.errors import CliError
from routing_weights_cli.names import folded

_COMPLETING = "_ROUTING_WEIGHTS_COMPLETE"
"""The variable in which a shell says that it completes a command, and which shell it is."""
_MOST = 50


def _queues(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of queues, for a shell. It has no place for an error: then there is nothing to complete."""
    session = ctx.find_root().obj or Session()
    is_bash = session.environ.get(_COMPLETING, "").endswith("_bash")  # it inserts a name as it is; others quote it
    try:
        for line in session.api.pages("/queues", most=_MOST, limit=_MOST, name=incomplete or None):
            if folded(line["name"]).startswith(folded(incomplete)):
                yield shlex.quote(line["name"]) if is_bash else line["name"], line.get("division") or ""
    except CliError:
        return


Queue = Annotated[str, typer.Argument(help="The queue's name or id.", autocompletion=_queues)]
MaybeQueue = Annotated[str | None, typer.Argument(help="The queue's name or id.", autocompletion=_queues)]
Confirm = Annotated[bool, typer.Option("--confirm", help="Do it. Without this, show what would change.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the record.")]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="TIME", help="When the plan expires: 18:00, '2026-12-24 18:00', or 2h30m from now."
    ),
]
From = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="The begin: a day such as 2026-11-30, or a day and time.")
]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="The end. Now when absent.")]
