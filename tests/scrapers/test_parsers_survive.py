"""Any damage to a reply of any archive gives products or one clear error: nothing else, no hang, no flood of memory."""

import io
import json
import resource
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from broken import broken
from hypothesis import given, settings
from nasty import answer, local
from PIL import Image

from scrapers.avm import annotate
from scrapers.esahubble import EsaHubble
from scrapers.fetch import PAGE
from scrapers.heritage import HeritageIndex
from scrapers.hla import Hla, hla_query
from scrapers.http import HttpError, Reply
from scrapers.hubblesite import HubbleSite, HubbleSiteQuery
from scrapers.mast import Mast, mast_query
from scrapers.products import Product, Tile
from scrapers.replica.esahubble import esahubble_routes
from scrapers.replica.heritage import heritage_routes
from scrapers.replica.hla import hla_routes
from scrapers.replica.hubblesite import hubblesite_routes
from scrapers.replica.mast import mast_routes
from scrapers.replica.sky import synthetic_sky
from scrapers.sky import Cone
from scrapers.versions import Limits

RECORDED = Path(__file__).parents[3] / "shared/reference/recorded"
BASE = "http://127.0.0.1:8580"
EXAMPLES = 40
LIMITS = Limits(10**9, 10**9)
PLACE = Cone(210.8, 54.35, 0.5)


class Saying:
    """A client that is answered without a network; `say` gets the address and the form that were asked."""

    def __init__(self, say: Callable[[str, bytes], bytes], base: str) -> None:
        self._say, self.base, self.max_bytes = say, base, 10**9

    def get(self, url: str, check: Callable[[bytes], Any], params: dict[str, str] | None = None) -> Reply[Any]:
        return self._checked(f"{url}?{urlencode(params)}" if params else url, b"", check)

    def post(self, url: str, check: Callable[[bytes], Any], form: dict[str, str]) -> Reply[Any]:
        return self._checked(url, urlencode(form).encode(), check)

    def wait(self, seconds: float) -> None:
        raise HttpError("transient", "executing", "The answer is not there at once.")

    def _checked(self, url: str, form: bytes, check: Callable[[bytes], Any]) -> Reply[Any]:
        body = self._say(url, form)
        return Reply(url, body, check(body), ())


Open = Callable[[Any], Any]
ARCHIVES: dict[str, tuple[str, Open]] = {
    "hla": ("", lambda client: Hla(client, hla_query("all"))),
    "mast": ("", lambda client: Mast(client, mast_query("hla"))),
    "esahubble": ("/esahubble", lambda client: EsaHubble(client, LIMITS)),
    "feed": ("/esahubble", lambda client: EsaHubble(client, LIMITS, ("d2d",))),
    "hubblesite": ("/hubblesite", lambda client: HubbleSite(client, LIMITS, HubbleSiteQuery(era="2023"))),
    "api": ("/hubblesite", lambda client: HubbleSite(client, LIMITS, HubbleSiteQuery(era="api"))),
    "heritage": (
        "/heritage",
        lambda client: HeritageIndex(client, LIMITS, lambda url: HubbleSite(client, LIMITS, HubbleSiteQuery())),
    ),
}
RECORDED_AS = {
    "hla list": ("hla/hlaSIAP_m101_best_fits_size0_2012.xml", "hla/usvao_m101-caom-0.xml"),
    "mast list": ("hla/astroquery_mast_caom_cone.json",),
    "esahubble list": ("sites/esahubble/galaxies_page1_2020-02.js",),
    "esahubble page": ("sites/esahubble/potw2319a.html",),
    "hubblesite page": (
        "sites/hubblesite/2020_07_4622-Image.htm",
        "sites/hubblesite/2022_054_01GGT9JB74B5FXX95WGM0285E5.html",
    ),
    "api list": ("sites/hubblesite_api_v3/images_spacecraft_page1.json",),
    "api page": ("sites/hubblesite_api_v3/image_3811.json",),
    "avm": tuple(f"sites/avm/{name}.avm.xml" for name in ("heic0409a", "heic0515a", "opo0613a")),
}


@dataclass(frozen=True)
class Reader:
    """A good reply, and what reads it: products come out, or an error."""

    body: bytes
    read: Callable[[bytes], Iterable[Product]]


def tile_of(archive: Any) -> Tile:
    return archive.tile(PLACE) if hasattr(archive, "tile") else archive.page(archive.lists[0], 1)


def listed(archive: Any, tile: Tile) -> Iterable[Product]:
    found = archive.ask(tile)
    return found if isinstance(found, list) else found.products


def picture_with(packet: bytes) -> bytes:
    """A JPEG that carries an XMP packet."""
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, "JPEG", xmp=packet[:65000])
    return out.getvalue()


