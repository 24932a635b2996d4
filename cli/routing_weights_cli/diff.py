"""What a distribution changes, as lines: `~ Ana Ruiz  ring 1 → 3`. And what its projection says."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from routing_weights_cli.api import Json
from routing_weights_cli.names import Names
from routing_weights_cli.out import Out, plain

ARROW = "\u2192"
_NAME_WIDTH = 26
_FIGURES = (
    ("service_level", "service level", "{:.1%}"),
    ("abandonment", "abandonment", "{:.1%}"),
    ("mean_wait_s", "mean wait", "{:.0f} s"),
    ("occupancy", "occupancy", "{:.1%}"),
)


class Line(NamedTuple):
    sign: str
    """`~` changes, `+` is added, `-` is removed."""
    text: str


def held(actuator: str, value: Any) -> str:
    """A value on the wire in the words of the API's `holds`: `ring 3`, `no share`, `not joined`."""
    if actuator == "joined":
        return "joined" if value else "not joined"
    if value is None or (actuator == "share" and not value):
        return f"no {actuator}"
    return f"{actuator} {value:g}"


def lines_of(record: Json, members: Mapping[str, Json]) -> list[Line]:
    """The changes of `planned`, each with names and in the actuator's own unit."""
    actuator = (record.get("actuation") or {}).get("actuator", "")
    requested = {} if record.get("restores") else record.get("requested_weights") or {}
    lines = []
    for change in record.get("planned") or ():
        before, after = change["before"], change["after"]
        if "setting" in change:
            setting = change["setting"].replace("_", " ")
            lines.append(Line(_sign(before, after), f"queue: {setting} {_values('', before, after)}"))
            continue
        name = plain(members.get(change["user_id"], {}).get("name") or change["user_id"])
        weight = requested.get(change["user_id"])
        note = "" if weight is None else f"   weight {weight:g}"
        lines.append(Line(_sign(before, after), f"{name:<{_NAME_WIDTH}} {_values(actuator, before, after)}{note}"))
    written = {change.get("user_id") for change in record.get("planned") or ()}
    for user_id, weight in requested.items():
        old = members.get(user_id, {}).get("weight")
        if user_id not in written and old not in {None, weight} and record["status"] == "dry_run":
            same = held(actuator, record["actuation"]["members"][user_id]["value"])
            name = plain(members[user_id]["name"])
            lines.append(Line(" ", f"{name:<{_NAME_WIDTH}} {same} stays   weight {old:g} {ARROW} {weight:g}"))
    return lines


def _values(actuator: str, before: Any, after: Any) -> str:
    if not actuator:
        return f"{plain(before) or 'nothing'} {ARROW} {plain(after) or 'nothing'}"
    first, second, unit = held(actuator, before), held(actuator, after), f"{actuator} "
    return f"{first} {ARROW} {second.removeprefix(unit) if first.startswith(unit) else second}"


def _sign(before: Any, after: Any) -> str:
    if before in {None, False} and type(before) in {type(None), bool}:
        return "+"
    return "-" if after is None or after is False else "~"


def show(out: Out, record: Json, names: Names, *, with_notes: bool = True) -> None:
    """Print the diff of a distribution, its projection, and its notes."""
    queue_id, members = record.get("queue_id"), dict[str, Json]()
    if queue_id:
        out.say(names.of_queue(queue_id), "bold")
        members = {member["user_id"]: member for member in names.members(queue_id)}
    changes = lines_of(record, members)
    for line in changes:
        out.change(line.sign, line.text)
    if record.get("planned") == []:
        out.say("  Genesys holds all of it already: nothing would be written.")
    if record.get("projection"):
        _show_projection(out, record["projection"], names)
    if with_notes:
        show_notes(out, [record])


def _show_projection(out: Out, projection: Json, names: Names) -> None:
    out.say(f"  Projection: {projection['verdict'].replace('_', ' ')}. {names.in_words(projection['reason'])}")
    if projection["source"] == "default":
        out.say("  That load is assumed, because no forecast is known. Give one with --load.")
    for label, before, after in figures(projection):
        out.say(f"    {label:<14} {before:>7} {ARROW} {after:>7}")
    for check in projection.get("checks") or ():
        if check["verdict"] != "pass" and check["required"] and check["sentence"] != projection["reason"]:
            out.say(f"  {names.in_words(check['sentence'])}")


def show_notes(out: Out, records: Sequence[Json]) -> None:
    """Print what the values of dry runs will not do, each note once."""
    notes = dict.fromkeys(note for record in records if record["status"] == "dry_run" for note in _notes(record))
    for note in notes:
        out.say(f"  Note: {note}")


def figures(projection: Json) -> list[tuple[str, str, str]]:
    """The figures of the queue before and after: from the simulation of the ranking, or by Erlang's formula."""
    models = projection.get("models") or {}
    model: Json = next((models[name] for name in ("simulation", "erlang_a") if _has_both(models.get(name))), {})
    shown = []
    for key, label, form in _FIGURES:
        values = [_number((model.get(at) or {}).get(key)) for at in ("before", "after")]
        if None not in values:
            shown.append((label, form.format(values[0]), form.format(values[1])))
    return shown


def _has_both(model: Any) -> bool:
    return isinstance(model, dict) and isinstance(model.get("before"), dict) and isinstance(model.get("after"), dict)


def _number(value: Any) -> float | None:
    value = value.get("value", value.get("mean")) if isinstance(value, dict) else value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _notes(record: Json) -> Iterable[str]:
    actuation = record.get("actuation") or {}
    if actuation.get("without_effect"):
        yield actuation["without_effect"]
    yield from actuation.get("notes") or ()


def summary(records: Sequence[Json]) -> str:
    """`3 members and 1 setting of 2 queues would change.`, or that nothing would."""
    changes = [change for record in records for change in record.get("planned") or ()]
    members, settings = (sum(kind in change for change in changes) for kind in ("user_id", "setting"))
    parts = [_count(members, "member"), *([_count(settings, "setting")] if settings else [])]
    queues = sum(bool(record.get("planned")) for record in records)
    if not changes:
        return "Nothing would change."
    where = f" of {queues} queues" if queues > 1 else ""
    return f"{' and '.join(parts)}{where} would change."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
