"""`routing-weights`: registers the commands, and turns every error into a sentence and an exit code."""

import io
import sys
from typing import Annotated, cast

import typer

from routing_weights_cli import __version__
from routing_weights_cli.app import Command, Group, Session
from routing_weights_cli.commands import (
    approvals,
    audit,
    baselines,
    distributions,
    doctor,
    drift,
    fleets,
    forecasts,
    plans,
    queues,
    schedules,
    shares,
    sheets,
)
from routing_weights_cli.errors import CliError, Exit
from routing_weights_cli.out import Out

NAME = "routing-weights"
STOPPED = 130
"""What shells say of a command that Ctrl-C ended."""
_CLICK_ERROR = typer.BadParameter.__mro__[2]
"""click's ClickException, of the click that Typer brings: wrong usage."""

app = typer.Typer(
    name=NAME,
    help="See, change and restore who gets the calls of a Genesys Cloud queue.",
    epilog="Exit codes: 0 done, 1 refused, 2 differs, 3 restored, 4 needs a person.",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _print_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """See, change and restore who gets the calls of a Genesys Cloud queue."""


for _name, _command in (
    ("queues", queues.queues),
    ("export", sheets.export),
    ("apply", sheets.apply),
    ("watch", distributions.watch),
    ("status", distributions.status),
    ("history", distributions.history),
    ("diff", distributions.compare),
    ("restore", distributions.restore),
    ("drift", drift.drift),
    ("shares", shares.shares),
    ("approvals", approvals.approvals),
    ("approve", approvals.approve),
    ("reject", approvals.reject),
    ("doctor", doctor.doctor),
):
    app.command(_name, cls=Command)(_command)
app.command(
    "plan",
    cls=sheets.PlanCommand,
    help="What a sheet would change: the diff, the projection, notes. Nothing is written. 2 if something would change.",
)(sheets.apply)
for _name, _group in (
    ("plans", plans.group),
    ("baseline", baselines.group),
    ("schedule", schedules.group),
    ("fleet", fleets.group),
    ("forecast", forecasts.group),
    ("audit", audit.group),
):
    app.add_typer(_group, name=_name)


def main(arguments: list[str] | None = None, session: Session | None = None) -> int:
    """Run a command line, and return its exit code."""
    session = session or Session()
    try:
        code = app(arguments, prog_name=NAME, standalone_mode=False, obj=session)
    except CliError as error:
        session.out.error(error.message, error.remedy)
        return error.exit_code
    except KeyboardInterrupt:
        return STOPPED
    except typer.Abort:
        return Exit.REFUSED
    except Exception as error:
        if not isinstance(error, _CLICK_ERROR):
            raise
        if message := cast("typer.BadParameter", error).format_message():  # none after the help of a group
            Out().error(message, f"`{NAME} --help` shows what there is.")
        return Exit.REFUSED
    return code if isinstance(code, int) else Exit.DONE


def run() -> None:
    """The entry point of the package."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no arrows shows a question mark
    sys.exit(main())
