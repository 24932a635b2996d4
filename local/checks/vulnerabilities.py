"""Known vulnerabilities of every pinned package, from https://osv.dev: `python -m local.checks.vulnerabilities`.

Exit code 0: none is known. 1: at least one is known. A check that was not possible never looks green: the tool says
`NOT CHECKED` and why, and ends with 0 only because a build must not depend on a service of others. With `--required`
it ends with 1.

Not pip-audit: behind a mirror that does not serve PyPI's vulnerability records, it skips every package, reports no
vulnerability and ends with 0. Here, a vulnerability that is long known must be among the answers.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

import requests

from local.checks.pinned import DESK, DEVELOPMENT, LAYER, Package, packages_in

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SERVICE = "https://api.osv.dev/v1/querybatch"
TIMEOUT_S = 20
KNOWN = Package("jinja2", "2.4.1")
"""Has vulnerabilities since 2014. A service that knows none of them knows nothing."""
ACCEPTED: Mapping[str, str] = {}
"""Vulnerabilities that do not concern us, by id, each with the reason."""


class NotChecked(Exception):
    """The service did not answer, or not completely."""


def known_vulnerabilities(packages: Sequence[Package], ask: Callable[[Any], Any]) -> dict[Package, list[str]]:
    """Return the ids of the vulnerabilities of each package that has any which is not accepted.

    `ask` sends a query to the service and returns the document that it answers. Raises NotChecked.
    """
    asked = [KNOWN, *packages]
    queries = [{"package": {"name": each.name, "ecosystem": "PyPI"}, "version": each.version} for each in asked]
    try:
        results = ask({"queries": queries})["results"]
        ids = [[found["id"] for found in result.get("vulns", [])] for result in results]
    except (requests.RequestException, AttributeError, KeyError, TypeError, ValueError) as error:
        raise NotChecked(f"{SERVICE} gave no answer that can be read: {type(error).__name__}") from error
    if len(ids) != len(asked):
        raise NotChecked(f"{SERVICE} answered {len(ids)} of {len(asked)} queries")
    if not ids[0]:
        raise NotChecked(f"{SERVICE} knows no vulnerability of {KNOWN.name} {KNOWN.version}, which has some")
    open_ones = ([one for one in found if one not in ACCEPTED] for found in ids[1:])
    return {package: found for package, found in zip(packages, open_ones, strict=True) if found}


def post(query: Any) -> Any:
    response = requests.post(SERVICE, json=query, timeout=TIMEOUT_S)
    response.raise_for_status()
    return response.json()


def main(arguments: Sequence[str], ask: Callable[[Any], Any] = post) -> int:
    parser = argparse.ArgumentParser(prog="python -m local.checks.vulnerabilities", description=__doc__)
    parser.add_argument("--required", action="store_true", help="end with 1 if the check is not possible")
    options = parser.parse_args(arguments)
    packages = sorted({*packages_in(LAYER), *packages_in(DESK), *packages_in(DEVELOPMENT)})
    try:
        found = known_vulnerabilities(packages, ask)
    except NotChecked as reason:
        print(f"NOT CHECKED: {reason}. Nothing is known about the {len(packages)} packages.")
        return int(options.required)
    deployed = {*packages_in(LAYER), *packages_in(DESK)}
    for package, ids in found.items():
        where = "deployed" if package in deployed else "for development only"
        print(f"{package.name} {package.version} ({where}): {', '.join(ids)}")
    print(f"vulnerabilities: {len(packages)} packages, {len(found)} with known vulnerabilities")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
