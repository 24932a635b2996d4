"""Errors that the user of the stack can fix."""


class StackError(Exception):
    """The stack cannot start or run. The message has one line: what is wrong, and what to do."""
