"""Reading a JavaScript value out of a page without running the page.

Some sites keep their lists in a script (`var images = [{id: 'a', ...}, ];`). That is no JSON: keys are bare, quotes
single, commas trail. What is read here is the literals of ECMAScript, never an expression.
"""

import re
from typing import Any

_SPACE = re.compile(r"(?:\s|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_EXACT_DIGITS = 15
_NUMBER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)")
_PLAIN = {"'": re.compile(r"[^'\\]*"), '"': re.compile(r'[^"\\]*'), "`": re.compile(r"[^`\\$]*")}
_ESCAPE = re.compile(
    r"\\(?:u\{(?P<braced>[0-9a-fA-F]{1,6})\}|u(?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2})|(?P<c>.))", re.S
)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_WORDS = {"true": True, "false": False, "null": None, "undefined": None}
_DEEPEST = 40


class LiteralError(ValueError):
    """The text is no literal, or breaks off within one."""


def read_variable(text: str, name: str) -> Any:
    """The value that a script assigns to a variable; lists, dicts, strings, numbers, booleans and None.

    Raises:
        LiteralError: the variable is not assigned, or its value is no complete literal.
        KeyError: there is no such variable in the text.
    """
    found = re.search(rf"\b{re.escape(name)}\s*=(?!=)", text)
    if found is None:
        raise KeyError(name)
    return _Reader(text, found.end()).value(0)


class _Reader:
    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._at = start

    def value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise LiteralError("the value is nested too deeply")
        first = self._peek()
        if first == "[":
            return self._list(depth)
        if first == "{":
            return self._object(depth)
        if first in _PLAIN:
            return self._string()
        if found := _NUMBER.match(self._text, self._at):
            self._at = found.end()
            return int(found.group(), 16) if "x" in found.group().lower() else _number(found.group())
        if (found := _NAME.match(self._text, self._at)) and found.group() in _WORDS:
            self._at = found.end()
            return _WORDS[found.group()]
        raise LiteralError(self._wrong("a value"))

    def _list(self, depth: int) -> list[Any]:
        self._at += 1
        items: list[Any] = []
        while self._peek() != "]":
            items.append(self.value(depth + 1))
            self._comma("]")
        self._at += 1
        return items

    def _object(self, depth: int) -> dict[str, Any]:
        self._at += 1
        items: dict[str, Any] = {}
        while self._peek() != "}":
            key = self._key()
            if self._peek() != ":":
                raise LiteralError(self._wrong("a colon"))
            self._at += 1
            items[key] = self.value(depth + 1)
            self._comma("}")
        self._at += 1
        return items

    def _key(self) -> str:
        if self._peek() in _PLAIN:
            return self._string()
        found = _NAME.match(self._text, self._at) or _NUMBER.match(self._text, self._at)
        if found is None:
            raise LiteralError(self._wrong("a key"))
        self._at = found.end()
        return found.group()

    def _string(self) -> str:
        quote = self._text[self._at]
        self._at += 1
        parts = []
        while True:
            found = _PLAIN[quote].match(self._text, self._at)
            assert found is not None  # the pattern matches the empty string
            parts.append(found.group())
            self._at = found.end()
            if self._text.startswith(quote, self._at):
                self._at += 1
                # characters beyond 16 bits may come as two escapes
                return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            escape = _ESCAPE.match(self._text, self._at)
            if escape is None:
                raise LiteralError(self._wrong("the end of a string"))
            parts.append(_unescaped(escape))
            self._at = escape.end()

    def _comma(self, closing: str) -> None:
        here = self._peek()
        if here == ",":
            self._at += 1
        elif here != closing:
            raise LiteralError(self._wrong(f"a comma or {closing}"))

    def _peek(self) -> str:
        """The next character that counts; empty at the end."""
        found = _SPACE.match(self._text, self._at)
        assert found is not None  # the pattern matches the empty string
        self._at = found.end()
        return self._text[self._at : self._at + 1]

    def _wrong(self, wanted: str) -> str:
        here = self._text[self._at : self._at + 12]
        return f"{wanted} was expected, not {here!r}" if here else f"it breaks off where {wanted} was expected"


def _number(text: str) -> int | float:
    # JavaScript knows doubles only, and Python refuses to read a whole number of thousands of digits
    return float(text) if set(text) & set(".eE") or len(text) > _EXACT_DIGITS else int(text)


def _unescaped(found: re.Match[str]) -> str:
    code = found["braced"] or found["u"] or found["x"]
    if code is not None:
        return chr(min(int(code, 16), 0x10FFFF))
    return _ESCAPED.get(found["c"], found["c"])
