"""The local archive's hlaview.html, in a real browser: what it asks, what it draws, how its pages turn."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route

from manifests.settings import load_settings
from scrapers.browser import chromium
from scrapers.replica.exchange import Reply, Request, find_handler
from scrapers.replica.hla import hla_routes
from scrapers.replica.sky import synthetic_sky

pytestmark = pytest.mark.browser

SERVER = "http://archive.test"
HASH = "#Images|filterText%3D%24filterTypes%3D|RA={}&Dec={}&Radius={}&inst=ACS&inst=WFC3&imagetype={}&output_size=256|"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium(load_settings().chromium) as one:
        yield one


@pytest.fixture(scope="module")
def routes():
    return hla_routes(synthetic_sky(seed=1, sides_px=(96, 128)), "/hla")


@pytest.fixture
def asked() -> list[str]:
    return []


@pytest.fixture
def page(browser, routes, asked) -> Iterator[Page]:
    """A page whose requests the archive's own routes answer,."""

    def answer(route: Route) -> None:
        parts = urlsplit(route.request.url)
        asked.append(f"{parts.path}?{parts.query}")
        request = Request(parts.path, parts.query, SERVER)
        if route.request.resource_type == "image":
            return route.abort()
        handler = find_handler(routes, parts.path)
        reply = handler(request) if handler else Reply(b"", status=404)
        return route.fulfill(status=reply.status, body=reply.body, content_type=reply.media_type)

    with browser.new_context() as context:
        one = context.new_page()
        one.route("**/*", answer)
        yield one


def searches(asked: list[str]) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(one).query) for one in asked if "hlaSIAP.cgi" in one]


def test_it_asks_once_what_the_hash_says_and_shows_twenty_at_a_time(page, asked):
    page.goto(f"{SERVER}/hla/hlaview.html" + HASH.format(210.8, 54.35, 0.3, "color"))
    page.wait_for_selector("#pageendresultscount")
    (question,) = searches(asked)
    assert question["pos"] == ["210.8,54.35"] and question["size"] == ["0.3"] and question["inst"] == ["ACS,WFC3"]
    assert question["imagetype"] == ["color"] and question["format"] == ["image/jpeg"]
    assert page.inner_text("#pageendresultscount") == "20"
    assert [frame.name for frame in page.frames[1:6]] == ["history", "footprints", "cart", "image1", "image2"]
    assert page.inner_text(".top .pagelabel").startswith("Results 1-20 of ")
    assert page.locator(".pagebuttons").count() == 2
    assert page.locator(".rev.inactive").count() == 2 and page.locator(".fwd.inactive").count() == 0
    first = page.frame_locator('iframe[name="image1"]')
    number, dataset, *_ = first.locator(".color").inner_text().splitlines()
    assert number.startswith("1. ") and dataset.lower().startswith("hst_")
    preview = first.locator("img").evaluate("image => image.src")
    assert "&amp;" not in preview and parse_qs(urlsplit(preview).query)["output_size"] == ["256"]
    assert parse_qs(urlsplit(preview).query)["size"] == ["ALL"]
    page.locator(".fwd").first.click()
    assert page.inner_text("#pageendresultscount") == str(min(40, int(page.inner_text(".top b >> nth=1"))))
    assert page.locator('iframe[name="image1"]').count() == 0 and page.locator('iframe[name="image21"]').count() == 1
    page.locator(".rev").last.click()
    assert page.inner_text("#pageendresultscount") == "20"
    assert len(searches(asked)) == 1


def test_one_page_has_no_buttons_and_the_last_of_several_leads_on_no_more(page):
    page.goto(f"{SERVER}/hla/hlaview.html" + HASH.format(210.8, 54.35, 0.05, "color"))
    page.wait_for_selector("#pageendresultscount")
    assert 0 < int(page.inner_text("#pageendresultscount")) < 20
    assert page.locator(".pagelabel").count() == 2 and page.locator(".pagebuttons").count() == 0
    page.evaluate("hash => location.hash = hash", HASH.format(210.8, 54.35, 0.2, "color"))
    page.locator("a > .fwd").first.click()
    assert page.locator(".fwd.inactive").count() == 2 and page.locator("a > .rev").count() == 2


@pytest.mark.parametrize(
    ("ra", "body", "says"),
    [
        (10, None, "No results found"),
        ("north", None, "Error: POS must be RA,Dec in decimal degrees, not 'north,54.35'"),
        (10, b"<html><body>Busy</body></html>", "Error: Input is not a standard VOTable"),
        (10, b'<?xml version="1.0"?><VOTABLE><RESOURCE>', "Error: Input is not a standard VOTable"),
    ],
)
def test_nothing_and_errors_stand_where_results_would(page, ra, body, says):
    if body is not None:
        page.route("**/hlaSIAP.cgi*", lambda route: route.fulfill(body=body))
    page.goto(f"{SERVER}/hla/hlaview.html" + HASH.format(ra, 54.35, 0.05, "best"))
    page.wait_for_selector("h2:text-matches('^(No|Error)')")
    assert page.inner_text("h2") == says
    count = page.locator("#pageendresultscount")
    assert count.all_inner_texts() == (["0"] if says == "No results found" else [])


def test_the_form_changes_the_hash_and_asks_again(page, asked):
    page.goto(f"{SERVER}/hla/hlaview.html" + HASH.format(210.8, 54.35, 0.01, "color"))
    page.wait_for_selector("#pageendresultscount")
    assert page.input_value("[name=RA]") == "210.8" and page.input_value("[name=imagetype]") == "color"
    page.fill("[name=Radius]", "0.02")
    page.click("#search button")
    page.wait_for_function("document.location.hash.includes('Radius=0.02')")
    page.wait_for_selector("#pageendresultscount")
    assert [one["size"] for one in searches(asked)] == [["0.01"], ["0.02"]]
