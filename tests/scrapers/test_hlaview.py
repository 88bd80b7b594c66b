"""HLA by its page: the same products as by SIA, and one sentence for whatever a page may do wrong."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_archive import Answer, FakeHost, serve_colour_rows, sia_reply, sia_row
from forked import Forked
from playwright.sync_api import Browser
from sqlalchemy import Engine
from typer.testing import CliRunner

from manifests.blobs import BlobStore
from manifests.errors import DeepfieldError, UsageError
from manifests.settings import Settings, load_settings
from scrapers import crawl as crawling
from scrapers.attempts import HttpError
from scrapers.browser import BrowserThread
from scrapers.cli import scrape_app
from scrapers.hla import Hla, hla_client, hla_query
from scrapers.hlaview import HlaView, full_size, open_hlaview, results_of
from scrapers.polite_page import Supply, polite_page
from scrapers.replica.exchange import Request
from scrapers.replica.faults import Faults
from scrapers.replica.hlaview import hlaview_routes
from scrapers.replica.server import ReplicaServer, serve
from scrapers.replica.sky import SyntheticSky, synthetic_sky
from scrapers.sky import Cone
from scrapers.tiling import Tiling

HERE = (210.8, 54.35)
PAGE, SIA = "/hlaview.html", "/cgi-bin/hlaSIAP.cgi"
OURS = hlaview_routes()[PAGE](Request(PAGE, "", "")).body

View = Callable[..., HlaView]


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserThread]:
    with BrowserThread(load_settings().chromium) as one:
        yield one


@pytest.fixture(scope="module")
def sky() -> SyntheticSky:
    return synthetic_sky(seed=1, sides_px=(96, 128))


@pytest.fixture(scope="module")
def archive(sky: SyntheticSky) -> Iterator[ReplicaServer]:
    with serve(sky, prefix="/hla") as server:
        yield server


@pytest.fixture
def view(browser: BrowserThread, quick: Settings) -> View:
    def build(url: str, *query: str, **changed: object) -> HlaView:
        settings = quick.model_copy(update=changed)
        client = hla_client(settings, url)
        client._first_backoff_s = 0.01
        return HlaView(client, hla_query(*query), settings, browser)

    return build


@pytest.mark.browser
@pytest.mark.parametrize(
    ("cone", "number"),
    [
        (Cone(210.85, 54.35, 0.01), 1),
        (Cone(211.1, 54.35, 0.18), 20),
        (Cone(210.8, 54.35, 0.14), 21),
        (Cone(210.8, 54.35, 0.26), 40),
        (Cone(210.8, 54.35, 0.31), 45),
    ],
)
def test_the_page_and_the_service_find_the_same(view: View, archive: ReplicaServer, cone: Cone, number: int) -> None:
    page = view(f"{archive.url}/hla")
    before = len(archive.log)
    found = page.ask(page.tile(cone))
    # the page and its one question, however many pages are turned; no preview
    assert [one.path for one in archive.log[before:]] == ["/robots.txt", f"/hla{PAGE}", f"/hla{SIA}"]
    service = Hla(page.client, page.query)
    assert len(found) == number
    assert found == service.ask(service.tile(cone))


@pytest.mark.browser
def test_nothing_found_is_no_error(view: View, archive: ReplicaServer) -> None:
    page = view(f"{archive.url}/hla")
    assert page.ask(page.tile(Cone(10.0, -30.0, 0.1))) == []


@pytest.mark.browser
def test_names_of_either_case_filters_and_instruments(view: View, archive: ReplicaServer) -> None:
    page = view(f"{archive.url}/hla", "best", "ACS,WFPC2", "F814W")
    cone = Cone(*HERE, 0.5)
    found = page.ask(page.tile(cone))
    service = Hla(page.client, page.query)
    assert found == service.ask(service.tile(cone))
    assert {one.source_name[:4] for one in found} == {"hst_", "HST_"}
    assert {one.expects_colour for one in found} == {True, False}


@pytest.mark.browser
def test_a_crawl_asks_its_tiles_through_one_browser(
    view: View, archive: ReplicaServer, engine: Engine, blobs: BlobStore, quick: Settings
) -> None:
    page = view(f"{archive.url}/hla")
    region, tiling = Cone(*HERE, 0.05), Tiling(order=9)
    summary = crawling.crawl(page, region, tiling, engine=engine, blobs=blobs, settings=quick, limit=2, min_size=50)
    assert summary.progress.tiles > 1 and summary.progress.tiles_asked == summary.progress.tiles
    assert (summary.progress.got, summary.progress.failed) == (2, 0)
    by_page = {entry.product.product_id for entry in crawling.products_in(page, region, tiling, engine=engine)}
    by_service = {one.product_id for one in crawling.look(Hla(page.client, page.query), region, tiling)}
    assert len(by_page) > 2 and by_page == by_service


@pytest.mark.browser
@pytest.mark.parametrize(
    "wrong",
    [
        Answer(b"<html><body>The archive is busy</body></html>"),
        Answer(sia_reply([sia_row("http://x", 1)])[:-700]),
        Answer(status=503),
        Answer(sia_reply([]), cut=True),
    ],
)
def test_a_search_that_goes_wrong_once_is_asked_again(view: View, host: FakeHost, wrong: Answer) -> None:
    host.say(PAGE, OURS)
    host.say(SIA, wrong, Answer(sia_reply([sia_row(host.url, number) for number in range(3)])))
    page = view(host.url)
    assert len(page.ask(page.tile(Cone(*HERE, 0.1)))) == 3
    assert len(host.asked(SIA)) == 2 and len(host.asked(PAGE)) == 1
    names = {headers["User-Agent"] for headers in host.headers}
    assert len(names) == 1 and next(iter(names)).startswith("Deepfield/")
    assert not any("Cookie" in headers for headers in host.headers)


def script(text: str) -> bytes:
    return f"<!DOCTYPE html><html><body><script>{text}</script></body></html>".encode()


COUNT = "document.body.innerHTML += '<span id=pageendresultscount>{}</span>';"
FRAMES = """for (let n = {}; n <= {}; n++) {{ const frame = document.createElement('iframe'); frame.name = 'image' + n;
    frame.srcdoc = `<div class=color>a<br>{}</div><img src=/x>`; document.body.append(frame); }}"""
SETS = "set${n}"
LABEL = "document.body.innerHTML += '<div class=pagelabel>Results <b>1-2</b> of <b>5</b></div>';"
TURN = "document.body.insertAdjacentHTML('beforeend', '<span class=fwd onclick=\"turn()\">Next</span>');"


@pytest.mark.browser
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (script(COUNT.format(0)), "shows neither results nor that there are none"),
        (script("for (;;) { Math.random() }"), "shows neither results nor that there are none"),
        (script("document.body.innerHTML = '<h2>Error: Input is bad</h2>'"), "shows no results but 'Error: Input is"),
        (script(COUNT.format(3) + FRAMES.format(1, 2, SETS)), "tells of results 1 to 3 and does not show them all"),
        (script(COUNT.format(2) + LABEL + FRAMES.format(1, 2, SETS)), "has more results and offers no way on after 2"),
        (script(COUNT.format(2) + FRAMES.format(1, 2, "")), "does not name the dataset of result 1"),
        (script(COUNT.format(2) + TURN + FRAMES.format(1, 2, SETS)), "does not turn to the results after 2"),
        (
            script(
                f"function turn() {{ {FRAMES.format(3, 4, 'set${n - 2}')} pageendresultscount.innerText = 4; }}"
                + (COUNT.format(2) + TURN + FRAMES.format(1, 2, SETS))
            ),
            "shows the same results again as 3 to 4",
        ),
        (script('fetch("http://elsewhere.test/").catch(() => 0)'), "not the archive's own hosts: elsewhere.test"),
    ],
)
def test_a_page_that_does_not_do_as_it_should(
    browser: BrowserThread, host: FakeHost, quick: Settings, body: bytes, says: str
) -> None:
    host.say(PAGE, body)
    hurried = quick.model_copy(update={"timeout_s": 1.5})
    supply = Supply(hla_client(hurried, host.url), lambda address: lambda reply: None)

    def look(one: Browser) -> dict[str, str]:
        with polite_page(one, f"{host.url}{PAGE}#Images", supply, hurried) as page:
            return results_of(page)

    with pytest.raises(HttpError, match=says) as error:
        browser.run(look)
    assert (error.value.kind, error.value.reason) == ("transient", "page")
    assert "\n" not in str(error.value)


@pytest.mark.browser
def test_pictures_of_other_levels_are_left_out(view: View, host: FakeHost) -> None:
    """A server may not know `imagetype`."""
    host.say(PAGE, OURS)
    host.say(SIA, sia_reply([sia_row(host.url, 1), sia_row(host.url, 2, Level=2), sia_row(host.url, 3, Level=5)]))
    page = view(host.url)
    (found,) = page.ask(page.tile(Cone(*HERE, 0.1)))
    assert found.source_name == "HST_9001_01_ACS_WFC_F814W_F555W_F435W"


@pytest.mark.browser
def test_what_the_page_alone_tells_is_enough(view: View, host: FakeHost) -> None:
    """Two results, found without a search that we know."""
    cards = FRAMES.format(1, 2, SETS).replace("/x", "/cgi-bin/fitscut.cgi?red=r&amp;blue=b&amp;output_size=256")
    host.say(PAGE, script(COUNT.format(2) + cards))
    page = view(host.url)
    first, second = page.ask(page.tile(Cone(*HERE, 0.1)))
    assert (first.product_id, second.obs_id) == ("hla:set1", "set2")
    assert first.access_url == f"{host.url}/cgi-bin/fitscut.cgi?red=r&blue=b"
    assert (first.expects_colour, first.synthetic_green, first.s_ra) == (True, True, None)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("answers", "kind", "reason", "says"),
    [
        ({PAGE: b"not a page"}, "transient", "not_a_reply", "HLA answered with text"),
        ({PAGE: Answer(status=404)}, "permanent", "gone", "404"),
        ({"/robots.txt": b"User-agent: *\nDisallow: /hlaview"}, "refused", "robots", "forbids robots to ask /hlaview"),
        ({"/robots.txt": b"User-agent: *\nDisallow: /cgi-bin"}, "refused", "robots", "forbids robots to ask /cgi-bin"),
        ({SIA: b"<html><body>Busy</body></html>"}, "transient", "not_a_reply", "HTML page, not a VOTable"),
        (
            {SIA: sia_reply([], '<INFO name="QUERY_STATUS" value="ERROR">POS is wrong</INFO>')},
            "permanent",
            "query",
            "POS is wrong",
        ),
    ],
)
def test_what_the_archive_answers_is_what_is_told(
    view: View, host: FakeHost, answers: dict[str, Answer | bytes], kind: str, reason: str, says: str
) -> None:
    for path, answer in {PAGE: OURS, SIA: sia_reply([]), **answers}.items():
        host.say(path, answer)
    page = view(host.url, attempts=1)
    with pytest.raises(HttpError, match=says) as error:
        page.ask(page.tile(Cone(*HERE, 0.1)))
    assert (error.value.kind, error.value.reason) == (kind, reason)


@pytest.mark.browser
def test_a_search_that_never_answers_is_given_up(view: View, host: FakeHost) -> None:
    host.say(PAGE, OURS)
    host.script(SIA, lambda path, query: time.sleep(1.0) or Answer())
    page = view(host.url, attempts=1, timeout_s=0.3)
    with pytest.raises(HttpError, match=r"did not answer within") as error:
        page.ask(page.tile(Cone(*HERE, 0.1)))
    assert error.value.kind == "transient"


@pytest.mark.browser
def test_a_page_is_not_followed_elsewhere(view: View, host: FakeHost) -> None:
    other = FakeHost()
    at = f"{other.url}/away"
    tricks = f"""
        new Image().src = "{at}"; fetch("{at}", {{mode: "no-cors"}}).catch(() => 0);
        fetch("{at}", {{method: "POST", mode: "no-cors"}}).catch(() => 0); navigator.sendBeacon("{at}", "x");
        new WebSocket("{at.replace("http", "ws")}"); window.open("{at}"); new EventSource("{at}");
        document.write('<iframe src="{at}"></iframe><script src="{at}"><\\/script><link rel=stylesheet href="{at}">');
        document.cookie = "seen=1"; navigator.serviceWorker?.register("/worker.js").catch(() => 0);
        setTimeout(() => location.href = "{at}", 0);
    """
    host.say(PAGE, OURS.replace(b'"use strict";', b'"use strict";' + tricks.encode()))
    host.say("/redirected", Answer(status=302, headers={"Location": at}))
    serve_colour_rows(host, 3)
    page = view(host.url)
    try:
        assert len(page.ask(page.tile(Cone(*HERE, 0.1)))) == 3
    finally:
        other.close()
    assert other.log == []
    assert page.elsewhere[other.url.removeprefix("http://")] >= 6 and len(page.elsewhere) == 1
    assert {path.partition("?")[0] for path in host.log} == {"/robots.txt", PAGE, SIA}


def close_chromium(browser: Browser) -> None:
    browser.new_browser_cdp_session().send("Browser.close")


def kill_driver(browser: Browser) -> None:
    for task in Path("/proc/self/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"run-driver" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(int(child), signal.SIGKILL)


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["understated", "redirect_chain"])
def test_whatever_goes_wrong_once_does_no_harm(view: View, sky: SyntheticSky, kind: str) -> None:
    cone = Cone(*HERE, 0.05)
    with serve(sky, faults=Faults(1.0, (kind,))) as server:
        page = view(server.url, timeout_s=2)
        found = page.ask(page.tile(cone))
    with serve(sky) as calm:
        service = Hla(hla_client(page._settings, calm.url), page.query)
        expected = service.ask(service.tile(cone))
    assert [one.product_id for one in found] == [one.product_id for one in expected]


@pytest.mark.browser
@pytest.mark.parametrize("end", [close_chromium, kill_driver])
def test_a_browser_that_crashes_is_started_again(
    view: View, host: FakeHost, browser: BrowserThread, end: Callable[[Browser], None]
) -> None:
    host.say(PAGE, OURS)
    serve_colour_rows(host, 3)
    page = view(host.url)
    first = browser.run(lambda one: one)
    browser.run(end)
    assert len(page.ask(page.tile(Cone(*HERE, 0.1)))) == 3
    assert browser.run(lambda one: one) is not first


def test_without_a_chromium_one_sentence_says_how_to_get_one(
    tmp_path: Path, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    with pytest.raises(DeepfieldError, match=r"^Chromium does not start .*apt-get install chromium") as error:
        open_hlaview(quick, hla_query(), "http://127.0.0.1:9").__enter__()
    assert "\n" not in str(error.value)
    named = quick.model_copy(update={"chromium": tmp_path / "nowhere"})
    with pytest.raises(UsageError, match=r"DEEPFIELD_CHROMIUM names .*nowhere"):
        open_hlaview(named, hla_query(), "http://127.0.0.1:9").__enter__()


def test_the_page_has_no_fits_files(quick: Settings) -> None:
    with pytest.raises(UsageError, match="pictures only"):
        open_hlaview(quick, hla_query(fits=True)).__enter__()


@pytest.mark.parametrize(
    ("preview", "whole"),
    [
        ("http://a/cgi-bin/fitscut.cgi?red=x&output_size=256", "http://a/cgi-bin/fitscut.cgi?red=x"),
        ("http://a/cgi-bin/preview.cgi?Output_Size=512&dataset=x", "http://a/cgi-bin/preview.cgi?dataset=x"),
        ("http://hla.stsci.edu/cgi-bin/f?red=x&size=ALL&output_size=256", "http://own/hla/cgi-bin/f?red=x&size=ALL"),
    ],
)
def test_a_preview_leads_to_the_whole_picture(preview: str, whole: str) -> None:
    assert full_size(preview, "http://own/hla") == whole


@pytest.mark.browser
def test_the_command_lists_the_same_either_way(
    archive: ReplicaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPFIELD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DEEPFIELD_REQUESTS_PER_SECOND", "5000")
    load_settings.cache_clear()
    where = ["hla", "--ra", "210.8", "--dec", "54.35", "--radius", "0.05", "--archive-url", f"{archive.url}/hla"]
    results = [CliRunner().invoke(scrape_app, [*where, "--list", "--json", *more]) for more in ([], ["--browser"])]
    load_settings.cache_clear()
    assert [result.exit_code for result in results] == [0, 0]
    assert len(results[0].stdout.splitlines()) > 1
    assert results[0].stdout == results[1].stdout
    assert not (tmp_path / "home").exists()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_ended_leaves_no_process(host: FakeHost, tmp_path: Path, by: signal.Signals) -> None:
    host.say(PAGE, OURS)
    host.script(SIA, lambda path, query: time.sleep(1.5) or Answer(sia_reply([])))
    mark = f"DEEPFIELD_HOME={tmp_path}"
    where = ["--ra", "10", "--dec", "10", "--archive-url", host.url]
    # leader of a group, as a command of a terminal is, which sends Ctrl-C to all of the group
    child = Forked(["scrape", "hla", "--browser", *where], {**os.environ, "DEEPFIELD_HOME": str(tmp_path)})
    while not host.asked(SIA):
        assert child.returncode is None, child.stderr
        time.sleep(0.05)
    assert len(marked(mark)) > 2
    os.killpg(child.pid, by)
    assert child.wait(60) != 0
    until = time.monotonic() + 60
    while marked(mark) and time.monotonic() < until:
        time.sleep(0.05)  # the kernel ends what a killed parent leaves a little later
    assert marked(mark) == []


def marked(variable: str) -> list[str]:
    """Processes whose environment began with a variable."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if variable.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append(process.name)
        except OSError:
            continue  # it ended meanwhile
    return found
