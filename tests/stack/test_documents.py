"""What README and docs say is run, not believed."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from routing_weights import errors
from routing_weights.domain.fleet import FleetStatus
from routing_weights.domain.plan import Plan, parse_plan
from routing_weights.domain.status import Status
from tests.support.waiting import until
from tests.support.world import a_plan

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


PLANS = ROOT / "docs/use/plans.md"
NAMED_PLANS = ROOT / "docs/use/named-plans.md"
REVERTING = ROOT / "docs/use/reverting.md"
WHAT_CHANGES = ROOT / "docs/administer/what-changes.md"
TEMPLATE = (ROOT / "template.yaml").read_text()
needs_curl = pytest.mark.skipif(not shutil.which("curl"), reason="the pages' commands use curl, and there is none here")


def blocks(page, language):
    return re.findall(rf"^ *```{language}\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE)


def run_script(script, world, **variables):
    script = script.replace("http://127.0.0.1:3000", world.api_url)
    environment = {"PATH": os.environ["PATH"], **variables}
    command = ["sh", "-e", "-c", script]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


@needs_curl
def test_the_commands_of_the_page_on_plans_do_what_it_says(world):
    (script,) = blocks(PLANS, "sh")
    assert "API=http://127.0.0.1:3000\n" in script
    printed = run_script(script, world)
    assert "202 ACCEPTED" in printed.splitlines()[0]
    assert re.search(r"Location: /distributions/[\w-]+", printed)
    assert '"items":[' in printed
    assert '"submitted_weights":{' in printed
    assert '"/problems/plan-invalid"' in printed


@needs_curl
def test_the_commands_of_the_page_on_reverting_do_what_it_says(world, queue):
    first = world.run(a_plan(queue, wait_for_lock_s=60)).start("api").ends("completed").distribution_id
    before, baseline = (script.replace("queue-001", queue) for script in blocks(REVERTING, "sh"))
    printed = run_script(before, world, ID=first)
    started = re.findall(r'"distribution_id":"([\w-]+)","status":"initiated"', printed)
    assert len(started) == 2, printed
    dry, reverted = (
        until(lambda one=one: (record := world.distribution(one))["terminal"] and record) for one in started
    )
    assert (dry["status"], reverted["status"]) == ("dry_run", "completed")
    assert reverted["restores"] == {"distribution_id": first, "image": "before"}
    printed = run_script(baseline, world)
    assert printed.count(f'"distribution_id":"{reverted["distribution_id"]}"') == 2, "set, and listed"
    assert '"status":"initiated"' in printed


@needs_curl
def test_the_commands_of_the_page_on_named_plans_do_what_it_says(world):
    world.put_queue("queue-001", agents=12)
    (script,) = blocks(NAMED_PLANS, "sh")
    printed = run_script(script, world)
    assert printed.count('"version":"') == 2, "saved, and listed"
    started = re.findall(r'"distribution_id":"([\w-]+)","status":"initiated"', printed)
    assert len(started) == 2, printed
    for distribution_id in started:
        until(lambda one=distribution_id: world.distribution(one)["terminal"])
    assert world.get("/queues/queue-001/plans").json() == {"items": []}


@needs_curl
def test_the_command_that_reverts_a_distribution_works(world, queue):
    (command,) = blocks(WHAT_CHANGES, "sh")
    first = world.run(a_plan(queue)).start("api").ends("completed").distribution_id
    printed = run_script(command, world, API=world.api_url, ID=first, KEY="key", SECRET="secret")
    started = json.loads(printed)["distribution_id"]
    record = until(lambda: (found := world.distribution(started))["terminal"] and found)
    assert (record["status"], record["restores"]["distribution_id"]) == ("completed", first)


def test_the_plan_of_the_page_on_plans_is_valid():
    (text,) = blocks(PLANS, "json")
    assert parse_plan(text).member_weights["agent-001"] == 0.4


def test_every_field_of_a_plan_is_explained():
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PLANS.read_text(), re.MULTILINE)
    assert Plan.model_fields.keys() - {"restores"} <= set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_every_sample_is_listed():
    page = PLANS.read_text()
    assert [
        path.name
        for path in sorted((ROOT / "events").iterdir())
        if f"({os.path.relpath(path, PLANS.parent)})" not in page
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_json_sample_is_json(page):
    for text in blocks(page, "json"):
        json.loads(text)


def test_every_store_is_on_the_page_about_data():
    page = (ROOT / "docs/administer/data.md").read_text()
    of = r"^  (\w+):\n(?:    #.*\n)*    Type: AWS::"
    stores = re.findall(rf"{of}(?:DynamoDB::Table|S3::Bucket)$", TEMPLATE, re.MULTILINE)
    assert stores
    assert [name for name in stores if name not in page] == []
    kept = re.findall(rf"{of}\S+\n    DeletionPolicy: RetainExceptOnCreate$", TEMPLATE, re.MULTILINE)
    (sentence,) = re.findall(
        r"^(.*?) are kept\.", page[page.index("## When the stack is deleted") :], re.DOTALL | re.MULTILINE
    )
    assert set(re.findall(r"\w+(?:Table|Bucket|Key)", sentence)) == set(kept)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_placeholder_of_a_command_is_a_resource_or_an_output(page):
    names = set(re.findall(r"^  (\w+):$", TEMPLATE[TEMPLATE.index("\nResources:") :], re.MULTILINE))
    assert set(re.findall(r"<([A-Z]\w+)(?: from the outputs)?>", page.read_text())) <= names


def test_every_page_is_in_the_index():
    index = ROOT / "docs/README.md"
    linked = {(index.parent / link).resolve() for link in re.findall(r"\]\(([^)#]+)", index.read_text())}
    pages = {page for page in PAGES if "adr" not in page.parts} - {index, ROOT / "README.md"}
    assert sorted(page.name for page in pages - linked) == []


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
    assert rows == {*Status, *FleetStatus}


def test_every_error_is_explained():
    page = (ROOT / "docs/reference/errors.md").read_text()
    classes = errors.RoutingWeightsError.__subclasses__()
    assert [c for c in classes if f"`{c.__name__}`" not in page and f"`{c.problem_type()}`" not in page] == []


def test_the_openapi_document_says_what_the_api_is():
    document = json.loads((ROOT / "docs" / "openapi.json").read_text())
    assert set(document["paths"]) == {
        "/approvals",
        "/audit/export",
        "/audit/verification",
        "/checkpoints",
        "/plans",
        "/plans/suggest",
        "/queues",
        "/queues/{queue_id}",
        "/queues/{queue_id}/members",
        "/fleets",
        "/fleets/uploads",
        "/fleets/{fleet_id}",
        "/fleets/{fleet_id}/approve",
        "/fleets/{fleet_id}/queues",
        "/fleets/{fleet_id}/reject",
        "/fleets/{fleet_id}/cancel",
        "/fleets/{fleet_id}/continue",
        "/fleets/{fleet_id}/revert",
        "/distributions/{distribution_id}/projection.svg",
        "/distributions/{distribution_id}",
        "/distributions/{distribution_id}/approve",
        "/distributions/{distribution_id}/reject",
        "/distributions/{distribution_id}/restore",
        "/distributions/{distribution_id}/return",
        "/queues/{queue_id}/distributions",
        "/queues/{queue_id}/calibration",
        "/queues/{queue_id}/drift",
        "/queues/{queue_id}/shares",
        "/queues/{queue_id}/shares.svg",
        "/queues/{queue_id}/forecast",
        "/queues/{queue_id}/draws",
        "/queues/{queue_id}/plans",
        "/queues/{queue_id}/plans/{name}",
        "/queues/{queue_id}/plans/{name}/apply",
        "/queues/{queue_id}/baselines",
        "/queues/{queue_id}/baselines/{name}",
        "/queues/{queue_id}/baselines/{name}/restore",
        "/schedules",
        "/schedules/{name}",
        "/schedules/{name}/preview",
        "/webhooks/genesys/callback",
    }


def test_every_path_of_the_page_on_architecture_exists():
    page = (ROOT / "docs/architecture.md").read_text()
    paths = {path for path in re.findall(r"`([\w./-]+(?:/|\.py|\.yaml))`", page) if "<" not in path}
    places = (ROOT, ROOT / "layers/core/routing_weights", ROOT / "functions/desk")
    assert len(paths) > 30
    assert sorted(path for path in paths if not any((place / path).exists() for place in places)) == []
