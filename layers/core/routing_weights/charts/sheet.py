"""A sheet to draw on from top to bottom. It becomes an SVG in light and dark, without references to anything else.

The content is not trusted: every text is cleaned, escaped, and cut or wrapped to its room. Widths of text are estimated
from DejaVu Sans, the widest of the fonts that a system may choose. A line with characters that the estimate does not
know gets an explicit length.
"""

# ruff: noqa: RUF001  (text for people has the dashes and signs that people write)
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, LEFT, RIGHT = 720.0, 24.0, 696.0
COLUMN = 172.0
LONGEST_TEXT = 4000

LIGHT: Mapping[str, str] = {
    "paper": "#ffffff", "ink": "#1f2328", "muted": "#59636e", "grid": "#d1d9e0", "before": "#69727c",
    "after": "#0a5fb4", "good": "#006b52", "bad": "#b03a00", "warn": "#7a5200", "unsure": "#6b3fa0",
    "overloaded": "#fbe6db", "starved": "#f1ebf9",
}  # fmt: skip
DARK: Mapping[str, str] = {
    "paper": "#0f141a", "ink": "#e6edf3", "muted": "#9da7b1", "grid": "#39424c", "before": "#a4aeb8",
    "after": "#62b0ff", "good": "#3fc9a3", "bad": "#ff9466", "warn": "#e3b341", "unsure": "#c7a6ff",
    "overloaded": "#41251a", "starved": "#2d2347",
}  # fmt: skip
SHAPES: Mapping[str, Sequence[tuple[float, float]]] = {
    "octagon": [(-0.41, -1), (0.41, -1), (1, -0.41), (1, 0.41), (0.41, 1), (-0.41, 1), (-1, 0.41), (-1, -0.41)],
    "triangle": [(0, -1), (1.08, 0.9), (-1.08, 0.9)],
    "down": [(0, 1), (1.08, -0.9), (-1.08, -0.9)],
    "diamond": [(0, -1.15), (1.15, 0), (0, 1.15), (-1.15, 0)],
}
GLYPHS: Mapping[str, Sequence[Sequence[tuple[float, float]]]] = {
    "circle": [[(-0.45, 0.02), (-0.12, 0.38), (0.48, -0.36)]],
    "octagon": [[(-0.38, -0.38), (0.38, 0.38)], [(0.38, -0.38), (-0.38, 0.38)]],
    "triangle": [[(0, -0.35), (0, 0.25)], [(0, 0.54), (0, 0.6)]],
    "diamond": [
        [(-0.3, -0.28), (-0.16, -0.52), (0.16, -0.52), (0.3, -0.28), (0, 0.02), (0, 0.2)],
        [(0, 0.5), (0, 0.56)],
    ],
}


