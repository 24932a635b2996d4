"""What README and docs say is run, not believed."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from routing_weights import errors
from routing_weights.domain.plan import parse_plan
from routing_weights.domain.status import Status

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.skipif(not shutil.which("curl"), reason="the README's commands are curl's, and there is none here")
def test_the_commands_of_the_readme_do_what_it_says(world):
    (script,) = blocks("sh")
    assert "API=http://127.0.0.1:3000\n" in script
    script = script.replace("http://127.0.0.1:3000", world.api_url)
    done = subprocess.run(["sh", "-e", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "202 ACCEPTED" in done.stdout.splitlines()[0]
    assert re.search(r"Location: /distributions/[\w-]+", done.stdout)
    assert '"items":[' in done.stdout
    assert '"submitted_weights":{' in done.stdout
    assert '"/problems/plan-invalid"' in done.stdout


def test_the_plan_of_the_readme_is_valid():
    (text,) = blocks("json")
    assert parse_plan(text).member_weights["agent-001"] == 0.4


def anchors(page):
    """The anchors that GitHub gives the headings of a page."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def is_broken(page, link):
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return not target.exists() or (anchor and anchor not in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?://)([^)]+)\)", page.read_text())
    assert [link for link in links if is_broken(page, link)] == []


def test_a_link_to_a_file_or_heading_that_is_missing_is_broken():
    readme = ROOT / "README.md"
    assert not is_broken(readme, "docs/operate/alarms.md#restore-failed")
    assert is_broken(readme, "docs/operate/alarms.md#nothing-of-this-name")
    assert is_broken(readme, "docs/alarms.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`|^make ([a-z]+)", page.read_text())) <= {(t, "") for t in targets} | {
        ("", t) for t in targets
    }


def test_every_status_is_explained():
    rows = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/reference/statuses.md").read_text(), re.MULTILINE))
    assert rows == {status.value for status in Status}


def test_every_error_is_explained():
    page = (ROOT / "docs/reference/errors.md").read_text()
    classes = errors.RoutingWeightsError.__subclasses__()
    assert [c for c in classes if f"`{c.__name__}`" not in page and f"`{c.problem_type()}`" not in page] == []


def test_every_parameter_is_explained():
    page = (ROOT / "docs/administer/deploy.md").read_text()
    parameters = re.findall(
        r"^  (\w+):\n    Type: (?:String|Number)$", (ROOT / "template.yaml").read_text(), re.MULTILINE
    )
    assert parameters
    assert [name for name in parameters if f"`{name}`" not in page] == []


def test_the_openapi_document_says_what_the_api_is():
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert set(document["paths"]) == {
        "/plans",
        "/plans/suggest",
        "/distributions/{distribution_id}/projection.svg",
        "/distributions/{distribution_id}",
        "/distributions/{distribution_id}/restore",
        "/distributions/{distribution_id}/return",
        "/queues/{queue_id}/distributions",
        "/queues/{queue_id}/calibration",
        "/queues/{queue_id}/drift",
        "/queues/{queue_id}/forecast",
        "/queues/{queue_id}/baselines",
        "/queues/{queue_id}/baselines/{name}",
        "/queues/{queue_id}/baselines/{name}/restore",
        "/schedules",
        "/schedules/{name}",
        "/schedules/{name}/preview",
        "/webhooks/genesys/callback",
    }
