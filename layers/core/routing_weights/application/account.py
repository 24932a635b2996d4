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
LINK_UNITS = 2
"""The items that are written with a record: its link, and the head of the chain."""


@dataclass(frozen=True)
class Account:
    histories: Histories
    own_effort: Callable[[], Effort]
    """Of this invocation so far."""
    prices: Prices

    def settled(self, record: Closing, after: Effort, *, recovery: str = "", with_lock: bool = False) -> Closing:
        """The record with the effort and the cost of its run, or without them if the history cannot be read.

        Args:
            record: as it will be written, apart from these two.
            after: what follows this invocation until the execution ends.
            recovery: the execution that recovers the run; empty for a run that ends itself.
            with_lock: the record is written only while the lock is held. The check of the lock costs a unit, too.
        """
        try:
            effort = self.histories.effort(record.execution_arn, is_over=bool(recovery))
            if recovery:
                effort += self.histories.effort(recovery, is_over=False)
        except StoreUnavailable as error:  # a record without its effort is better than none
            logger.warning("The effort of the run could not be counted", reason=error.message)
            return record
        units = math.ceil(min(len(json.dumps(record.to_json())), MAX_INLINE_BYTES) / UNIT_BYTES)
        # A transaction costs twice. Before it, the newest link is read.
        units = 2 * (units + LINK_UNITS + with_lock)
        put = Effort(dynamodb_reads=1, read_units=1, dynamodb_writes=1, write_units=units)
        effort += self.own_effort() + put + after
        return record.model_copy(update={"effort": effort, "cost": self.prices.cost(effort)})
