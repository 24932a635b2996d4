"""The runs of a fleet's queues: executions of the state machine of one queue, named after the distribution."""

from dataclasses import dataclass

from routing_weights.adapters.aws.recoveries import EndedExecutions
from routing_weights.domain.execution import Execution


@dataclass(frozen=True)
class QueueRuns:
    state_machine_arn: str

    def describe(self, distribution_id: str) -> Execution:
        executions = self.state_machine_arn.replace(":stateMachine:", ":execution:")
        return EndedExecutions().describe(f"{executions}:{distribution_id}")
