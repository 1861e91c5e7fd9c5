"""Where the first JSON value of a text ends, and what Go says of one that is none.

Users read these messages in error bodies, so they are those of Go's encoding/json (scanner.go), to the letter.
"""

from __future__ import annotations

_SPACE = b" \t\r\n"
_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_ESCAPES = b'bfnrt\\/"'
_MAX_DEPTH = 10_000
_CLOSERS = {ord("{"): ord("}"), ord("["): ord("]")}

_VALUE = "looking for beginning of value"
_KEY = "looking for beginning of object key string"


class GoJsonError(Exception):
    """A text that Go's decoder refuses; the message is Go's."""


def end_of_value(text: bytes) -> int:
    """Tell the offset behind the first value; raises GoJsonError."""
    scanner = _Scanner(text)
    try:
        return scanner.value()
    except IndexError:
        raise GoJsonError("unexpected EOF" if text.strip(_SPACE) else "EOF") from None


class _Scanner:
    """Reads byte by byte; a text that ends too early is an IndexError."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0
        self._open: list[int] = []

    def value(self) -> int:
        """Scan one value, without recursion: a body may nest deeply."""
        value_follows = True
        while value_follows or self._open:
            value_follows = self._begin() if value_follows else self._continue()
        return self._at

    def _begin(self) -> bool:
        """Scan a scalar, or the opening of an object or an array; tell whether a value must follow."""
        byte = self._next_token()
        if byte in _CLOSERS:
            return self._enter(byte)
        if byte == ord('"'):
            self._string()
        elif byte in b"-0123456789":
            self._number(byte)
        elif byte in _LITERALS:
            self._literal(_LITERALS[byte])
        else:
            raise _invalid(byte, _VALUE)
        return False

    def _enter(self, opener: int) -> bool:
        self._open.append(opener)
        if len(self._open) > _MAX_DEPTH:
            raise _invalid(opener, "exceeded max depth")
        if self._peek_token() == _CLOSERS[opener]:
            self._at += 1
            self._open.pop()
            return False
        if opener == ord("{"):
            self._key()
        return True

    def _continue(self) -> bool:
        """Scan what follows a value within an object or an array; tell whether another value must follow."""
        opener, byte = self._open[-1], self._next_token()
        if byte == _CLOSERS[opener]:
            self._open.pop()
            return False
        if byte != ord(","):
            raise _invalid(byte, "after object key:value pair" if opener == ord("{") else "after array element")
        if opener == ord("{"):
            self._key()
        return True

    def _key(self) -> None:
        byte = self._next_token()
        if byte != ord('"'):
            raise _invalid(byte, _KEY)
        self._string()
        byte = self._next_token()
        if byte != ord(":"):
            raise _invalid(byte, "after object key")

    def _string(self) -> None:
        while (byte := self._next()) != ord('"'):
            if byte == ord("\\"):
                self._escape()
            elif byte < ord(" "):
                raise _invalid(byte, "in string literal")

    def _escape(self) -> None:
        byte = self._next()
        if byte == ord("u"):
            for _ in range(4):
                self._one_of(_HEX, "in \\u hexadecimal character escape")
        elif byte not in _ESCAPES:
            raise _invalid(byte, "in string escape code")

    def _number(self, byte: int) -> None:
        if byte == ord("-"):
            byte = self._one_of(_DIGITS, "in numeric literal")
        if byte != ord("0"):
            self._skip_digits()
        if self._peek(b"."):
            self._at += 1
            self._one_of(_DIGITS, "after decimal point in numeric literal")
            self._skip_digits()
        if self._peek(b"eE"):
            self._at += 1
            if self._peek(b"+-"):
                self._at += 1
            self._one_of(_DIGITS, "in exponent of numeric literal")
            self._skip_digits()

    def _literal(self, word: bytes) -> None:
        for expected in word[1:]:
            byte = self._next()
            if byte != expected:
                raise _invalid(byte, f"in literal {word.decode()} (expecting '{chr(expected)}')")

    def _one_of(self, allowed: bytes, where: str) -> int:
        byte = self._next()
        if byte not in allowed:
            raise _invalid(byte, where)
        return byte

    def _skip_digits(self) -> None:
        while self._peek(_DIGITS):
            self._at += 1

    def _peek(self, wanted: bytes) -> bool:
        return self._at < len(self._text) and self._text[self._at] in wanted

    def _next(self) -> int:
        byte = self._text[self._at]
        self._at += 1
        return byte

    def _peek_token(self) -> int:
        while self._text[self._at] in _SPACE:
            self._at += 1
        return self._text[self._at]

    def _next_token(self) -> int:
        byte = self._peek_token()
        self._at += 1
        return byte


def _invalid(byte: int, where: str) -> GoJsonError:
    return GoJsonError(f"invalid character {_quote(byte)} {where}")


def _quote(byte: int) -> str:
    """Quote as Go does, which takes a byte for the character of that number."""
    named = {
        ord("'"): "\\'",
        ord("\\"): "\\\\",
        7: "\\a",
        8: "\\b",
        9: "\\t",
        10: "\\n",
        11: "\\v",
        12: "\\f",
        13: "\\r",
    }
    character = chr(byte)
    if byte in named:
        return f"'{named[byte]}'"
    if character.isprintable():
        return f"'{character}'"
    return f"'\\x{byte:02x}'" if byte < 0x80 else f"'\\u{byte:04x}'"
