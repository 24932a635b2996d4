"""The actuators: the mechanisms of Genesys that carry a weight, one file each. This is their registry.

A new actuator is a file with a subclass of `base.Actuator`, or of `bullseye.Bullseye` if its values are rings, and two
entries below: its name in `ActuatorName`, and its class in `actuator_class`. mypy finds what is missing: an abstract
method (`for_weights`, `value`, `weight`, `read`, `ranking`), the class of a name, and each place that does not know a
carrier or a ranking rule. tests/unit/test_actuators.py names the rest: a fact of the class (`name`, `contract`,
`carrier`, `does_not`), a sample, and the pages. The other methods of the base class suit most actuators.
"""

from typing import TYPE_CHECKING, Literal, assert_never, get_args

if TYPE_CHECKING:
    from routing_weights.domain.actuators.base import Actuator, ContractName

ActuatorName = Literal["score", "share", "ring", "proficiency", "joined"]
ACTUATORS: tuple[ActuatorName, ...] = get_args(ActuatorName)


def actuator_class(name: ActuatorName) -> "type[Actuator]":
    """Import and return a class, so that a function loads only the actuators that it needs."""
    match name:
        case "score":
            from routing_weights.domain.actuators.score import Score

            return Score
        case "share":
            from routing_weights.domain.actuators.share import Share

            return Share
        case "ring":
            from routing_weights.domain.actuators.ring import Ring

            return Ring
        case "proficiency":
            from routing_weights.domain.actuators.proficiency import Proficiency

            return Proficiency
        case "joined":
            from routing_weights.domain.actuators.joined import Joined

            return Joined
        case unreachable:
            assert_never(unreachable)


def actuator_classes() -> "list[type[Actuator]]":
    return [actuator_class(name) for name in ACTUATORS]


def names_for(contract: "ContractName") -> list[str]:
    """Return the names of a contract's actuators."""
    return [kind.name for kind in actuator_classes() if kind.contract == contract]


def stored_class(name: str) -> "type[Actuator] | None":
    """Return the class of the actuator that a document names. Earlier releases stored no name: None."""
    return actuator_class(name) if name in ACTUATORS else None
