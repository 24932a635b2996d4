"""Print the folders and their imports as a picture: `python -m local.checks.architecture > docs/architecture.svg`.

The arrows are computed from the imports in the source. An import against the direction would be red.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "layers" / "core"))

from routing_weights.charts.sheet import Sheet

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers/core/routing_weights"
ROWS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("functions", "one per state or door"), ("api", "routes and their models")),
    (("bootstrap", "the one place that wires"),),
    (("application", "use cases and ports"), ("adapters", "AWS, Genesys, HTTP"), ("charts", "pictures")),
    (("domain", "plans, decisions, records"), ("projection", "mathematics and gates")),
)
"""The folders from top to bottom, each with what is in it."""
NEIGHBOURS = {("functions", "api"), ("projection", "domain")}
"""Imports within a row that are allowed."""
NEVER = {("functions", "adapters"), ("api", "adapters")}
"""Imports that point down and are not allowed: bootstrap wires."""
PURE = {"domain", "projection"}
FOR_ALL = {"errors", "settings"}
EDGE, WIDE, TALL, GAP = 24.0, 150.0, 46.0, 52.0


def sources() -> Iterator[tuple[str, Path]]:
    """Yield (folder, file) for everything that is deployed; a module beside the folders stands for itself."""
    for path in sorted((ROOT / "functions").glob("*/app.py")):
        yield "functions", path
    for path in sorted(PACKAGE.rglob("*.py")):
        first = path.relative_to(PACKAGE).parts[0]
        if first != "__init__.py":
            yield first.removesuffix(".py"), path


def imports(path: Path) -> set[str]:
    """The folders that a file imports from, at once or later in a function."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("routing_weights"):
            rest = (node.module or "").split(".")[1:]
            modules |= {rest[0]} if rest else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            names = (alias.name.split(".") for alias in node.names)
            modules |= {name[1] for name in names if name[0] == "routing_weights" and len(name) > 1}
    return modules


def edges() -> set[tuple[str, str]]:
    """Return which folder imports from which."""
    return {(folder, other) for folder, path in sources() for other in imports(path) if other != folder}


def is_allowed(source: str, target: str) -> bool:
    level = {name: number for number, row in enumerate(ROWS) for name, _ in row}
    downward = target in FOR_ALL or (source, target) in NEIGHBOURS or level[source] < level[target]
    return downward and (source, target) not in NEVER


def picture() -> str:
    """The SVG; equal imports give equal text."""
    sheet, places = Sheet(), dict(_places())
    found = sorted(edge for edge in edges() if FOR_ALL.isdisjoint(edge))
    for source, target in found:
        colour = "before" if target in PURE else "after"
        _edge(sheet, places[source], places[target], colour if is_allowed(source, target) else "bad")
    for name, what in (box for row in ROWS for box in row):
        x, y = places[name]
        sheet.rect(x, y, WIDE, TALL, "grid")
        sheet.rect(x + 1, y + 1, WIDE - 2, TALL - 2, "paper")
        sheet.text(x + WIDE / 2, y + 19, name, 13, anchor="middle", bold=True)
        sheet.text(x + WIDE / 2, y + 35, what, 10, "muted", "middle", room=WIDE)
    bottom = max(y for _, y in places.values()) + TALL
    sheet.text(EDGE, bottom + 22, "An arrow is an import. All folders may import errors and settings.", 11, "muted")
    sheet.y = bottom + 22
    told = "; ".join(f"{source} imports {target}" for source, target in found)
    return sheet.svg("The folders and the direction of imports", told)


def _places() -> Iterator[tuple[str, tuple[float, float]]]:
    for number, row in enumerate(ROWS):
        room = (720 - 2 * EDGE) / len(row)
        for index, (name, _) in enumerate(row):
            yield name, (EDGE + room * index + (room - WIDE) / 2, 16 + number * (TALL + GAP))


def _edge(sheet: Sheet, source: tuple[float, float], target: tuple[float, float], colour: str) -> None:
    (x1, y1), (x2, y2) = source, target
    if y1 == y2:
        start, end = (x1 + WIDE, x2) if x2 > x1 else (x1, x2 + WIDE)
        sheet.line(start, y1 + TALL / 2, end, y2 + TALL / 2, colour, 2)
        _head(sheet, end, y2 + TALL / 2, 1 if x2 > x1 else -1, 0, colour)
        return
    down = y2 > y1
    start_y, end_y = (y1 + TALL, y2) if down else (y1, y2 + TALL)
    lean = max(-60.0, min(60.0, (x2 - x1) / 5))
    sheet.line(x1 + WIDE / 2 + lean, start_y, x2 + WIDE / 2 - lean, end_y, colour, 2)
    _head(sheet, x2 + WIDE / 2 - lean, end_y, 0, 1 if down else -1, colour)


def _head(sheet: Sheet, x: float, y: float, across: float, down: float, colour: str) -> None:
    for side in (-1, 1):
        sheet.line(x, y, x - 6 * across + 4 * side * abs(down), y - 6 * down + 4 * side * abs(across), colour, 2)


if __name__ == "__main__":
    sys.stdout.write(picture())
