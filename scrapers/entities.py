"""HTML's escapes undone, also where a reply is damaged."""

import html
import re

# Python refuses to read numbers of thousands of digits; no character has more than seven.
_TOO_LONG = re.compile(r"&#(?:[0-9]|[xX][0-9a-fA-F])[0-9a-fA-F]{15,};?")


def unescape(text: str) -> str:
    """Text with `&amp;`, `&#39;` and the like as what they stand for; what stands for nothing is left out."""
    return html.unescape(_TOO_LONG.sub("", text))
