"""Text from the network as it may be kept and shown."""

import re

_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def writable(text: str) -> str:
    """Text with a space for every control character and half of a surrogate pair.

    PostgreSQL takes no NUL, UTF-8 no half of a pair, and a terminal takes some of the others for orders.
    """
    return text if text.isprintable() else _UNWRITABLE.sub(" ", text)
