"""What every command has: the options that say where the API is and what the output looks like, and its session.

A command is a function in `commands/<group>.py` whose first parameter is the context:

    group = new_group("Baselines: states to go back to.")


    @group.command("list", cls=Command)
    def list_baselines(ctx: typer.Context, queue: Annotated[str, typer.Argument(help="Its name.")]) -> int | None:
        own = session(ctx)
        line = own.names.queue(queue)
        own.out.table(own.api.get(f"/queues/{segment(line['queue_id'])}/baselines")["items"], ["name", "set_at"])

It returns its exit code; None is 0. `Command` gives it the options of every command (`--api`, `--profile`, `--output`,
`--zone`), so people may write them at the end, where they look for them.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from typer.core import TyperCommand, TyperGroup

from routing_weights_cli import config, times
from routing_weights_cli.api import Api
from routing_weights_cli.names import Names
from routing_weights_cli.out import FORMATS, Format, Out


@dataclass
class Session:
    """Everything that one call of the command line has. It connects when something asks for `api`, not before."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    options: dict[str, str] = field(default_factory=dict)
    """What the user gave of the options of every command, by name."""

    @cached_property
    def out(self) -> Out:
        form: Format = next((each for each in FORMATS if each == self.options.get("output")), "table")
        return Out(form, color="NO_COLOR" not in self.environ)

    @cached_property
    def config(self) -> config.Config:
        """Where the API is, and who calls it. Raises CliError."""
        return config.resolve(self.options.get("api"), self.options.get("profile"), self.environ)

    @cached_property
    def api(self) -> Api:
        return Api(self.config)

    @cached_property
    def names(self) -> Names:
        return Names(self.api)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone of local times, in what the user types and reads. Raises CliError."""
        return times.zone_of(self.options.get("zone"), self.environ)

    def shown(self, at: datetime | str | None) -> str:
        """An instant for people, in their zone."""
        return times.shown(at, self.zone)

    def now(self) -> datetime:
        return datetime.now(UTC)


def session(ctx: typer.Context) -> Session:
    found: Session = ctx.find_root().obj
    return found


def _keep(ctx: typer.Context, param: typer.CallbackParam, value: str | None) -> str | None:
    """Store a given option in the session. It is called for each command on the way to the one that runs."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = Session()
    if value is not None:
        if param.name == "output" and value not in FORMATS:
            raise typer.BadParameter(f"choose one of {', '.join(FORMATS)}")
        root.obj.options[str(param.name)] = value
    return value


def _option(*names: str, metavar: str, text: str, variable: str = "") -> Any:
    return typer.Option(
        *names,
        metavar=metavar,
        help=f"{text} Or the variable {variable}." if variable else text,
        rich_help_panel="Options of every command",
        callback=_keep,
    )


def _every_command(
    api: Annotated[str | None, _option("--api", metavar="URL", text="The API's address.", variable=config.API)] = None,
    profile: Annotated[
        str | None, _option("--profile", metavar="NAME", text="The AWS profile.", variable=config.PROFILE)
    ] = None,
    output: Annotated[
        str | None, _option("--output", "-o", metavar="|".join(FORMATS), text="What the output looks like.")
    ] = None,
    zone: Annotated[
        str | None, _option("--zone", metavar="ZONE", text="The zone of local times.", variable=config.ZONE)
    ] = None,
) -> None:
    """The options of every command. They store what they get, so no command has a parameter for them."""


def _options() -> list[Any]:
    bare = typer.Typer(add_completion=False)
    bare.command()(_every_command)
    options = [option for option in typer.main.get_command(bare).params if option.name != "help"]
    for option in options:
        option.expose_value = False
    return options


class Command(TyperCommand):
    """A command with the options of every command."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.params = [*self.params, *_options()]


class Group(TyperGroup):
    """A group of commands, which takes these options before the command's name too."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self.params = [*self.params, *_options()]


def new_group(text: str) -> typer.Typer:
    """A group of commands, for one file of `commands/`."""
    return typer.Typer(help=text, no_args_is_help=True, add_completion=False, cls=Group)