@pytest.fixture(scope="module")
def readers() -> dict[str, Reader]:
    """Readers of every kind of reply, with what the local archive answers."""
    sky = synthetic_sky(seed=5, visits=8, sides_px=(64, 96))
    hla = hla_routes(sky)
    routes = {
        **hla,
        **mast_routes(sky, hla),
        **esahubble_routes(sky, "/esahubble"),
        **hubblesite_routes(sky, "/hubblesite"),
        **heritage_routes(sky, "/heritage"),
    }
    said: list[bytes] = []

    def say(url: str, form: bytes) -> bytes:
        said.append(answer(routes, local(url), form).body)
        return said[-1]

    found = {}
    for name, (path, open_archive) in ARCHIVES.items():

        def saying(body: bytes, open_archive: Open = open_archive, path: str = path) -> Any:
            return open_archive(Saying(lambda url, form: body, BASE + path))

        archive = open_archive(Saying(say, BASE + path))
        tile = tile_of(archive)
        said.clear()
        products = list(listed(archive, tile))
        found[f"{name} list"] = Reader(said[0], lambda body, s=saying, t=tile: listed(s(body), t))
        if products[0].access_format == PAGE:
            archive.describe(products[0])
            found[f"{name} page"] = Reader(said[-1], lambda body, s=saying, p=products[0]: s(body).describe(p).choices)
    mast = Mast(Saying(say, BASE), mast_query("hap"))  # type: ignore[arg-type]
    said.clear()
    mast.ask(mast.tile(PLACE))
    observations = said[0]

    def files(body: bytes) -> Iterable[Product]:
        def say_files(url: str, form: bytes) -> bytes:
            return body if b"Products" in form else observations

        return Mast(Saying(say_files, BASE), mast_query("hap")).ask(mast.tile(PLACE))  # type: ignore[arg-type]

    found["mast page"] = Reader(said[-1], files)
    one = Product("esahubble", "esahubble:one", "one", "one", s_ra=10.0, s_dec=20.0)
    packet = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + b"</x:xmpmeta>"
    found["avm"] = Reader(packet, lambda body: [annotate(one, picture_with(body))])
    return found


NAMES = (
    *(f"{name} list" for name in ARCHIVES),
    *(f"{name} page" for name in ("mast", "esahubble", "hubblesite", "api", "heritage")),
)


def check(reader: Reader, body: bytes) -> None:
    """Products that the ledger can take, or one error."""
    try:
        products = list(reader.read(body))
    except HttpError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
        return
    for product in products:
        assert len(product.product_id) <= 255
        for text in (
            product.product_id,
            product.source_name,
            product.access_url,
            json.dumps(product.record(), allow_nan=False),
        ):
            text.encode()
            assert "\0" not in text  # PostgreSQL takes none


def survives(reader: Reader, body: bytes, examples: int) -> None:
    check(reader, body)

    @settings(max_examples=examples, deadline=None)
    @given(broken(body))
    def damaged(data: bytes) -> None:
        check(reader, data)

    damaged()


@pytest.mark.parametrize("name", NAMES)
def test_any_damage_to_a_reply_of_the_local_archive(name: str, readers: dict[str, Reader]) -> None:
    reader = readers[name]
    assert list(reader.read(reader.body)), "the whole reply has something to tell"
    survives(reader, reader.body, EXAMPLES)


@pytest.mark.shared
@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded replies are not beside this checkout")
@pytest.mark.parametrize(("name", "path"), [(name, path) for name, paths in RECORDED_AS.items() for path in paths])
def test_any_damage_to_a_recorded_reply(name: str, path: str, readers: dict[str, Reader]) -> None:
    survives(readers[name], (RECORDED / path).read_bytes(), EXAMPLES // 2)


def laughs(root: bytes, inside: bytes) -> bytes:
    """An XML document of a kilobyte that means a gigabyte ("billion laughs"), and wants a file of ours."""
    entities = b"".join(b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 9))
    whole = b'<!DOCTYPE x [<!ENTITY e0 "ten bytes!"><!ENTITY f SYSTEM "file:///etc/passwd">' + entities + b"]>"
    return (
        b'<?xml version="1.0"?>\n'
        + whole
        + inside.replace(b"HERE", b"&e8;&f;", 1).join((b"<%s>" % root, b"</%s>" % root))
    )


BOMBS = {
    "laughs in a table": laughs(
        b"VOTABLE",
        b"<RESOURCE><TABLE><FIELD name='Dataset' datatype='char' arraysize='*'/><DATA><TABLEDATA><TR><TD>HERE</TD></TR>"
        b"</TABLEDATA></DATA></TABLE></RESOURCE>",
    ),
    "laughs in a status": laughs(
        b"VOTABLE", b"<RESOURCE><INFO name='QUERY_STATUS' value='ERROR'>HERE</INFO></RESOURCE>"
    ),
    "laughs in metadata": laughs(
        b"x:xmpmeta",
        b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description "
        b"xmlns:avm='http://www.communicatingastronomy.org/avm/1.0/' avm:Type='Observation'><avm:Title>HERE</avm:Title>"
        b"</rdf:Description></rdf:RDF>",
    ),
    "deep tables": b"<VOTABLE>" + b"<RESOURCE>" * 10**4,
    "deep elements": b"<html><body>" + b"<div>" * 10**4 + b"</html>",
    "deep lists": b"[" * 10**6,
    "deep objects": b'{"status": "COMPLETE", "data": ' + b'{"a":' * 10**5,
    "deep literals": b"<html><script>var images = " + b"[{a:" * 10**5 + b"</script></html>",
    "long numbers": b'{"status": "COMPLETE", "data": [], "image_files": [], "Collections": ' + b"9" * 10**6 + b"}",
    "brackets": b"<" * 10**7,
    "unfinished tags": b"<a " * 10**6,
    "unfinished comments": b"<html>" + b"<!--" * 10**6,
    "spaces": b"<html><script>var images" + b" " * 10**7 + b"</html>",
    "nothing": b"",
    "zeros": bytes(10**5),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_an_error_and_takes_little_memory(bomb: str, readers: dict[str, Reader]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in (*NAMES, "avm"):
        check(readers[name], BOMBS[bomb])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "kilobytes"
