"""docs/ is written from the code and kept current."""

from flows.docs import columns_page, commands_page
from flows.local import ROOT


def test_docs_are_as_make_docs_would_write_them():
    assert (ROOT / "docs" / "manifest.md").read_text() == columns_page(), "run `make docs`"
    assert (ROOT / "docs" / "commands.md").read_text() == commands_page(), "run `make docs`"
