"""The execution of a fleet that somebody started in the console: it accepts its own plans in its first state."""

from dataclasses import dataclass

from routing_weights.domain.execution import Execution


@dataclass(frozen=True)
class OwnExecution:
    arn: str

    def execution_arn(self, _fleet_id: str, _attempt: int) -> str:
        return self.arn

    def describe(self, execution_arn: str) -> Execution:
        """The execution has begun no queue, so it may store the documents of its plans again."""
        return Execution(execution_arn, "UNKNOWN")
