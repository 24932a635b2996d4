"""The strategies file: the strategies that a plan's `strategy_reference` may name."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from routing_weights.domain.actuators import ActuatorName
from routing_weights.domain.types import GenesysId, Line, ShareOptions
from routing_weights.errors import ConfigurationInvalid

FILE = Path(__file__).with_name("strategies.toml")

SkillEvaluation = Literal["NONE", "BEST", "ALL"]


class OverflowGroup(BaseModel):
    """A group that Genesys calls in on overflow."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: GenesysId
    type: Literal["GROUP", "TEAM", "SKILLGROUP"] = "GROUP"


class Strategy(BaseModel):
    """An entry of the strategies file, which explains each field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: Line
    actuator: ActuatorName | None = None
    skill: Line | None = None
    proficiency_digits: int = Field(default=1, ge=0, le=6)
    skill_evaluation_method: SkillEvaluation | None = None
    bullseye_timeouts_s: tuple[Annotated[float, Field(gt=0, le=259_200)], ...] = Field(default=(), max_length=5)
    share: ShareOptions | None = None
    if_different: Literal["verify", "set"] = "verify"
    overflow_groups: tuple[OverflowGroup, ...] = Field(default=(), max_length=5)


@cache
def strategies(file: Path = FILE) -> dict[str, Strategy]:
    """Return the entries by name.

    Raises:
        ConfigurationInvalid: the file is wrong. The message names each wrong entry.
    """
    try:
        entries = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationInvalid(f"{file.name} is wrong: {error}") from None
    valid, wrong = {}, []
    for name, entry in entries.items():
        try:
            valid[name] = Strategy.model_validate(entry)
        except ValidationError as error:
            wrong += [f"{'.'.join(map(str, (name, *e['loc'])))}: {e['msg']}" for e in error.errors()]
    if wrong:
        raise ConfigurationInvalid(f"{file.name} is wrong: {'; '.join(wrong)}")
    return valid
