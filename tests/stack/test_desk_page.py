"""The desk in a real browser, against the deployed system and a Genesys over HTTP. Whoever reads sees names only."""

import os
import re
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.browser import Reader, chromium
from tests.support.waiting import until

SEE, EDIT = "routing:queue:view", "routing:queue:edit"
PEOPLE = {"planner-of-desk": "Petra Planner", "second-of-desk": "Sven Second", "other-of-desk": "Olga Other"}
AGENTS = {"desk-agent-1": "Ada Abel", "desk-agent-2": "Ben Brandt", "desk-agent-3": "Carla Castro"}
PICTURES = os.environ.get("DESK_PICTURES", "")
"""A folder for pictures of the steps: `make pictures` sets it."""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def desk(platform_world):
    """The desk with two planners of one division, and one of another."""
    world = platform_world
    url = world.ready["desk_url"]
    world.sim.change_settings(desk_client_id="desk", redirect_uris=f"{url}/callback")
    for user_id, name in PEOPLE.items():
        division = "desk-elsewhere" if user_id.startswith("other") else "desk-here"
        grant = {"role": "Supervisor", "division": division, "permissions": [SEE, EDIT]}
        world.sim.put_person(user_id, name=name, grants=[grant])
    return world


@pytest.fixture
def queue(desk):
    """The name of a new queue of three agents, in the division of the two planners."""
    number = len(list(desk.sim.state()["queues"]))
    name = f"Support {number}"
    members = [{"user": {"id": user_id, "name": agent}} for user_id, agent in AGENTS.items()]
    queue_id = desk.queue(queue={"name": name, "division": {"id": "desk-here", "name": "Here"}}, members=members)
    return type("Queue", (), {"name": name, "queue_id": queue_id, "path": f"/queues/{queue_id}"})


@pytest.fixture
def reader(browser, desk):
    with closing(Reader(browser, desk.ready["desk_url"], viewport={"width": 1280, "height": 760})) as reader:
        yield reader


def picture(page, name):
    if PICTURES:
        page.evaluate("() => window.scrollTo(0, 0)")
        page.screenshot(path=Path(PICTURES, f"{name}.png"))


def rings(world, queue):
    return {user_id: member["ringNumber"] for user_id, member in world.held(queue.queue_id)["members"].items()}


def weigh(page, **weights):
    for name, weight in weights.items():
        page.get_by_label(f"Weight of {name.replace('_', ' ')} in percent").fill(weight)


def apply(page, queue, reason, **weights):
    """Apply weights, and wait for the end."""
    weigh(page, **weights)
    page.get_by_label("Load in erlangs").evaluate("input => { input.closest('details').open = true }")
    page.get_by_label("Load in erlangs").fill("1")
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=f"Apply to {queue.name}").click()
    expect(page.get_by_role("heading", name=f"{queue.name}: {reason}")).to_be_visible()
    expect(page.locator(".status-line")).to_contain_text("Completed")


def test_the_first_hour_by_names_only(reader, desk, queue):
    before = rings(desk, queue)
    page = reader.sign_in("Petra Planner").page
    page.get_by_label("Name contains").fill(queue.name)
    picture(page, "desk-queues")
    page.get_by_role("link", name=queue.name, exact=True).click()
    weigh(page, Ada_Abel="60", Ben_Brandt="30", Carla_Castro="10")
    expect(page.locator("#total")).to_contain_text("100")
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Load in erlangs").fill("1")
    expect(page.locator("#preview .verdict")).to_have_text("Fits")
    expect(page.locator("#preview")).to_contain_text("Ben Brandt")
    picture(page, "desk-editor")
    page.get_by_label("Reason").fill("storm")
    page.get_by_role("button", name=f"Apply to {queue.name}").click()
    expect(page.get_by_role("heading", name=f"{queue.name}: storm")).to_be_visible()
    expect(page.locator(".status-line")).to_contain_text("Completed")
    expect(page.locator("#record")).to_contain_text("Petra Planner")
    expect(page.get_by_role("row", name=re.compile("Ben Brandt"))).to_contain_text("ring 1")
    chart = page.locator(".chart img")
    until(lambda: chart.evaluate("image => image.complete && image.naturalWidth > 0"))
    picture(page, "desk-record")
    assert rings(desk, queue) != before
    page.get_by_role("link", name=queue.name).click()
    expect(page.locator("#history")).to_contain_text("storm")
    page.locator("#history").get_by_role("button", name=re.compile("^Restore")).click()
    expect(page.get_by_role("button", name="Restore now")).to_be_visible()
    picture(page, "desk-restore")
    page.get_by_label("Why, for the record").fill("the storm is over")
    page.get_by_role("button", name="Restore now").click()
    expect(page.get_by_role("heading", name=f"{queue.name}: the storm is over")).to_be_visible()
    expect(page.locator(".status-line")).to_contain_text("Completed")
    assert rings(desk, queue) == before
    assert not [line for line in reader.refused if "Content Security Policy" in line]


