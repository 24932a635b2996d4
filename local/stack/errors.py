"""What a person who starts the stack can put right."""


class StackError(Exception):
    """One line: what is wrong, and what to do."""
