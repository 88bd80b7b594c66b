"""The review page in a real Chromium: every key, the grid, the comparison, a phone, without a mouse, and axe-core."""

import os
import re
import resource
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from manifest_rows import frames
from playwright.sync_api import Browser, Page, expect, sync_playwright
from served import Served, reviewable, write_home

from curation.review.decisions import Decision, history
from manifests.database import open_database
from manifests.settings import Settings
from scrapers.browser import system_chromium

pytestmark = pytest.mark.browser
AXE = "axe-core@4.10.3"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("review") / "home"
    # a frame whose picture is lost must not stop the queue; it is the last
    lost = frames(1, doubt=0.0, source_name="lost")
    write_home(folder, pd.concat([reviewable(folder, 160, credit="NASA, ESA"), lost]))
    return folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Served]:
    one = Served(home)
    yield one
    one.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        arguments = ["--no-proxy-server", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        one = playwright.chromium.launch(executable_path=system_chromium(None), args=arguments)
        yield one
        one.close()


@pytest.fixture
def visit(server: Served, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Page]]:
    """Opens the page as a reviewer of the test's name; fails on anything the page complains of."""
    contexts, complaints = [], []

    def go(name: str = request.node.name, **options) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(server.url)
        page.get_by_label("Your name goes with every decision").fill(name)
        page.keyboard.press("Enter")
        shown(page)
        return page

    yield go
    for context in contexts:
        context.close()
    # a server that is not there or cannot save is told on the page itself
    assert [one for one in complaints if not re.search(r"net::ERR_|\b(403|503)\b", one)] == []


def shown(page: Page, other_than: str = "") -> str:
    """The id of the frame in view, once there is another one."""
    page.wait_for_selector(f'body[data-shown]:not([data-shown=""]):not([data-shown="{other_than}"])')
    return page.locator("body").get_attribute("data-shown") or ""


def saved(page: Page) -> None:
    page.wait_for_selector('body[data-pending="0"]', state="attached")


def said(home: Path, reviewer: str) -> list[Decision]:
    engine = open_database(Settings(home=home).database)
    try:
        return [one for one in history(engine) if one.reviewer == reviewer]
    finally:
        engine.dispose()


def test_accept_reject_skip_and_undo_by_keys_alone(visit, home, request):
    page = visit()
    first = shown(page)
    page.keyboard.press("a")
    second = shown(page, first)
    page.keyboard.press("r")
    page.keyboard.press("1")
    third = shown(page, second)
    page.keyboard.press("n")
    page.keyboard.type("a ring")
    page.keyboard.press("Enter")
    page.keyboard.press("r")
    page.keyboard.press("Shift+Digit2")
    page.keyboard.press("Shift+Digit6")
    page.keyboard.press("Enter")
    fourth = shown(page, third)
    page.keyboard.press("s")
    fifth = shown(page, fourth)
    page.keyboard.press("u")
    assert shown(page, fifth) == fourth
    page.keyboard.press("u")
    assert shown(page, fourth) == third
    saved(page)
    rows = said(home, request.node.name)
    assert [(one.image_id, one.action, one.reasons, one.note) for one in rows] == [
        (first, "accept", "", ""),
        (second, "reject", "noisy", ""),
        (third, "reject", "blurred,artefact", "a ring"),
        (fourth, "skip", "", ""),
        (fourth, "undo", "", ""),
        (third, "undo", "", ""),
    ]
    assert all(one.origin == "web" and one.snapshot_id for one in rows)
    assert all(0 < one.seconds < 60 and one.policy_digest for one in rows[:4])
    expect(page.locator("#counts")).to_contain_text("2 today")


def test_a_key_that_is_held_down_decides_once(visit, home, request):
    page = visit()
    first = shown(page)
    for _ in range(5):  # a browser repeats the event while the key is down
        page.keyboard.down("a")
    page.keyboard.up("a")
    shown(page, first)
    saved(page)
    assert len(said(home, request.node.name)) == 1


