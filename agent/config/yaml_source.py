"""Reads YAML files into frozen models, and reports every error as `file:line: path: problem`.

PyYAML gives nodes with their lines; pydantic gives the path of a wrong value. This module joins the two.
`${NAME}` and `${NAME:-default}` in a text are replaced from the environment after parsing, so that a value can never
change the structure of the file. A file of another program is read as plain texts: each value is the text that stands
there, as readers in Go take it, and nothing is replaced.
"""

from __future__ import annotations

import difflib
import os
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError, ValidationInfo

from alertdrill.agent.errors import ConfigError
from alertdrill.agent.interrupts import ending_at_once
from alertdrill.units import yaml_text
from alertdrill.units.text import shown

_MERGE = "tag:yaml.org,2002:merge"
_NOTHING = "tag:yaml.org,2002:null"
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")
# What only a template has: each form, and how to make YAML of it. They are looked for only where a file is no YAML.
_TEMPLATES = {
    "is a template, not YAML yet: write it out first, with `helm template` if it is one of Helm": re.compile(
        r"^\s*\{\{|\{\{-?\s*(?:\.(?:Values|Release|Chart|Capabilities)\b|(?:include|define|tpl|toYaml)\b)", re.MULTILINE
    ),
    "is a template of Jinja, not YAML yet: write it out first": re.compile(r"^\s*\{%", re.MULTILINE),
    "is jsonnet, not YAML yet: write it out first, with `jsonnet FILE`": re.compile(
        r"\A(?:\s|//.*)*(?:local\s+\w+\s*=|\(?import\b)|^\s*[\w'\"]+\s*\+?:::?\s", re.MULTILINE
    ),
}
_KIND_WORDS: dict[type, str] = {
    dict: "a mapping", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number",
    type(None): "empty",
}  # fmt: skip
_EXPECTED = {
    "string_type": "a text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}
"""What a file should hold instead, for pydantic's messages that use Python's words."""
_Loc = tuple[int | str, ...]
_Model = TypeVar("_Model", bound=BaseModel)


class TemplateFound(ConfigError):
    """A file is no YAML, but a template from which another program makes YAML."""


def read_text(path: Path) -> str:
    """Return the text of a file; raises ConfigError."""
    try:
        return yaml_text.read_text(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml_text.YamlRefused as error:
        raise _refused(path, error) from error


def compose(path: Path) -> list[yaml.Node]:
    """Return the tree of each document of a file; raises ConfigError."""
    return compose_text(read_text(path), path)


def compose_text(text: str, path: Path) -> list[yaml.Node]:
    """Return the tree of each document of a text that is, or was, the content of a file; raises ConfigError."""
    try:
        return yaml_text.compose(text)
    except yaml_text.YamlRefused as error:
        _refuse_template(path, text)
        raise _refused(path, error) from error


def _refused(path: Path, error: yaml_text.YamlRefused) -> ConfigError:
    return ConfigError(f"{path if error.line is None else f'{path}:{error.line}'}: {error.problem}")


def _refuse_template(path: Path, text: str) -> None:
    """Raise TemplateFound if a text that is no YAML is a template."""
    for words, form in _TEMPLATES.items():
        if found := form.search(text):
            line = text.count("\n", 0, found.end()) + 1
            raise TemplateFound(f"{path}:{line}: {words}")


class Source:
    """One YAML file: its values, and the line of each of them.

    `documents` are those of the file, if they were read before. With `is_plain` every value is the text of the file.
    `passed_over` are lines about what was read over on purpose. Raises ConfigError when the file cannot be read, is not
    YAML, is beyond a limit, repeats a key or names an unset variable.
    """

    def __init__(self, path: Path, documents: list[yaml.Node] | None = None, *, is_plain: bool = False) -> None:
        self.path = path
        self.problems: list[str] = []
        self.passed_over: list[str] = []
        self._is_plain = is_plain
        self._lines: dict[_Loc, int] = {}
        with ending_at_once():
            self._read(compose(path) if documents is None else documents)

    def _read(self, documents: list[yaml.Node]) -> None:
        if not documents:
            raise ConfigError(f"{self.path}:1: is empty, expected a mapping")
        if len(documents) > 1:
            line = documents[1].start_mark.line + 1
            raise ConfigError(f"{self.path}:{line}: a second document begins, expected one")
        self.values = self._construct(documents[0], ())
        if self.problems:
            _refuse_template(self.path, yaml_text.read_text(self.path))
            raise ConfigError(*self.problems)

    def line(self, loc: _Loc) -> int:
        """Return the line, from 1, of the value at a path, or of the nearest value around it."""
        while loc and loc not in self._lines:
            loc = loc[:-1]
        return self._lines.get(loc, 1)

    def problem(self, loc: _Loc, text: str) -> str:
        """Format one error: `file:line: path: text`."""
        place = f"{self.path}:{self.line(loc)}"
        return shown(f"{place}: {_spell(loc)}: {text}" if loc else f"{place}: {text}")

    def _construct(self, node: yaml.Node, loc: _Loc) -> Any:  # noqa: ANN401 - YAML holds anything
        self._lines.setdefault(loc, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._construct_mapping(node, loc)
        if isinstance(node, yaml.SequenceNode):
            return [self._construct(item, (*loc, index)) for index, item in enumerate(node.value)]
        if self._is_plain:
            return None if node.tag == _NOTHING else node.value
        try:
            value = yaml_text.construct(node)
        except yaml_text.YamlRefused as error:
            self.problems.append(self.problem(loc, error.problem))
            return None
        return self._substitute(value, loc) if isinstance(value, str) else value

    def _construct_mapping(self, node: yaml.MappingNode, loc: _Loc) -> dict[Any, Any]:
        mapping: dict[Any, Any] = {}
        own = set()
        # Merged keys come first, so that the line of a key is where the mapping itself has it.
        for key_node, value_node in sorted(node.value, key=lambda pair: pair[0].tag != _MERGE):
            if key_node.tag == _MERGE:
                mapping |= self._merged(value_node, loc)
                continue
            key = self._construct(key_node, (*loc, "<key>"))
            if isinstance(key, (dict, list)):
                self.problems.append(self.problem((*loc, "<key>"), "a key must be a text"))
                continue
            if key in own:
                line = key_node.start_mark.line + 1
                self.problems.append(f"{self.path}:{line}: {_spell((*loc, key))}: is there twice, expected once")
            own.add(key)
            self._lines[(*loc, key)] = key_node.start_mark.line + 1
            mapping[key] = self._construct(value_node, (*loc, key))
        return mapping

    def _merged(self, node: yaml.Node, loc: _Loc) -> dict[Any, Any]:
        """Return the mapping that a merge key `<<` stands for: one mapping, or a list of which the first ones win."""
        mapping: dict[Any, Any] = {}
        for one in reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(one, yaml.MappingNode):
                mapping |= self._construct_mapping(one, loc)
            else:
                line = one.start_mark.line + 1
                self.problems.append(f"{self.path}:{line}: {_spell((*loc, '<<'))}: expected a mapping to merge")
        return mapping

    def _substitute(self, text: str, loc: _Loc) -> str:
        def replace(match: re.Match[str]) -> str:
            value = os.environ.get(match["name"], match["default"])
            if value is None:
                self.problems.append(self.problem(loc, f"environment variable {match['name']} is not set"))
                return ""
            return value

        return _VARIABLE.sub(replace, text)

    def into(self, model: type[_Model]) -> _Model:
        """Validate the whole file as a model; raises ConfigError with every problem at once."""
        if not isinstance(self.values, dict):
            raise ConfigError(self.problem((), "expected a mapping of keys to values"))
        try:
            with ending_at_once():
                return model.model_validate(self.values, context={"directory": self.path.parent, "file": self.path})
        except ValidationError as error:
            raise ConfigError(*(self._explain(model, item) for item in error.errors())) from error

    def _explain(self, model: type[BaseModel], error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
        loc = self._path(model, error["loc"])
        if error["type"] == "extra_forbidden":
            known = _field_names(model, error["loc"][:-1])
            near = difflib.get_close_matches(str(loc[-1]), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(known)}"
            return self.problem(loc, f"unknown key, {hint}")
        if error["type"] == "missing":
            return self.problem(loc, "is missing")
        if error["type"] in {"union_tag_invalid", "union_tag_not_found"}:
            expected = error["ctx"].get("expected_tags") or ", ".join(map(repr, _kinds(model, error["loc"])))
            given = error["ctx"].get("tag")
            near = difflib.get_close_matches(str(given), re.findall(r"'([^']+)'", expected), n=1)
            hint = f"did you mean {near[0]}? (known: {expected})" if near else f"expected one of: {expected}"
            text = f"unknown kind {given!r}, {hint}" if given else f"kind is missing, {hint}"
            return self.problem((*loc, "kind"), text)
        if error["type"] in _EXPECTED:
            given = _KIND_WORDS.get(type(error["input"]), "another value")
            return self.problem(loc, f"is {given}, expected {_EXPECTED[error['type']]}")
        text = error["msg"].removeprefix("Value error, ")
        return self.problem(loc, text[:1].lower() + text[1:])

    def _path(self, model: type[BaseModel], loc: _Loc) -> _Loc:
        """Remove the tags of unions from pydantic's path: the file does not have them."""
        path: _Loc = ()
        values: Any = self.values
        for index, part in enumerate(loc):
            # A kind may have the same name as one of its keys: it is a tag only where several kinds are possible.
            is_tag = isinstance(values, dict) and values.get("kind") == part
            is_tag = is_tag and (part not in values or len(_models(model, loc[:index])) > 1)
            is_key = isinstance(part, int) or (*path, part) in self._lines
            # The last part of a path may be a key that is missing from the file.
            if not is_tag and (is_key or index == len(loc) - 1):
                path += (part,)
                values = _item(values, part)
        return path


def _item(values: object, part: int | str) -> object:
    if isinstance(values, dict):
        return values.get(part)
    return values[part] if isinstance(values, list) and isinstance(part, int) else None


def _spell(loc: _Loc) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _field_names(model: type[BaseModel], loc: _Loc) -> list[str]:
    """List the keys of the model at a path."""
    models = _models(model, loc)
    if len(models) != 1:
        return []
    return [field.alias or name for name, field in models[0].model_fields.items()]


def _kinds(model: type[BaseModel], loc: _Loc) -> list[str]:
    """List the possible kinds of the value at a path."""
    return [one.model_fields["kind"].default for one in _models(model, loc) if "kind" in one.model_fields]


def _models(model: type[BaseModel], loc: _Loc) -> list[type[BaseModel]]:
    """List the possible models of the value at a path."""
    annotation: Any = model
    for part in loc:
        annotation = _step(annotation, part)
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    return [annotation] if _is_model(annotation) else [one for one in typing.get_args(annotation) if _is_model(one)]


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _step(annotation: Any, part: int | str) -> Any:  # noqa: ANN401 - annotations have no common type
    if _is_model(annotation):
        field = annotation.model_fields.get(part)
        return field.annotation if field else None
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    members = [a for a in typing.get_args(annotation) if a is not type(None)]
    if isinstance(part, int):
        return members[0] if members else None
    # A kind may have the same name as another kind's key; pydantic's path has the kind first.
    for member in members:
        if _is_model(member) and "kind" in member.model_fields and member.model_fields["kind"].default == part:
            return member
    for member in members:
        if _is_model(member) and part in member.model_fields:
            return member.model_fields[part].annotation
    return members[-1] if members else None


def read_settings(path: Path, model: type[_Model], *, is_plain: bool = False) -> _Model:
    """Read one YAML file into a model; raises ConfigError with every problem of the file."""
    return Source(path, is_plain=is_plain).into(model)


def from_its_file(given: object, info: ValidationInfo, read: Callable[[Path], object]) -> object:
    """Return a value that is not a text unchanged; read a text as the path of another file, relative to this one.

    For validators of fields: raises ValueError with every problem of the other file.
    """
    if not isinstance(given, str):
        return given
    directory = info.context["directory"] if info.context else "."
    try:
        return read(Path(directory) / given)
    except ConfigError as error:
        raise ValueError("; ".join(error.problems)) from error
