"""Lists what the built layer, or the desk, carries and no function needs: `python -m local.checks.layer`.

Run `sam build` first.

Of each package's metadata, METADATA stays, because scanners of vulnerabilities read it. Licences and lists of parts
stay too. The rest is for pip.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

BUILD = Path(__file__).parents[2] / ".aws-sam" / "build"
LAYER, DESK = BUILD / "CoreLayer" / "python", BUILD / "DeskFunction"
"""What has packages of others."""
OF_THE_RUNTIME = {"boto3", "botocore", "s3transfer", "awslambdaric"}
"""Packages that every Lambda runtime has (docs/adr/0003-boto3-from-the-runtime.md)."""
OF_PIP = {"INSTALLER", "RECORD", "REQUESTED", "WHEEL", "direct_url.json", "entry_points.txt", "top_level.txt"}
MAX_MB = 25.0
"""Lambda unpacks a layer before it starts a function. Its own limit is 250 MB with the function and all layers."""


def not_needed(layer: Path) -> Iterator[str]:
    """Yield the paths below a built layer, each with its reason."""
    for path in sorted(layer.rglob("*")):
        name, folder = path.relative_to(layer), path.parent.name
        if path.is_dir() and path.name in {"tests", "test"}:
            yield f"{name}: tests"
        elif path.suffix == ".pyc" or path.name == "__pycache__":
            yield f"{name}: compiled for the machine of the build"
        elif folder == layer.name and path.name.split("-")[0] in OF_THE_RUNTIME:
            yield f"{name}: the runtime has this package"
        elif folder.endswith(".dist-info") and path.name in OF_PIP:
            yield f"{name}: metadata for pip"


def main() -> int:
    if not LAYER.is_dir() or not DESK.is_dir():
        print("layer: nothing is built; run `sam build` first", file=sys.stderr)
        return 1
    found = [*not_needed(LAYER), *not_needed(DESK)]
    size_mb = sum(path.stat().st_size for top in (LAYER, DESK) for path in top.rglob("*") if path.is_file()) / 1e6
    print("\n".join(f"layer: {line}" for line in found) or f"layer: ok, {size_mb:.1f} MB")
    if size_mb > MAX_MB:
        print(f"layer: {size_mb:.1f} MB are more than {MAX_MB:g} MB")
    return 1 if found or size_mb > MAX_MB else 0


if __name__ == "__main__":
    sys.exit(main())
