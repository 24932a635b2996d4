"""What a strategy requires of the queue, and what the queue lacks of it."""

from routing_weights.domain.actuators.base import Actuator
from routing_weights.domain.actuators.bullseye import shown
from routing_weights.domain.problems import problem
from routing_weights.domain.queue import RINGS, ROUTING_RULES, SETTINGS, QueueSettings, Setting, SettingName
from routing_weights.domain.shares import as_text, rules
from routing_weights.domain.strategies import Strategy
from routing_weights.errors import PlanNotApplicable


def lacking(strategy: Strategy, actuator: Actuator, held: QueueSettings) -> dict[SettingName, Setting]:
    """The settings to write so that the queue is as the strategy requires it for this actuator.

    Raises:
        PlanNotApplicable: the queue lacks something that this system may not write.
    """
    settings: dict[SettingName, Setting] = {}
    sentences: dict[SettingName, str] = {}
    uses, method = _uses(strategy, actuator), strategy.skill_evaluation_method
    if method and method != held.skill_evaluation_method and (method != "BEST" or "skill_evaluation_method" in uses):
        settings["skill_evaluation_method"] = method
        evaluates = f"evaluates by {other}" if (other := held.skill_evaluation_method) else "has no such method"
        sentences["skill_evaluation_method"] = f"that the queue evaluates skills by {method}, and it {evaluates}"
    rings, present = len(strategy.bullseye_timeouts_s) + 1, held.bullseye_rings or 0
    if strategy.bullseye_timeouts_s and present < rings and RINGS in uses:
        settings[RINGS] = rings
        found = shown(present) if present else "none"
        sentences[RINGS] = f"{rings} bullseye rings (the admin console shows {rings - 1}), and the queue has {found}"
    needed = as_text(rules(actuator.share)) if actuator.share else None
    if needed and needed != held.routing_rules:
        settings[ROUTING_RULES] = needed
        sentences[ROUTING_RULES] = f"the routing rules {needed}, and the queue has {held.routing_rules or 'none'}"
    if settings and strategy.if_different == "verify":
        advice = "set it in the admin console, or take a strategy that sets it"
    elif RINGS in settings and present > 1:  # one ring is everybody's, which is as good as none
        sentences = {RINGS: sentences[RINGS]}
        advice = "somebody has configured its rings, which are not replaced. Add the missing ones in the admin console"
    else:
        return settings
    problems = [
        problem("strategy_reference", f"the strategy requires {sentence}: {advice}", "queue_not_ready")
        for sentence in sentences.values()
    ]
    raise PlanNotApplicable(f"{'; '.join(p['message'] for p in problems)}.", errors=problems)


def other_timeouts(strategy: Strategy, actuator: Actuator, ring_timeouts_s: tuple[float, ...]) -> list[str]:
    """A note where the rings of the queue open at other times than the strategy requires."""
    wanted = strategy.bullseye_timeouts_s
    held = ring_timeouts_s[: len(wanted)]
    if RINGS not in _uses(strategy, actuator) or len(held) < len(wanted) or held == wanted:
        return []
    note = (
        f"The rings of the queue open after {_seconds(held)}, and those of the strategy after {_seconds(wanted)}: "
        "a queue keeps its own."
    )
    return [note]


def _uses(strategy: Strategy, actuator: Actuator) -> frozenset[SettingName]:
    """A strategy for any actuator says what each of them needs, so what this one does not use is not required."""
    return frozenset(SETTINGS) if strategy.actuator else actuator.uses


def _seconds(timeouts_s: tuple[float, ...]) -> str:
    *others, last = (f"{seconds:g}" for seconds in timeouts_s)
    return f"{', '.join(others)} and {last} s" if others else f"{last} s"
