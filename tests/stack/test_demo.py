"""`make demo` ends well, and prints what the README quotes."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_demo_succeeds_and_prints_what_the_readme_quotes():
    (quote,) = re.findall(r"^```text\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    done = subprocess.run([sys.executable, "-m", "local.demo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    printed = iter(done.stdout.splitlines())
    quoted = [line for line in quote.splitlines() if line.strip() != "..."]
    assert quoted
    assert [line for line in quoted if line not in printed] == [], "each quoted line is printed, in this order"
