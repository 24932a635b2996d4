"""The packages that a lock pins, for one version of Python on Linux."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "layers/core/requirements.txt"
DESK = ROOT / "functions/desk/requirements.txt"
DEVELOPMENT = ROOT / "requirements-dev.txt"
_ON_LAMBDA = {"python_version": "3.13", "python_full_version": "3.13.0", "sys_platform": "linux", "os_name": "posix"}


class Package(NamedTuple):
    name: str
    version: str


def packages_in(lock: Path) -> list[Package]:
    """Return the packages in the order of the lock, without those that Lambda's Python does not need."""
    text = lock.read_text(encoding="utf-8")
    requirements = map(Requirement, re.findall(r"^(\w[^\\\n]*?)\s*\\?$", text, re.MULTILINE))
    return [
        Package(each.name, str(each.specifier).removeprefix("=="))
        for each in requirements
        if each.marker is None or each.marker.evaluate(dict(_ON_LAMBDA))
    ]
