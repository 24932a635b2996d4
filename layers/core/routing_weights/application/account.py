"""Account: counts what a run has asked of Genesys and of AWS, for its closing record."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

from aws_lambda_powertools import Logger

from routing_weights.application.ports import Histories
from routing_weights.domain.effort import Effort, Prices
from routing_weights.domain.record import MAX_INLINE_BYTES, Closing
from routing_weights.errors import StoreUnavailable

logger = Logger(child=True)

UNIT_BYTES = 1024
"""Of an item, for one write unit of DynamoDB."""


@dataclass(frozen=True)
class Account:
    histories: Histories
    own_effort: Callable[[], Effort]
    """Of this invocation so far."""
    prices: Prices

    def settled(self, record: Closing, after: Effort, *, recovery: str = "", in_transaction: bool = False) -> Closing:
        """The record with the effort and the cost of its run, or without them if the history cannot be read.

        Args:
            record: as it will be written, apart from these two.
            after: what follows this invocation until the execution ends.
            recovery: the execution that recovers the run; empty for a run that ends itself.
            in_transaction: the record is written together with the check of the lock. That costs twice.
        """
        try:
            effort = self.histories.effort(record.execution_arn, is_over=bool(recovery))
            if recovery:
                effort += self.histories.effort(recovery, is_over=False)
        except StoreUnavailable as error:  # a record without its effort is better than none
            logger.warning("The effort of the run could not be counted", reason=error.message)
            return record
        units = math.ceil(min(len(json.dumps(record.to_json())), MAX_INLINE_BYTES) / UNIT_BYTES)
        put = Effort(dynamodb_writes=1, write_units=2 * (units + 1) if in_transaction else units)
        effort += self.own_effort() + put + after
        return record.model_copy(update={"effort": effort, "cost": self.prices.cost(effort)})