class Sheet:
    """Elements from top to bottom. The next part starts at `y`. Colours are names in the palettes."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.y = 0.0

    def svg(self, title: str, described: str) -> str:
        light, dark = (
            "".join(f".rw .f-{name}{{fill:{code}}}.rw .s-{name}{{stroke:{code}}}" for name, code in palette.items())
            for palette in (LIGHT, DARK)
        )
        height = self.y + 16
        fonts = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="rw" role="img" viewBox="0 0 {WIDTH:g} {height:g}" '
            f'width="100%" style="max-width:960px" font-family="{fonts}">'
            f"<title>{_escaped(title)}</title><desc>{_escaped(described)}</desc>"
            f"<style>.rw text{{font-variant-numeric:tabular-nums;unicode-bidi:isolate}}{light}"
            f"@media (prefers-color-scheme:dark){{{dark}}}</style>"
            f'<rect x="0" y="0" width="{WIDTH:g}" height="{height:g}" class="f-paper"/>{"".join(self.parts)}</svg>\n'
        )

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, dash: str = "") -> None:
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        self.parts.append(f'<line {ends} stroke-width="{width:g}" class="s-{colour}"{dashed}/>')

    def interval(self, low: float, high: float, y: float, cap: float, colour: str) -> None:
        self.line(low, y, high, y, colour, 2)
        for end in (low, high):
            self.line(end, y - cap, end, y + cap, colour, 2)

    def rect(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        box = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect {box} class="f-{fill}"/>')

    def mark(
        self, x: float, y: float, r: float, shape: str, colour: str, *, hollow: bool = False, glyph: bool = False
    ) -> None:
        paint = f'class="f-paper s-{colour}" stroke-width="2"' if hollow else f'class="f-{colour}"'
        if shape == "circle":
            self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" {paint}/>')
        else:
            self.parts.append(f'<polygon points="{_points(SHAPES[shape], x, y, r)}" {paint}/>')
        for stroke in GLYPHS[shape] if glyph else ():
            pen = f'fill="none" stroke-width="{max(r / 5, 1.6):.1f}" stroke-linecap="round" class="s-paper"'
            self.parts.append(f'<polyline points="{_points(stroke, x, y, r)}" {pen}/>')

    def text(
        self, x: float, y: float, content: Any, size: float = 12, fill: str = "ink", anchor: str = "start",
        *, bold: bool = False, room: float = RIGHT - LEFT, title: str = "",
    ) -> None:  # fmt: skip
        full = clean(content)
        shown = _shortened(full, room, size, bold=bold)
        hover = title or (full if shown != full else "")
        more = f' text-anchor="{anchor}"' if anchor != "start" else ""
        more += ' font-weight="600"' if bold else ""
        if not all(c <= "\u017f" or c in _SIGNS for c in shown):
            more += f' textLength="{width(shown, size, bold=bold):.1f}" lengthAdjust="spacingAndGlyphs"'
        inner = (f"<title>{_escaped(hover)}</title>" if hover else "") + _escaped(shown)
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" class="f-{fill}"{more}>{inner}</text>')

    def paragraph(
        self, x: float, content: Any, size: float = 12, fill: str = "ink", *, lines: int = 4, end: float = RIGHT
    ) -> None:
        full = clean(content).replace(" %", "\u00a0%")
        wrapped = _wrapped(full, end - x, size)
        for index, line in enumerate(wrapped[:lines]):
            cut = index == lines - 1 and len(wrapped) > lines
            self.text(x, self.y + size, f"{line}…" if cut else line, size, fill, title=full if cut else "")
            self.y += round(size * 1.45)

    def heading(self, content: str) -> None:
        self.y += 14
        self.line(LEFT, self.y, RIGHT, self.y, "grid")
        self.text(LEFT, self.y + 24, content, 15, bold=True)
        self.y += 38

    def facts(self, rows: Sequence[tuple[str, str]], *, warn: bool = False) -> None:
        for name, value in rows:
            if warn:
                self.mark(LEFT + 6, self.y + 8, 6, "triangle", "warn", glyph=True)
            self.text(LEFT + 17 * warn, self.y + 12, name, 12, "warn" if warn else "muted", bold=warn)
            self.paragraph(COLUMN - 34, value, lines=5)
            self.y += 3


def _points(shape: Sequence[tuple[float, float]], x: float, y: float, r: float) -> str:
    return " ".join(f"{x + r * dx:.1f},{y + r * dy:.1f}" for dx, dy in shape)


def clean(content: Any) -> str:
    """One line without towers of accents. A "�" replaces what XML forbids and what turns the direction of a text."""
    kept, marks = [], 0
    for c in ("" if content is None else str(content))[:LONGEST_TEXT]:
        category = unicodedata.category(c)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if category[0] == "C" and not c.isspace():
            kept.append("\ufffd")
        elif marks <= 2 and category != "Me":  # noqa: PLR2004
            kept.append(" " if c.isspace() and c != "\u00a0" else c)
    return "".join(kept).strip()


def _escaped(content: str) -> str:
    return clean(content).translate({38: "&amp;", 60: "&lt;", 62: "&gt;", 34: "&quot;", 39: "&#39;"})


_SIGNS = frozenset("–—→·…≤≥÷×“”‘’")
_EMS = {
    0.36: "fijl.,:;'|!I /\\-·\u00a0",
    0.42: "()[]rt`",
    0.56: "cksz",
    0.7: "ABCEFJKLPRSTVXYZ",
    1.0: "mwMW@%…→—+=<>~#&ÆŒĲ≤≥÷×",
}
_EM = {c: em for em, characters in _EMS.items() for c in characters}


def _em(c: str) -> float:
    if (known := _EM.get(c)) is not None:
        return known
    if c > "\u017f" and (unicodedata.east_asian_width(c) in "WF" or not c.isalnum()):
        return 0.0 if unicodedata.category(c) == "Mn" else 1.03
    return 0.79 if c.isupper() else 0.65


def width(content: str, size: float, *, bold: bool = False) -> float:
    return sum(map(_em, content)) * size * (1.15 if bold else 1.0)


def _shortened(content: str, room: float, size: float, *, bold: bool = False) -> str:
    """Both ends of a text that is too long: ids may differ at either end."""
    if width(content, size, bold=bold) <= room:
        return content
    kept = 2
    while width(content[: kept // 2 + 1] + "…" + content[-(kept // 2) :], size, bold=bold) <= room:
        kept += 2
    return f"{content[: kept // 2]}…{content[len(content) - kept // 2 + 1 :]}"


def _wrapped(content: str, room: float, size: float) -> list[str]:
    """Lines of at most `room`, each with room for an ellipsis. A word that is longer than a line is broken."""
    lines, line, left = [], "", room - size
    for word in content.split(" "):
        if line and width(f" {word}", size) > left:
            lines.append(line)
            line, left = "", room - size
        for c in f" {word}" if line else word:
            if width(c, size) > left:
                lines.append(line)
                line, left = "", room - size
            line, left = line + c, left - width(c, size)
    return [*lines, line]
