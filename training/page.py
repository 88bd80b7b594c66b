"""A page of figures and pictures as one HTML text, without a template library: a bare machine has none."""

from collections.abc import Sequence
from html import escape

_STYLE = """
:root { color-scheme: dark; }
body { margin: 0 auto; max-width: 1500px; padding: 28px 20px 60px; background: #0e1118; color: #e8ebf1;
  font: 15px/1.5 system-ui, sans-serif; }
p { max-width: 80ch; } a { color: #7fb0ee; } .soft, caption { color: #a9b3c3; text-align: left; }
table { border-collapse: collapse; margin: 12px 0; } th { color: #a9b3c3; font-weight: 500; text-align: left; }
td, th { padding: 3px 14px 3px 0; border-bottom: 1px solid #2a3240; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.wide { overflow-x: auto; } img { max-width: 100%; border-radius: 4px; } .curves svg { width: 460px; max-width: 100%; }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A whole page of parts that are HTML already."""
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style></head>\n<body>\n<h1>{escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def heading(text: str) -> str:
    """The heading of a section."""
    return f"<h2>{escape(text)}</h2>"


def picture(address: str, text: str) -> str:
    """A picture that lies beside the page, with its description."""
    return f'<p><img src="{escape(address)}" alt="{escape(text)}"></p>'


def link(address: str, text: str) -> str:
    """A link to a page that lies beside this one, in a paragraph of its own."""
    return f'<p><a href="{escape(address)}">{escape(text)}</a></p>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; all columns but the first are numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        drawn = (f"<{tag}{' class=n' if place else ''}>{escape(cell)}</{tag}>" for place, cell in enumerate(cells))
        return f"<tr>{''.join(drawn)}</tr>"

    lines = (line(head, "th"), *(line(row, "td") for row in rows))
    return "\n".join(('<div class="wide"><table>', *lines, "</table></div>"))


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same table as Markdown."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows))
