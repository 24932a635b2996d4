"""Text for a terminal of 80 columns."""

import textwrap

NO_BREAK = "\N{NO-BREAK SPACE}"


def wrapped(text: str, indent: str = " " * 6) -> str:
    """Indent the text, and break its lines at 78 columns."""
    return textwrap.fill(text, 78, initial_indent=indent, subsequent_indent=indent).replace(NO_BREAK, " ")
