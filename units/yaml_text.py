"""Reads YAML that anyone may have written: every document as a tree of nodes, or as values, within fixed limits.

A short text can stand for more than a machine holds: aliases multiply, and brackets nest without end. So each limit is
checked while the text is read, event by event, before a tree of it exists. libyaml finds the same lines as PyYAML's own
reader, in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 16 * 2**20
"""The largest file."""
MOST_VALUES = 500_000
"""The most values of a file, for the memory that they take: about 25,000 alerting rules."""
MOST_ALIASED = 100_000
"""The most values for which the aliases of a file may stand."""
DEEPEST = 100
"""The deepest nesting; the schemas of Kubernetes have about forty levels."""
# PyYAML has types for its own events, and none for those of libyaml.
_Event = Any
_LONGEST_NUMBER = 500
_READER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT, _LIST, _MAPPING, _NOTHING, _BYTES = (
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map", "null", "binary")
)


class YamlRefused(ValueError):
    """A text is not YAML, or is beyond a limit; `line` counts from 1 and is None where none is known."""

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(problem if line is None else f"line {line}: {problem}")
        self.problem = problem
        self.line = line


def read_text(path: Path) -> str:
    """Return the text of a file; raises YamlRefused if it is too large or not UTF-8, OSError if it cannot be read."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise YamlRefused(f"is larger than {MOST_BYTES // 2**20} MiB")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlRefused(f"is not UTF-8 text: {error.reason}", line) from error


def compose(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> list[yaml.Node]:
    """Return the tree of each document that is not empty; raises YamlRefused.

    The loader decides which plain texts are numbers, dates or nothing.
    """
    if len(text) > MOST_BYTES:
        raise YamlRefused(f"is larger than {MOST_BYTES // 2**20} MiB")
    try:
        return list(_Composer(loader).documents(yaml.parse(text, Loader=_READER)))
    except yaml.MarkedYAMLError as error:
        raise YamlRefused(f"is not YAML: {error.problem}", _line(error.problem_mark)) from error
    except yaml.reader.ReaderError as error:
        # Its position counts bytes.
        line = text.encode().count(b"\n", 0, error.position) + 1
        raise YamlRefused(f"is not YAML: the character #x{error.character:04x}: {error.reason}", line) from error
    except UnicodeEncodeError as error:
        raise YamlRefused(f"is not YAML: {error.reason}", text.count("\n", 0, error.start) + 1) from error
    except yaml.YAMLError as error:
        raise YamlRefused(f"is not YAML: {' '.join(str(error).split())}") from error


def load_all(text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> list[Any]:
    """Return the values of each document that is not empty; raises YamlRefused."""
    return [construct(node, loader) for node in compose(text, loader)]


def construct(node: yaml.Node, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> Any:  # noqa: ANN401 - YAML holds anything
    """Return the values of a tree; raises YamlRefused."""
    if node.tag == _TEXT and isinstance(node, yaml.ScalarNode):
        return node.value
    try:
        return loader("").construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise YamlRefused(f"is not YAML: {error.problem}", _line(error.problem_mark)) from error
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise YamlRefused(f"cannot be read: {' '.join(str(error).split())}", _line(node.start_mark)) from error


def _line(mark: Any) -> int | None:  # noqa: ANN401 - a mark of either reader
    return None if mark is None else int(mark.line) + 1


class _Composer:
    """Builds the trees of a text from its events, and counts the values in them."""

    def __init__(self, loader: type[yaml.SafeLoader]) -> None:
        self._resolve: Callable[..., str] = loader("").resolve
        self._first_characters = loader.yaml_implicit_resolvers
        # Each anchor's node and the number of its values; None while the node is being built.
        self._anchors: dict[str, tuple[yaml.Node, int] | None] = {}
        self._values = self._aliased = 0

    def documents(self, events: Iterator[_Event]) -> Iterator[yaml.Node]:
        """Yield the tree of each document that is not empty; raises YamlRefused."""
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                node = self._node(next(events), events, 1)
                if node.tag != _NOTHING:
                    yield node

    def _node(self, event: _Event, events: Iterator[_Event], depth: int) -> yaml.Node:
        if isinstance(event, yaml.AliasEvent):
            return self._aliased_node(event)
        before = self._values
        self._count(1, event)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        is_scalar = isinstance(event, yaml.ScalarEvent)
        node = self._scalar(event) if is_scalar else self._collection(event, events, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, self._values - before)
        return node

    def _aliased_node(self, event: _Event) -> yaml.Node:
        line = _line(event.start_mark)
        if event.anchor not in self._anchors:
            raise YamlRefused(f"the alias *{event.anchor} has no anchor above it", line)
        anchored = self._anchors[event.anchor]
        if anchored is None:
            raise YamlRefused(f"the alias *{event.anchor} is inside the node that it refers to", line)
        node, values = anchored
        self._aliased += values
        if self._aliased > MOST_ALIASED:
            raise YamlRefused(f"its aliases stand for more than {MOST_ALIASED:,} values", line)
        self._count(values, event)
        return node

    def _count(self, values: int, event: _Event) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise YamlRefused(f"holds more than {MOST_VALUES:,} values", _line(event.start_mark))

    def _scalar(self, event: _Event) -> yaml.ScalarNode:
        tag = event.tag
        if tag is None or tag == "!":
            # Most texts begin like no number and no date, and trying each pattern takes long.
            is_text = not event.implicit[0] or event.value[:1] not in self._first_characters
            tag = _TEXT if is_text else self._resolve(yaml.ScalarNode, event.value, event.implicit)
        # A number of a million digits takes hours to read.
        if tag != _TEXT and len(event.value) > _LONGEST_NUMBER and tag != _BYTES:
            raise YamlRefused(f"a number or date of more than {_LONGEST_NUMBER} characters", _line(event.start_mark))
        return yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)

    def _collection(self, start: _Event, events: Iterator[_Event], depth: int) -> yaml.CollectionNode:
        if depth > DEEPEST:
            raise YamlRefused(f"is nested more than {DEEPEST} deep", _line(start.start_mark))
        inside: list[yaml.Node] = []
        mark: Any = start.start_mark
        for event in events:
            if isinstance(event, yaml.CollectionEndEvent):
                break
            inside.append(self._node(event, events, depth + 1))
        tag = start.tag if start.tag not in {None, "!"} else None
        if isinstance(start, yaml.SequenceStartEvent):
            return yaml.SequenceNode(tag or _LIST, inside, mark)
        return yaml.MappingNode(tag or _MAPPING, list(zip(inside[::2], inside[1::2], strict=True)), mark)