def test_zoom_mask_compare_and_help(visit):
    page = visit()
    expect(page.locator("#told")).to_contain_text("NASA, ESA")
    expect(page.locator("#link")).to_have_attribute("href", "https://example.org/frame")
    expect(page.locator("#gauges")).to_contain_text("noise_sigma_dn")
    expect(page.locator("#histogram polyline")).to_have_count(3)
    page.keyboard.press("m")
    expect(page.locator("#stage img.mask")).to_be_visible()
    page.keyboard.press("m")
    expect(page.locator("#stage img.mask")).to_have_count(0)
    page.keyboard.press("z")
    expect(page.locator("#stage.zoomed img")).to_have_attribute("src", re.compile("/pixels$"))
    page.keyboard.press("z")
    page.keyboard.press("c")
    expect(page.locator("#stage img")).to_have_count(2)
    before = page.locator("#swipe").input_value()
    page.keyboard.press("ArrowRight")
    assert float(page.locator("#swipe").input_value()) > float(before)
    page.get_by_role("button", name="Side by side").click()
    expect(page.locator("#stage.side img")).to_have_count(2)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("a")  # decides nothing behind the dialog
    page.keyboard.press("Escape")
    expect(page.locator("#counts")).to_contain_text("0 today")


def test_arrows_look_ahead_without_deciding(visit, home, request):
    page = visit()
    first = shown(page)
    page.keyboard.press("ArrowRight")
    second = shown(page, first)
    page.keyboard.press("ArrowLeft")
    assert shown(page, second) == first
    assert said(home, request.node.name) == []


