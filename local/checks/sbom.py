"""The software bill of materials of what is deployed, as CycloneDX 1.6: `python -m local.checks.sbom`.

It is made from the locks of the layer and of the desk, so it has the versions that are deployed. The same locks give
the same bytes: no time and no random number is in it. A lock has the hashes of the files; the bill has those of the
locks. htmx is a file of the desk, from the npm registry.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tomllib

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from local.checks.pinned import DESK, LAYER, ROOT, packages_in

HTMX, HTMX_VERSION = "htmx.org", "2.0.11"
"""As tests/unit/test_desk.py asserts by its hash."""


def bill() -> str:
    """Return the bill as JSON text."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    root = Component(
        name=project["name"], version=project["version"], type=ComponentType.APPLICATION, bom_ref=project["name"]
    )
    components = [
        Component(
            name=each.name,
            version=each.version,
            type=ComponentType.LIBRARY,
            purl=(purl := PackageURL("pypi", None, each.name, each.version)),
            bom_ref=str(purl),
        )
        for each in sorted({*packages_in(LAYER), *packages_in(DESK)})
    ]
    purl = PackageURL("npm", None, HTMX, HTMX_VERSION)
    components.append(
        Component(name=HTMX, version=HTMX_VERSION, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl))
    )
    bom = Bom(components=components)
    bom.metadata.component = root
    for name, lock in (("lock", LAYER), ("desk-lock", DESK)):
        digest = hashlib.sha256(lock.read_bytes()).hexdigest()
        bom.metadata.properties.add(Property(name=f"{project['name']}:{name}-sha256", value=digest))
    bom.register_dependency(root, components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"], document["metadata"]["timestamp"]
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(bill())
