"""The `checks:` of a probe: conditions that an answer must meet, or its transaction counts as failed.

    - {status: 201}                              or [200, 201], or 2xx
    - {name: response time < 2s, time: 2s}       the answer must come sooner
    - {header: content-type, contains: json}     or equals, matches, exists
    - {json: $.status, equals: ok}               or contains, matches, exists
    - {contains: OK}                             about the body; or equals, matches
    - {all: [{status: 200}, {time: 500ms}]}      one check of several conditions, which counts once

A regular expression may match anywhere in the value: write ^ and $ for the whole value.
"""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Field, Tag

from alertdrill.probes.checks.answer import Answer, NotJson
from alertdrill.probes.checks.comparison import NamedCheck, Test
from alertdrill.probes.checks.json_path import MISSING, compile_path
from alertdrill.probes.checks.kinds import BodyCheck, HeaderCheck, JsonCheck, StatusCheck, TimeCheck

__all__ = ["Answer", "Check", "Checks", "compile_carry", "compile_checks"]

# The keys that are allowed in a check, by its subject; a check without any other subject is about the body.
_COMPARISONS = ("equals", "contains", "matches")
_KEYS = {
    "status": ("status", "name"),
    "time": ("time", "name"),
    "header": ("header", *_COMPARISONS, "exists", "name"),
    "json": ("json", *_COMPARISONS, "exists", "name"),
    "all": ("all", "name"),
    "body": (*_COMPARISONS, "name"),
}
_ALL_KEYS = tuple(dict.fromkeys(key for keys in _KEYS.values() for key in keys))
_ANY_STATUS = range(1 << 16)


def _subject(check: object) -> str:
    if isinstance(check, dict):
        return next((key for key in _KEYS if key in check), "body") + " check"
    return type(check).__name__.removesuffix("Check").lower() + " check"


def _require_a_check(check: object) -> object:
    """Report a wrong key here: the union would pick a kind of check first, and might blame the wrong key."""
    if isinstance(check, NamedCheck):
        return check
    if isinstance(check, dict):
        subject = _subject(check).removesuffix(" check")
        for key in check:
            _require_key(key, subject)
        _require_a_subject(check, subject)
        return check
    msg = f"{check!r} is not a check, expected a mapping such as {{status: 201}}"
    raise ValueError(msg)


def _require_key(key: object, subject: str) -> None:
    if key in _KEYS[subject]:
        return
    if key in _ALL_KEYS:
        msg = f"{key} and {subject} cannot be in one check, expected {', '.join(_KEYS[subject])}"
        raise ValueError(msg)
    near = difflib.get_close_matches(str(key), _ALL_KEYS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"expected one of: {', '.join(_ALL_KEYS)}"
    msg = f"unknown key {key!r}, {hint}"
    raise ValueError(msg)


def _require_a_subject(check: dict[object, object], subject: str) -> None:
    if subject == "body" and not any(operator in check for operator in _COMPARISONS):
        msg = (
            "checks nothing, expected one of status, time, header and json, or for the body equals, contains or matches,"
            " or all of several"
        )
        raise ValueError(msg)


class AllCheck(NamedCheck):
    """Several conditions that must all hold; they are counted as one check."""

    all: tuple[Check, ...] = Field(min_length=1)

    @property
    def _description(self) -> str:
        return " and ".join(check.title for check in self.all)

    def test(self) -> Test:
        """Compile the test."""
        tests = tuple(check.test() for check in self.all)
        return lambda answer: next((reason for test in tests if (reason := test(answer))), "")


Check = Annotated[
    Annotated[StatusCheck, Tag("status check")]
    | Annotated[TimeCheck, Tag("time check")]
    | Annotated[HeaderCheck, Tag("header check")]
    | Annotated[JsonCheck, Tag("json check")]
    | Annotated[AllCheck, Tag("all check")]
    | Annotated[BodyCheck, Tag("body check")],
    Discriminator(_subject),
    BeforeValidator(_require_a_check),
]
"""A pydantic field type: one entry of `checks:`."""
AllCheck.model_rebuild()


@dataclass(frozen=True, slots=True)
class Checks:
    """The compiled checks of a probe.

    `failed` returns the names of the checks that an answer fails, in the order of the file. `detail` returns
    for such an answer a text for people: why the first of them failed.
    """

    names: tuple[str, ...]
    needs_headers: bool
    needs_body: bool
    failed: Callable[[Answer], tuple[str, ...]]
    detail: Callable[[Answer], str]


def compile_checks(checks: Sequence[Check]) -> Checks:
    """Compile the checks of a probe; raises ValueError when two have the same name."""
    names = tuple(check.title for check in checks)
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        msg = f"two checks are named {twice[0]!r}, expected a name of its own for each"
        raise ValueError(msg)
    tests = tuple((check.title, check.test()) for check in checks)
    conditions = list(_conditions(checks))
    return Checks(
        names=names,
        needs_headers=any(isinstance(check, HeaderCheck) for check in conditions),
        needs_body=any(isinstance(check, JsonCheck | BodyCheck) for check in conditions),
        failed=_failed(checks),
        detail=lambda answer: next((reason for _, test in tests if (reason := test(answer))), ""),
    )


def _conditions(checks: Sequence[Check]) -> Iterator[Check]:
    for check in checks:
        if isinstance(check, AllCheck):
            yield from _conditions(check.all)
        else:
            yield check


def _failed(checks: Sequence[Check]) -> Callable[[Answer], tuple[str, ...]]:
    # Nearly every answer passes. So all checks of status and time are one comparison each, and only an answer
    # that fails is tested check by check.
    statuses = [check.accepted for check in checks if isinstance(check, StatusCheck)]
    accepted = frozenset.intersection(*statuses) if statuses else _ANY_STATUS
    limit = min((check.time.total_seconds() for check in checks if isinstance(check, TimeCheck)), default=math.inf)
    deeper = tuple(check.test() for check in checks if not isinstance(check, StatusCheck | TimeCheck))
    every = tuple((check.title, check.test()) for check in checks)

    def failed(answer: Answer) -> tuple[str, ...]:
        if answer.status in accepted and answer.seconds < limit:
            for test in deeper:
                if test(answer):
                    break
            else:
                return ()
        return tuple(name for name, test in every if test(answer))

    return failed


def compile_carry(paths: Mapping[str, str]) -> Callable[[Answer], dict[str, object] | str]:
    """Return a function that takes values out of an answer in JSON, for the templates of later requests.

    It returns every value by its name, or a text that explains why one was not found. Raises ValueError for a wrong
    path.
    """
    finders = tuple((name, path, compile_path(path)) for name, path in paths.items())

    def carry(answer: Answer) -> dict[str, object] | str:
        document = answer.document()
        if type(document) is NotJson:
            return document.reason
        carried = {}
        for name, path, find in finders:
            value = find(document)
            if value is MISSING:
                return f"no {name} to carry: the answer has nothing at {path}"
            carried[name] = value
        return carried

    return carry
