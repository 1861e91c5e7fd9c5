"""Whether a text is a template that Go's text/template can parse, as Prometheus does with labels and annotations.

It follows Go's own lexer and parser: `{{ }}` around actions, pipelines of commands, blocks that end with `{{ end }}`,
variables that are known from their declaration to the end of their block. Only parsing is checked: what a template
does with its values shows when it is carried out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_BUILT_IN = frozenset(
    [
        "and",
        "or",
        "not",
        "len",
        "index",
        "slice",
        "print",
        "printf",
        "println",
        "html",
        "js",
        "urlquery",
        "call",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
    ]
)
_KEYWORDS = frozenset(["block", "break", "continue", "define", "else", "end", "if", "nil", "range", "template", "with"])
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<text>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    | (?P<character>'(?:[^'\\\n]|\\.)+')
    | (?P<number>[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][+-]?\d+)?i?))
    | (?P<variable>\$\w*)
    | (?P<field>\.\w+)
    | (?P<word>\w+)
    | (?P<declare>:=)
    | (?P<sign>[=|(),.])
    """,
    re.VERBOSE,
)
_NAMED = {"variable", "field", "word"}
_ESCAPE = r"\\(?:[abfnrtv\\{quote}]|x[0-9a-fA-F]{{2}}|u[0-9a-fA-F]{{4}}|U[0-9a-fA-F]{{8}}|[0-7]{{3}})"
_TEXT = re.compile(r'"(?:[^"\\]|' + _ESCAPE.format(quote='"') + r')*"')
_CHARACTER = re.compile(r"'(?:[^'\\]|" + _ESCAPE.format(quote="'") + r")'")
_AFTER_A_NAME = " \t\r\n.,|:()"
_COMMENT = re.compile(r"\{\{(?:- )?/\*.*?\*/(?: -)?\}\}", re.DOTALL)
_COMMENT_BEGINS = re.compile(r"\{\{(?:-\s)?/\*")
_TRIMMED = re.compile(r"-\s")
_ACTION_ENDS = re.compile(r"\s-\}\}|\}\}")
_NO_CALL = {"text", "character", "number"}
_LITERALS = {"true", "false", "nil"}
# Brackets are parsed by calls within calls, of which Python allows a thousand.
_DEEPEST = 100


class TemplateRefused(ValueError):
    """A text is not a template; the message says why."""


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


_END = _Token("end", "")


def require_template(text: str, functions: Collection[str], variables: Collection[str]) -> None:
    """Raise TemplateRefused unless a text is a template in which these functions and variables (with `$`) are known."""
    _Parser(text, {*functions, *_BUILT_IN}, {*variables, "$"}).parse()


def _actions(text: str) -> Iterator[list[_Token]]:
    """Yield the tokens of each action, without comments."""
    position = 0
    while (start := text.find("{{", position)) >= 0:
        comment = _COMMENT.match(text, start)
        if comment is not None:
            position = comment.end()
            continue
        if _COMMENT_BEGINS.match(text, start):
            raise TemplateRefused("a comment is not closed")
        tokens, position = _lex(text, start + 2)
        yield tokens


def _lex(text: str, position: int) -> tuple[list[_Token], int]:
    tokens: list[_Token] = []
    if _TRIMMED.match(text, position):
        position += 1
    while True:
        ending = _ACTION_ENDS.match(text, position)
        if ending is not None:
            return tokens, ending.end()
        found = _TOKEN.match(text, position)
        if found is None:
            raise _unlexed(text, position)
        kind, token = str(found.lastgroup), found[0]
        after = text[found.end() : found.end() + 1]
        if kind in _NAMED and after not in _AFTER_A_NAME and not text.startswith("}}", found.end()):
            raise TemplateRefused(f"unexpected {after!r} after {token}")
        if (kind == "text" and token[0] == '"' and not _TEXT.fullmatch(token)) or (
            kind == "character" and not _CHARACTER.fullmatch(token)
        ):
            raise TemplateRefused(f"{token} is not a {'text' if kind == 'text' else 'single character'} of Go")
        if kind == "number" and (after.isalnum() or after == "_"):
            raise TemplateRefused(f"{token}{after} is not a number")
        tokens.append(_Token("sign" if kind == "declare" else kind, token))
        position = found.end()


def _unlexed(text: str, position: int) -> TemplateRefused:
    rest = text[position:]
    if not rest:
        return TemplateRefused("an action is not closed: }} is missing")
    if rest[0] in "\"'`":
        return TemplateRefused(f"a text is not closed: {rest[0]} is missing")
    return TemplateRefused(f"unexpected {rest[0]!r} within {{{{ }}}}")


