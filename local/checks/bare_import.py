"""Imports every built function in a bare interpreter, which has only the built layer and the function on its path.

Needs Python 3.13, the version of the Lambda runtime and of the built layer. Run `sam build` first.
"""

import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).parents[2] / ".aws-sam" / "build"


def main() -> int:
    if sys.version_info[:2] != (3, 13):
        print(f"bare import: skipped, the layer is built for Python 3.13 and this is {sys.version.split()[0]}")
        return 0
    functions = sorted(path.parent for path in BUILD.glob("*/app.py"))
    if not functions:
        print("bare import: nothing is built; run `sam build` first", file=sys.stderr)
        return 1
    failed = 0
    for function in functions:
        script = f"import sys; sys.path[:0] = [{str(function)!r}, {str(BUILD / 'CoreLayer' / 'python')!r}]; import app"
        # -I: no environment, no user site; -S: no site-packages.
        done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)  # noqa: S603
        failed += done.returncode != 0
        print(f"bare import: {function.name} {'ok' if done.returncode == 0 else done.stderr.strip()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
