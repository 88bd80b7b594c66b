"""A sitting at the terminal: frame after frame, a key for each decision, the catalogue open all the while."""

import time
from collections.abc import Callable
from typing import Literal

from curation.review.cards import REASONS
from curation.review.decisions import Statement
from curation.review.desk import Desk
from manifests.errors import DeepfieldError

_Word = Literal["accept", "reject", "skip", "undo"]
_WORDS: dict[str, _Word] = {"a": "accept", "s": "skip", "u": "undo"}
KEYS = "a accept, r and 1-9 reject, s skip, u undo, q quit"
MENU = "  ".join(f"{number} {reason}" for number, reason in enumerate(REASONS, start=1)) + "  enter without a reason"


def sit(
    desk: Desk,
    reviewer: str,
    *,
    show: Callable[[str, bool], None],
    read_key: Callable[[], str],
    say: Callable[[str], None],
) -> int:
    """Hand out frames and take in decisions until the reviewer quits or nothing waits; returns how many were made.

    `show` presents a frame by its id, blind or with what others said; `read_key` waits for one key.
    """
    made, before = 0, ""
    while taken := desk.take(reviewer):
        (item,) = taken
        show(item.image_id, item.blind)
        say(f"{before}{desk.sheet.queue.count(reviewer)} wait, {made} done.  {KEYS}")
        begun = time.monotonic()
        chosen = _choice(read_key, say)
        if chosen is None:
            break
        action, reasons = chosen
        if action == "undo":
            try:
                (undone,) = desk.undo(reviewer, origin="cli")
                before = f"Took back {undone.action}.  "
                made = max(0, made - 1)
            except DeepfieldError as error:
                say(str(error))
            continue
        statement = Statement(action, reviewer, reasons=reasons, seconds=time.monotonic() - begun)
        said = desk.say(statement, [item.image_id])
        for sentence in said.refused.values():
            say(sentence)
        made += len(said.made)
        if said.made:
            before = f"{item.source_name or item.image_id[:12]}: {' '.join((action, *reasons))}.  "
    desk.release(reviewer)
    return made


def _choice(read_key: Callable[[], str], say: Callable[[str], None]) -> tuple[_Word, tuple[str, ...]] | None:
    """An action and its reasons, None to quit. Keys that mean nothing are passed over."""
    while True:
        key = read_key().lower()
        if key in ("q", "\x03", "\x04"):
            return None
        if key in _WORDS:
            return _WORDS[key], ()
        if key == "r":
            say(MENU)
            digit = read_key()
            if digit in "\r\n":
                return "reject", ()
            if digit.isdigit() and 1 <= int(digit) <= len(REASONS):
                return "reject", (REASONS[int(digit) - 1],)
            say("not rejected")