def test_the_grid_decides_many_at_once(visit, home, request):
    page = visit()
    page.keyboard.press("g")
    expect(page.locator("#grid button")).to_have_count(24)
    expect(page.locator("#grid button").first).to_be_focused()
    page.keyboard.press("a")
    expect(page.locator('#grid [data-word="accept"]')).to_have_count(1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("r")
    page.keyboard.press("3")
    expect(page.locator('#grid [data-word="reject: saturated"]')).to_have_count(1)
    page.keyboard.press("u")
    expect(page.locator("#grid [data-word]")).to_have_count(1)
    firsts = page.locator("#grid button").first.get_attribute("data-id")
    page.keyboard.press("Shift+A")
    page.wait_for_selector(f'#grid button:first-child:not([data-id="{firsts}"])')
    expect(page.locator("#grid [data-word]")).to_have_count(0)
    saved(page)
    rows = said(home, request.node.name)
    assert sum(one.action == "accept" for one in rows) == 24
    page.keyboard.press("Enter")
    expect(page.locator("#single")).to_be_visible()


def test_a_phone_has_all_it_needs_under_the_thumb(visit, home, request):
    page = visit(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True, device_scale_factor=2)
    first = shown(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Note").tap()
    page.get_by_role("textbox", name="Note").fill("a ring")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Reject").tap()
    page.get_by_role("button", name="blurred").tap()
    second = shown(page, first)
    page.get_by_role("button", name="Accept").tap()
    third = shown(page, second)
    page.get_by_role("button", name="Undo").tap()
    assert shown(page, third) == second
    saved(page)
    rows = said(home, request.node.name)
    assert [(one.action, one.note) for one in rows] == [("reject", "a ring"), ("accept", ""), ("undo", "")]
    expect(page.get_by_role("textbox", name="Note")).to_be_hidden()
    for button in page.locator("#tools button:visible").all():
        assert button.bounding_box()["height"] >= 40


def test_the_grid_scrolls_on_a_phone_instead_of_cutting_pictures(visit):
    page = visit(viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True, device_scale_factor=2)
    page.locator("#mode").tap()
    tile = page.locator("#grid button").first
    expect(page.locator("#grid button")).to_have_count(24)
    picture, name = tile.locator("img").bounding_box(), tile.locator("span").last.bounding_box()
    assert picture["y"] + picture["height"] <= name["y"] < tile.bounding_box()["y"] + tile.bounding_box()["height"]
    assert page.locator("#grid").evaluate("(grid) => grid.scrollHeight > grid.clientHeight")


def test_the_grid_is_full_although_decisions_were_on_their_way(visit):
    page = visit()
    for _ in range(6):
        page.keyboard.press("s")
    page.keyboard.press("g")
    expect(page.locator("#grid button")).to_have_count(24)
    saved(page)
    expect(page.locator("#grid button")).to_have_count(24)


def test_everything_is_reached_by_tab_in_the_order_of_the_page(visit):
    page = visit()
    order = []
    for _ in range(25):
        page.keyboard.press("Tab")
        order.append(page.evaluate("() => document.activeElement.id || document.activeElement.tagName"))
    wanted = ["mode", "who", "help-button", "stage", "panel", "all-gauges", "link", "accept", "reject", "skip", "undo"]
    assert [one for one in order[: order.index("undo") + 1] if one in wanted] == wanted
    assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_a_server_that_is_killed_and_then_may_not_write_loses_nothing(visit, browser, server, home, request):
    page = visit()
    first = shown(page)
    page.context.set_offline(True)
    page.keyboard.press("a")
    second = shown(page, first)  # the next one is here already
    page.keyboard.press("a")
    expect(page.locator("#saving")).to_contain_text("2 not saved yet")
    assert said(home, request.node.name) == []
    server.kill()
    server.start(DEEPFIELD_DATABASE_URL=f"sqlite:///file:{home / 'catalog.db'}?mode=ro&uri=true")
    page.context.set_offline(False)
    expect(page.locator("#saving")).to_contain_text("write a readonly database. 2 not saved yet", timeout=20_000)
    other = browser.new_page()
    other.goto(server.url)
    other.get_by_label("Your name goes with every decision").fill("somebody else")
    other.keyboard.press("Enter")
    expect(other.locator("#empty")).to_contain_text("attempt to write a readonly database", timeout=20_000)
    server.kill()
    server.start()
    saved(page)
    shown(other)
    other.close()
    expect(page.locator("#saving")).to_have_text("")
    assert [one.image_id for one in said(home, request.node.name)] == [first, second]


def test_a_full_disk_leaves_decisions_in_the_page_until_there_is_room(visit, server, home, request):
    page = visit()
    first = shown(page)
    server.limit_files(0)
    page.keyboard.press("a")
    second = shown(page, first)
    page.keyboard.press("r")
    page.keyboard.press("2")
    expect(page.locator("#saving")).to_contain_text("cannot be used: disk I/O error. 2 not saved yet; kept here.")
    assert said(home, request.node.name) == []
    server.limit_files(resource.RLIM_INFINITY)
    saved(page)
    expect(page.locator("#saving")).to_have_text("")
    assert [(one.image_id, one.action) for one in said(home, request.node.name)] == [
        (first, "accept"),
        (second, "reject"),
    ]


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, from npm's registry, kept beside pytest's cache."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    cache = Path(__file__).parents[2] / ".pytest_cache" / "axe"
    kept = cache / f"{AXE}.js"
    if not kept.exists():
        folder = tmp_path_factory.mktemp("npm")
        done = subprocess.run(
            ["npm", "pack", AXE, "--silent"], cwd=folder, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode != 0:
            pytest.skip(f"npm's registry is out of reach: {done.stderr.strip()[-200:]}")
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            cache.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(member.read())
    return kept.read_text()


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious(visit, axe, scheme):
    page = visit(color_scheme=scheme)
    page.evaluate(axe)
    for key, back in (("", ""), ("z", "z"), ("r", "Escape"), ("?", "Escape"), ("c", ""), ("g", "")):
        if key:
            page.keyboard.press(key)
            page.wait_for_timeout(300)
        found = page.evaluate("async () => (await axe.run()).violations")
        serious = [
            (one["id"], [node["html"][:120] for node in one["nodes"]][:3])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], key
        if back:
            page.keyboard.press(back)
