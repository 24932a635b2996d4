"""docs/administer/deploy.md: the commands after the deployment, run as they stand on the page."""

import json
import os
import re
import subprocess

import pytest

from tests.support import aws_cli
from tests.support.waiting import DEADLINE_S
from tests.support.world import CLIENT_ID, CLIENT_SECRET, ROOT, STACKS, a_plan

OUTPUTS = {
    "CredentialsSecretArn": "credentials_secret",
    "StateMachineArn": "distribute_state_machine",
    "AuditTableName": "audit_table",
}


@pytest.fixture(scope="module")
def blocks():
    """The commands of steps 4 and 5, except the function `output`: the embedded stack has no CloudFormation."""
    page = (ROOT / "docs/administer/deploy.md").read_text(encoding="utf-8")
    steps = page[page.index("\n## 4. ") : page.index("\n## 6. ")]
    found = re.findall(r"^```sh\n(.*?)^```$", steps, re.MULTILINE | re.DOTALL)
    assert found[0].startswith("output() {")
    assert set(re.findall(r"\$\(output (\w+)\)", steps)) == OUTPUTS.keys()
    return found[1:]


def test_the_commands_of_the_page_lead_to_the_first_distribution(platform_world, blocks, tmp_path):
    world, queue = platform_world, platform_world.queue()
    aws_cli.install(tmp_path, os.environ[STACKS])
    plan = a_plan(queue, actuator="ring", dry_run=True)
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    names = "\n".join(f"    {output}) echo {world.ready[name]};;" for output, name in OUTPUTS.items())
    store, dry_run, record, again = blocks
    without = f"echo '{json.dumps({**plan, 'dry_run': False})}' > plan.json"
    script = "\n".join(
        ["set -eu", f"output() {{ case $1 in\n{names}\n  esac; }}", store, dry_run, record, without, again]
    )
    environment = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": world.ready["aws_endpoint_url"],
        "AWS_DEFAULT_REGION": world.ready["region"],
        "GENESYS_CLIENT_ID": CLIENT_ID,
        "GENESYS_CLIENT_SECRET": CLIENT_SECRET,
    }
    ran = subprocess.run(
        ["sh", "-c", script],
        check=False,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert ran.returncode == 0, ran.stderr
    assert CLIENT_SECRET not in ran.stdout + ran.stderr
    assert '"dry_run"' in ran.stdout
    weights = {user_id: member["ringNumber"] for user_id, member in world.held(queue)["members"].items()}
    assert len(set(weights.values())) == len(plan["member_weights"])
    assert '"SUCCEEDED"' in ran.stdout.rpartition('"dry_run"')[2]
