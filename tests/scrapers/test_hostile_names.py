"""Names from the network: never a path, never an order to a terminal, and every database takes them."""

from pathlib import Path

import pytest
from fake_archive import Answer, FakeHost, picture, sia_reply, sia_row
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from manifests.blobs import BlobStore
from manifests.database import open_database
from manifests.errors import DeepfieldError
from manifests.settings import Settings
from scrapers import ledger
from scrapers.crawl import crawl
from scrapers.hla import HlaQuery, open_hla
from scrapers.http import HttpError
from scrapers.products import Product, Tile, product_id
from scrapers.sky import Cone
from scrapers.writable import writable

NAMES = ("../../../escape", "/etc/escape", "..\\escape", "C:\\escape", "%2e%2e/escape", "~/escape", "e" * 400, ".", "")


def product(name: str) -> Product:
    return Product("mast", product_id("mast", name), name, name, obs_title=name, access_url=f"http://h/{name}")


def test_names_are_never_paths(
    host: FakeHost, quick: Settings, engine: Engine, blobs: BlobStore, tmp_path: Path
) -> None:
    rows = [sia_row(host.url, number, Dataset=name or None, Target=name) for number, name in enumerate(NAMES)]
    host.say("/cgi-bin/hlaSIAP.cgi", sia_reply(rows))
    host.script("/cgi-bin/fitscut.cgi", lambda path, query: Answer(picture(int(query["red"][0].split("_")[1]))))
    archive = open_hla(quick, HlaQuery(), host.url)
    summary = crawl(archive, Cone(210.8, 54.35, 0.2), engine=engine, blobs=blobs, settings=quick)
    assert summary.progress.got == summary.progress.found == len(NAMES) - 1
    files = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert files <= {"blobs", "catalog.db", "catalog.db-wal", "catalog.db-shm"}
    assert not list(tmp_path.rglob("*escape*"))
    with pytest.raises(DeepfieldError, match="not the name of a blob"):
        blobs.path("../../../../etc/passwd")


@given(st.text(st.characters(categories=("Cc", "Cs", "L", "Zl"))))
def test_what_cannot_be_written_is_taken_out(name: str) -> None:
    assert writable(name).encode() is not None and not any(ord(letter) < 32 for letter in writable(name))
    assert len(writable(name)) == len(name)


def test_the_catalogue_takes_any_name(database: str) -> None:
    engine = open_database(database)
    tile = Tile("mast", "everything")
    odd = [product(name) for name in ("nul\x00", "half \ud800" + "x" * 300, "\x1b[2Jescape", "two\nlines", *NAMES)]
    ledger.plan(engine, [tile])
    ledger.add_products(engine, tile, odd)
    kept = ledger.entries(engine, [one.product_id for one in odd])
    assert [entry.product.source_name for entry in kept] == [one.source_name for one in odd]
    assert not any(set("\x00\x1b\n") & set(entry.product.source_name) for entry in kept)
    ledger.tile_failed(engine, tile, str(HttpError("transient", "busy", "said \x00\x1b[31m\ud800.")))
    assert ledger.last_errors(engine, 1)[0].text == "said   [31m ."
    engine.dispose()
