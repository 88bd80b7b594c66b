"""The report is one file that needs nothing else: opened in a real browser."""

import numpy as np
import pandas as pd
import pytest

from flows.report import Curve, MetricTable, Panel, Report, Strip, write_report
from manifests.blobs import BlobStore
from manifests.schema import conform
from manifests.settings import load_settings
from manifests.snapshots import write_snapshot
from tests_support import jpeg
from training.curves import Series, svg
from training.evaluate import Metric


@pytest.fixture
def report_file(tmp_path):
    rng = np.random.default_rng(0)
    blobs = BlobStore(tmp_path / "blobs")
    stored = [blobs.put(jpeg(rng.integers(0, 255, (80, 90, 3), dtype=np.uint8))).sha256 for _ in range(3)]
    damaged = blobs.put(b"\xff\xd8\xff cut").sha256
    rows = conform(
        pd.DataFrame(
            {
                "image_id": [*stored, damaged],
                "source_name": ["good", "<script>alert(1)</script>", "noisy", "cut"],
                "verdict": ["accept", "review", "reject", "reject"],
                "reasons": ["", "noisy", "noisy,duplicate", "corrupt"],
                "rule_values": [None, "noise_sigma_dn 9 > 8", "noise_sigma_dn 20 > 12", "corrupt"],
                "split": ["train", "none", "none", "none"],
                "width_px": [90, 90, 90, 0],
                "height_px": [80, 80, 80, 0],
            }
        )
    )
    snapshot = write_snapshot(rows, manifest_dir=tmp_path / "manifest", policy_digest="0" * 64)
    picture = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
    strip = Strip("frame", (Panel("input", picture), Panel("output", picture, pixelated=True), Panel("truth", picture)))
    report = Report(
        title="Deepfield: a test",
        source="a test",
        synthetic_note="",
        snapshot=snapshot,
        rows=rows,
        examples=(strip,),
        enhanced=(strip,),
        tables=(MetricTable("Colour", [Metric("mae_ab", 3.0, 2.5, 3.5, 7)], "It beats gray.", True),),
        curves=(Curve("loss", svg("loss", [Series("g", ((0, 1.0), (1, 0.5)))], "step")),),
        facts=(("seed", "1"),),
    )
    return write_report(report, blobs, tmp_path / "report.html")


def test_texts_are_escaped_and_counts_are_there(report_file):
    page = report_file.read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "Accepted: 1" in page
    assert "Rejected: 2" in page


@pytest.mark.browser
def test_a_browser_shows_every_picture_and_asks_for_nothing(report_file):
    from scrapers.browser import chromium

    with chromium(load_settings().chromium) as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report_file.as_uri())
        widths = page.eval_on_selector_all("img", "images => images.map(image => image.naturalWidth)")
        overflow = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert len(widths) == 6 + 4
    assert min(widths) > 0
    assert overflow <= 0, "the page is wider than a phone"
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
