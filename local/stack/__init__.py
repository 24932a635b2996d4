"""The deployed template, state machine and handlers on one machine: no Docker, no cloud."""

from local.stack.errors import StackError
from local.stack.stack import Stack

__all__ = ["Stack", "StackError"]
