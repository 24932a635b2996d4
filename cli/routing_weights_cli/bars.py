"""Bars for a terminal, in eighths of a character."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_MARK = "│"


def bar(value: float, largest: float, width: int, mark: float | None = None) -> str:
    """A bar of `value`, as long as `width` for `largest`, and a line where `mark` is."""
    if largest <= 0:
        return " " * width
    eighths = round(8 * width * min(max(value, 0.0), largest) / largest)
    cells = [_EIGHTHS[min(8, max(0, eighths - 8 * place))] for place in range(width)]
    if mark is not None:
        cells[min(width - 1, int(width * min(max(mark, 0.0), largest) / largest))] = _MARK
    return "".join(cells)
