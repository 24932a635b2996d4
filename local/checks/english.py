"""Finds hard words, and says what to write instead: `make lint`.

It reads comments, docstrings, strings, names, docs and the texts of the templates. A phrase may be broken across lines,
or be part of a name.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("functions", "layers", "local", "statemachine", "events", "docs", "tests", "bench")
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml"}
FILES = {"README.md", "CHANGELOG.md", "Makefile", "template.yaml", "pyproject.toml"}
EXEMPT = {"local/checks/english.py", "tests/unit/test_english.py"}
"""These two files quote the words."""

GAP = r"""(?:_|\s|\#|"\s*[rf]*"|-)+"""
"""What stands between two words: space, an underscore, or the end of a line of a comment or of a string."""
WORDS = {
    "but for": "say `except`",
    "but to": "say `except`",
    "for a while": "say `temporary`, or name the time",
    r"for good(?! reason)": "say `permanent` or `not temporary`",
    r"(?:see|sees|saw|seen) to": "name the action",
    r"(?:tell|tells|told|telling) of": "say `reports`, or name who reports what",
    r"(?:is|are|was|were|be|been) said": "name who says it, or say `stated`",
    r"mend(?:s|ed|ing)?": "say `fix`",
    r"work(?:s|ed|ing)? off": "say `process`",
    r"(?:put|puts|putting)(?: [a-z]+)? back": "say `restore` inside a run, `revert` for a new distribution",
    r"so long(?! as| that)": "say `that long`, or name the time",
}
"""A pattern, and the advice. A space stands for any gap."""
WHO_HAS = r"""(?:^|["(.:;]|(?<![^\W_])(?:for|before|after|than|only)) who has(?![^.]*\?)"""
"""At the start of a sentence, or after a preposition: `who has` without a noun before it. Questions are fine."""
NOUNS = {"anything", "during", "everything", "nothing", "outgoing", "ring", "routing", "something", "string"}
"""Words that end in -ing and are no participles."""


def _compiled(phrase: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_]){phrase.replace(' ', GAP)}(?![^\W_])", re.IGNORECASE)


RULES = {_compiled(phrase): advice for phrase, advice in WORDS.items()} | {
    re.compile(WHO_HAS.replace(" ", rf"(?:{GAP})?", 1).replace(" ", GAP), re.IGNORECASE): "say `whoever has`"
}


def problems(text: str, *, python: bool) -> Iterator[tuple[int, str, str]]:
    """Yield (line, phrase, advice) for each phrase in the text, and for each docstring with a weak beginning."""
    for pattern, advice in RULES.items():
        for match in pattern.finditer(text):
            phrase = " ".join(re.split(GAP, match.group().strip('"(.:;')))
            yield text.count("\n", 0, match.end()) + 1, phrase.strip(), advice
    if python:
        yield from _docstrings(text)


def _docstrings(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the first word of each docstring that begins with a participle or with `Whether`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            word = re.match(r"\W*(\w*)", node.value.value)
            first = word.group(1) if word else ""
            if first == "Whether":
                yield node.lineno, first, "begin with `True where`, or with a verb"
            elif first.endswith("ing") and first.lower() not in NOUNS:
                yield node.lineno, first, "begin the docstring with a verb or a noun"


def sources(root: Path) -> Iterator[Path]:
    """Yield the files that people wrote, in the order of their names."""
    texts = (path for folder in FOLDERS for path in (root / folder).rglob("*") if path.suffix in SUFFIXES)
    for path in sorted({*texts, *(root / name for name in FILES)}):
        if path.is_file() and path.relative_to(root).as_posix() not in EXEMPT:
            yield path


def main(root: Path = ROOT) -> int:
    count = 0
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        phrases = [*problems(path.read_text(encoding="utf-8"), python=path.suffix == ".py")]
        phrases += [(1, f"the name {path.stem}", advice) for _, _, advice in problems(path.stem, python=False)]
        for line, phrase, advice in sorted(phrases):
            count += 1
            print(f"{name}:{line}: {phrase}: {advice}")
    print(f"english: {count} phrases to replace" if count else "english: ok")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