def test_nothing_but_the_desk_is_asked_once_a_person_is_signed_in(reader, desk, queue):
    page = reader.sign_in("Petra Planner").page
    reader.asked.clear()
    page.get_by_role("link", name=queue.name, exact=True).click()
    apply(page, queue, "no other host", Ada_Abel="50")
    for path in ("", "/approvals", "/fleets", "/audit", f"{queue.path}/trail"):
        reader.open(path)
    assert len(reader.asked) > 10
    assert {urlsplit(url).netloc for url in reader.asked} == {urlsplit(desk.ready["desk_url"]).netloc}


def test_two_editors_lose_no_work(browser, reader, desk, queue):
    with closing(Reader(browser, desk.ready["desk_url"])) as second:
        mine = second.sign_in("Sven Second", queue.path).page
        theirs = reader.sign_in("Petra Planner", queue.path).page
        apply(theirs, queue, "I was first", Ada_Abel="70", Ben_Brandt="30")
        held = rings(desk, queue)
        weigh(mine, Carla_Castro="90")
        expect(mine.locator("#preview .outdated")).to_contain_text("Petra Planner")
        expect(mine.get_by_label("Weight of Carla Castro in percent")).to_have_value("90")
        mine.get_by_role("button", name="Show what is in force now").click()
        expect(mine.get_by_role("row", name=re.compile("Ada Abel"))).to_contain_text("70 %")
        expect(mine.get_by_label("Weight of Carla Castro in percent")).to_have_value("90")
        assert rings(desk, queue) == held


def editor(page):
    """The page once its script is at work."""
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    return page


def weights(page):
    return {name: page.get_by_label(f"Weight of {name} in percent").input_value() for name in AGENTS.values()}


def paste(page, into, text):
    """Paste a text as a spreadsheet copies it."""
    page.get_by_label(f"Weight of {into} in percent").evaluate(
        """(input, text) => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text", text);
            input.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }""",
        text,
    )


def test_the_editor_takes_cells_of_a_spreadsheet_and_undoes_redoes_and_scales(browser, desk, queue):
    with closing(Reader(browser, desk.ready["desk_url"], locale="de-DE")) as reader:
        page = editor(reader.sign_in("Petra Planner", queue.path).page)
        paste(page, "Ada Abel", "Ben Brandt\t12,5 %\r\nada abel\t0.5\r\nNobody\t3\r\nCarla Castro\tmany")
        pasted = {"Ada Abel": "0,5", "Ben Brandt": "12,5", "Carla Castro": ""}
        assert weights(page) == pasted
        expect(page.locator("#unmatched li")).to_have_count(2)
        expect(page.locator("#unmatched")).to_contain_text("Nobody: not taken over")
        paste(page, "Ben Brandt", "1\n2")
        assert weights(page) == {"Ada Abel": "0,5", "Ben Brandt": "1", "Carla Castro": "2"}
        weigh(page, Ada_Abel="7", Ben_Brandt="7", Carla_Castro="7")
        page.get_by_role("button", name="Scale").click()
        assert weights(page) == {"Ada Abel": "33,3334", "Ben Brandt": "33,3333", "Carla Castro": "33,3333"}
        expect(page.locator("#total")).to_have_text("100 %, 0 % left")
        for _ in range(5):  # the scaling, three weights that were typed, the second paste
            page.get_by_role("button", name="Undo").click()
        assert weights(page) == pasted
        page.get_by_role("button", name="Redo").click()
        assert weights(page)["Carla Castro"] == "2"
        page.get_by_label("Weight of Ada Abel in percent").press("Control+z")
        assert weights(page) == pasted


def test_a_named_plan_fills_all_that_it_has_and_is_undone_whole(reader, queue):
    page = editor(reader.sign_in("Petra Planner", queue.path).page)
    weigh(page, Ada_Abel="20", Ben_Brandt="80")
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Overflow threshold").fill("70")
    page.get_by_label("Name", exact=True).fill("Night")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").filter(has_text="Night")).to_be_visible()
    reader.open(queue.path)
    weigh(editor(page), Carla_Castro="5")
    page.get_by_role("link", name="Night").click()
    expect(page.get_by_label("Weight of Ben Brandt in percent")).to_have_value("80")
    assert weights(page) == {"Ada Abel": "20", "Ben Brandt": "80", "Carla Castro": ""}
    page.get_by_text("Options", exact=True).click()
    expect(page.get_by_label("Overflow threshold")).to_have_value("70")
    page.get_by_role("button", name="Undo").click()
    assert weights(page) == {"Ada Abel": "", "Ben Brandt": "", "Carla Castro": "5"}
    expect(page.get_by_label("Overflow threshold")).to_have_value("85")


