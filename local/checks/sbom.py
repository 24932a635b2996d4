"""The software bill of materials of what is deployed, as CycloneDX 1.6: `python -m local.checks.sbom`.

It is made from the lock of the layer, so it has the versions that are deployed. The same lock gives the same bytes: no
time and no random number is in it. The lock has the hashes of the files; the bill has that of the lock.
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

from local.checks.pinned import LAYER, ROOT, packages_in


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
        for each in packages_in(LAYER)
    ]
    bom = Bom(components=components)
    bom.metadata.component = root
    digest = hashlib.sha256(LAYER.read_bytes()).hexdigest()
    bom.metadata.properties.add(Property(name=f"{project['name']}:lock-sha256", value=digest))
    bom.register_dependency(root, components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["serialNumber"], document["metadata"]["timestamp"]
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(bill())
