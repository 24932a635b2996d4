"""The execution of a fleet that somebody started in the console: it accepts its own plans in its first state."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OwnExecution:
    arn: str

    def execution_arn(self, _fleet_id: str, _attempt: int) -> str:
        return self.arn