class _Parser:
    """Parses the actions of one template; a block remembers how many variables were known before it.

    `_at` is the place of the next token: the work grows like the length of the text.
    """

    def __init__(self, text: str, functions: set[str], variables: set[str]) -> None:
        self._actions = _actions(text)
        self._functions = functions
        self._variables = sorted(variables)
        self._known = Counter(variables)
        self._tokens: list[_Token] = []
        self._at = 0
        self._depth = 0
        self._blocks: list[tuple[str, int, bool]] = []

    def parse(self) -> None:
        for tokens in self._actions:
            self._tokens, self._at = tokens, 0
            self._action()
        if self._blocks:
            raise TemplateRefused(f"{{{{ end }}}} is missing, for {{{{ {self._blocks[-1][0]} }}}}")

    def _action(self) -> None:
        token = self._peek()
        if token.kind == "word" and token.text in _KEYWORDS - {"nil"}:
            self._next()
            self._keyword(token.text)
        else:
            self._pipeline()
        self._require_end()

    def _keyword(self, word: str) -> None:
        if word in {"if", "with", "range"}:
            self._open(word)
            self._pipeline(is_range=word == "range")
        elif word == "else":
            self._otherwise()
        elif word == "end":
            if not self._blocks:
                raise TemplateRefused("unexpected {{ end }}")
            self._forget(self._blocks.pop()[1])
        elif word in {"break", "continue"}:
            if not any(block == "range" for block, _, _ in self._blocks):
                raise TemplateRefused(f"{{{{ {word} }}}} outside {{{{ range }}}}")
        else:
            self._named(word)

    def _named(self, word: str) -> None:
        """Parse define, block and template, which have a name."""
        if word == "define" and self._blocks:
            raise TemplateRefused("unexpected {{ define }} within a block")
        name = self._peek()
        if name.kind != "text":
            raise TemplateRefused(f"{{{{ {word} }}}} needs a name in quotes")
        self._next()
        if word != "template":
            self._open(word)
        if word == "block" or (word == "template" and self._peek() is not _END):
            self._pipeline()

    def _otherwise(self) -> None:
        if not self._blocks or self._blocks[-1][0] not in {"if", "with", "range"} or self._blocks[-1][2]:
            raise TemplateRefused("unexpected {{ else }}")
        word, before, _ = self._blocks.pop()
        self._forget(before)
        again = self._peek()
        is_more = again.kind == "word" and again.text == word and word in {"if", "with"}
        self._blocks.append((word, before, not is_more))
        if is_more:
            self._next()
            self._pipeline()

    def _open(self, word: str) -> None:
        if len(self._blocks) == _DEEPEST:
            raise TemplateRefused(f"{{{{ {word} }}}} within {_DEEPEST} other blocks")
        self._blocks.append((word, len(self._variables), False))

    def _pipeline(self, *, is_range: bool = False) -> None:
        self._declaration(is_range=is_range)
        stage = 0
        while True:
            stage += 1
            self._command(stage)
            if self._peek().text != "|":
                return
            self._next()
            if self._peek() is _END:
                return

    def _declaration(self, *, is_range: bool) -> None:
        begin, names = self._at, list[str]()
        while self._peek().kind == "variable":
            names.append(self._next().text)
            sign = self._peek().text
            if sign not in {":=", "=", ","}:
                break
            if sign == "," and not is_range:
                raise TemplateRefused("unexpected ',' within {{ }}")
            self._next()
            if sign != ",":
                self._variables += names
                self._known.update(names)
                return
        # They are operands.
        self._at = begin

    def _forget(self, count: int) -> None:
        """Leave so many variables known."""
        self._known.subtract(self._variables[count:])
        del self._variables[count:]

    def _command(self, stage: int) -> None:
        count, first = 0, _END
        while True:
            first = first if count else self._peek()
            if not self._operand():
                break
            count += 1
            behind = self._here()
            if behind.kind != "space":
                if behind is not _END and behind.text not in {"|", ")"}:
                    raise TemplateRefused(f"unexpected {behind.text} after an operand")
                break
        if not count:
            token = self._peek()
            raise TemplateRefused(
                f"unexpected {token.text} within {{{{ }}}}"
                if token.text not in {"", "|", ")"}
                else "a value is missing"
            )
        is_literal = first.kind in _NO_CALL or (first.kind == "word" and first.text in _LITERALS)
        if stage > 1 and (is_literal or first.text == "."):
            raise TemplateRefused(f"{first.text} is not a function, so it takes no value by |")

    def _operand(self) -> bool:
        """Parse one operand with its fields; return whether there is one."""
        token = self._peek()
        if token.text == "(":
            self._next()
            self._within_brackets()
            if self._peek().text != ")":
                raise TemplateRefused(") is missing")
            self._next()
        elif token.kind == "variable":
            self._require_variable(token.text)
            self._next()
        elif token.kind == "word":
            if token.text not in self._functions and token.text not in _LITERALS:
                raise TemplateRefused(f"function {token.text!r} is not defined")
            self._next()
        elif token.kind in {*_NO_CALL, "field"} or token.text == ".":
            self._next()
        else:
            return False
        if self._here().kind == "field" and token.kind in _NO_CALL | {"sign"} and token.text != "(":
            raise TemplateRefused(f"unexpected {self._here().text} after {token.text}")
        while self._here().kind == "field":
            self._at += 1
        return True

    def _within_brackets(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise TemplateRefused(f"brackets within {_DEEPEST} other brackets")
        self._pipeline()
        self._depth -= 1

    def _require_variable(self, name: str) -> None:
        if not self._known[name]:
            raise TemplateRefused(f"undefined variable {name}")

    def _require_end(self) -> None:
        token = self._peek()
        if token is not _END:
            raise TemplateRefused(f"unexpected {token.text} within {{{{ }}}}")

    def _here(self) -> _Token:
        """Return the next token, which may be a space."""
        return self._tokens[self._at] if self._at < len(self._tokens) else _END

    def _peek(self) -> _Token:
        """Return the next token that is not a space, and pass over the space before it."""
        if self._here().kind == "space":
            self._at += 1
        return self._here()

    def _next(self) -> _Token:
        """Take the next token that is not a space."""
        token = self._peek()
        self._at += 1
        return token