def test_what_was_typed_survives_a_sign_in_that_expired(reader, queue):
    page = editor(reader.sign_in("Petra Planner", queue.path).page)
    reader.context.clear_cookies()
    weigh(page, Ada_Abel="61")
    page.get_by_label("Reason").fill("storm")
    expect(page.locator("#preview")).to_contain_text("not signed in")
    assert weights(page)["Ada Abel"] == "61"
    page.get_by_role("button", name=f"Apply to {queue.name}").click()
    expect(page.get_by_role("alert")).to_contain_text("not signed in")
    page = reader.sign_in("Petra Planner", queue.path).page
    assert weights(page)["Ada Abel"] == ""
    page.get_by_role("button", name="Bring it back").click()
    assert weights(page)["Ada Abel"] == "61"
    expect(page.get_by_label("Reason")).to_have_value("storm")


def test_a_restore_button_that_is_pressed_twice_restores_once(reader, desk, queue):
    page = reader.sign_in("Petra Planner", queue.path).page
    apply(page, queue, "a mistake", Ada_Abel="20", Ben_Brandt="80")
    page.get_by_role("button", name=re.compile("^Restore")).click()
    again = reader.new_page()
    expect(page.get_by_role("button", name="Restore now")).to_be_visible()
    again.goto(page.url)
    page.get_by_role("button", name="Restore now").dblclick()
    expect(page.locator(".status-line")).to_contain_text("Completed")
    again.get_by_role("button", name="Restore now").click()
    expect(again).to_have_url(page.url)
    runs = desk.get(f"/queues/{queue.queue_id}/distributions").json()["items"]
    assert [run["status"] for run in runs if not run.get("dry_run")] == ["completed", "completed"]


def test_offline_the_page_says_so_and_keeps_what_was_typed(reader, queue):
    page = reader.sign_in("Petra Planner", queue.path).page
    expect(page.locator("#offline")).to_be_hidden()
    reader.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    weigh(page, Ada_Abel="40")
    page.get_by_role("button", name=f"Apply to {queue.name}").click()
    expect(page.get_by_label("Weight of Ada Abel in percent")).to_have_value("40")
    reader.context.set_offline(False)
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.get_by_label("Weight of Ada Abel in percent")).to_have_value("40")


def test_a_person_of_another_division_sees_none_of_it_anywhere(reader, queue):
    page = reader.sign_in("Olga Other").page
    expect(page.get_by_text(queue.name)).to_have_count(0)
    for path in ("/approvals", "/fleets", "/audit", "/shares"):
        reader.open(path)
        expect(page.get_by_text(queue.name)).to_have_count(0)
    for path in (queue.path, f"{queue.path}/trail"):
        reader.open(path)
        expect(page.get_by_role("alert")).to_contain_text("There is no queue")


def pages_of(queue, distribution):
    return [
        "",
        queue.path,
        distribution,
        f"{queue.path}/trail",
        "/approvals",
        "/schedules",
        "/schedules/new",
        "/shares",
        f"{queue.path}/shares",
        "/fleets",
        "/audit",
        "/nothing",
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_any_page(browser, desk, queue, scheme):
    options = {"bypass_csp": True, "color_scheme": scheme}
    with closing(Reader(browser, desk.ready["desk_url"], **options)) as reader:
        page = reader.sign_in("Petra Planner", queue.path).page
        apply(page, queue, "for axe", Ada_Abel="50", Ben_Brandt="50")
        distribution = page.url.removeprefix(reader.desk_url)
        found = []
        for path in [*pages_of(queue, distribution), "/signed-out"]:
            reader.open(path)
            page.wait_for_load_state("networkidle")
            for violation in Axe().run(page).response["violations"]:
                if violation["impact"] in {"serious", "critical"}:
                    found += [(path, violation["id"], node["html"][:200]) for node in violation["nodes"]]
        assert found == []


@pytest.mark.parametrize("width", [320, 768, 2560])
def test_no_page_is_wider_than_the_window(browser, desk, queue, width):
    size = {"width": width, "height": 800}
    with closing(Reader(browser, desk.ready["desk_url"], viewport=size)) as reader:
        page = reader.sign_in("Petra Planner").page
        wide = {}
        for path in pages_of(queue, "/signed-out"):
            reader.open(path)
            if (pixels := page.evaluate("() => document.documentElement.scrollWidth")) > width:
                wide[path] = pixels
        assert wide == {}
