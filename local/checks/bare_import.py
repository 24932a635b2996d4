"""Imports every built function in a bare interpreter, whose path has the built layer, the function, and boto3.

boto3 comes from the runtime: its packages are those of the environment that checks the build, behind the layer.

Needs Python 3.13, the version of the Lambda runtime and of the built layer. Run `sam build` first.
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

BUILD = Path(__file__).parents[2] / ".aws-sam" / "build"
OF_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
"""boto3 and what it needs, as the Lambda runtime has them."""


def main() -> int:
    if sys.version_info[:2] != (3, 13):
        print(f"bare import: skipped, the layer is built for Python 3.13 and this is {sys.version.split()[0]}")
        return 0
    functions = sorted(path.parent for path in BUILD.glob("*/app.py"))
    if not functions:
        print("bare import: nothing is built; run `sam build` first", file=sys.stderr)
        return 1
    failed = 0
    with TemporaryDirectory() as runtime:
        for name in OF_THE_RUNTIME:
            origin = Path(str(getattr(find_spec(name), "origin", None)))
            package = origin.parent if origin.name == "__init__.py" else origin
            (Path(runtime) / package.name).symlink_to(package)
        for function in functions:
            path = [str(function), str(BUILD / "CoreLayer" / "python")]
            script = f"import sys; sys.path[:0] = {path!r}; sys.path.append({runtime!r}); import app"
            # -I: no environment, no user site; -S: no site-packages.
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False
            )
            failed += done.returncode != 0
            print(f"bare import: {function.name} {'ok' if done.returncode == 0 else done.stderr.strip()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
