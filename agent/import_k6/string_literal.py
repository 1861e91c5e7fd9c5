"""The escape sequences of texts (ECMAScript, section 12.9.4)."""

from __future__ import annotations

from alertdrill.agent.import_k6.notes import NotCarried
from alertdrill.agent.import_k6.syntax import Node

_SHORT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_LAST_CHARACTER = 0x10FFFF


def unescaped(sequence: Node) -> str:
    r"""Give the character that an escape sequence stands for: `\n`, `\x41`, `\u0041`, `\u{1F600}`, `\'`.

    Raises NotCarried for the octal ones that modules do not have.
    """
    text = sequence.text[1:]
    if text in _SHORT:
        return _SHORT[text]
    if text[0] in "xu":
        code = int(text[1:].strip("{}"), 16)
        if code <= _LAST_CHARACTER:
            return chr(code)
    if text[0] in "xu01234567":
        raise NotCarried(sequence.line, f"{sequence.text} is no character of a module")
    return text
