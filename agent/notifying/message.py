"""What is told: changes of state, put together into a message, and the three forms of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from alertdrill.agent.config.notify import Kind
from alertdrill.units import json_text
from alertdrill.units.text import utc_text

VERSION = 1
_MOST_LISTED = 20
_MOST_VALUES = 1_000_000
_LONGEST_TEXT = 3_000


@dataclass(frozen=True)
class StateChange:
    """The state of a subject has changed, at an instant in Unix seconds; `text` is a sentence about it.

    `subject` is the same for all events about one thing, such as `alert Slow`. `details` are further names and values.
    """

    kind: Kind
    subject: str
    state: str
    is_problem: bool
    text: str
    at: float
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Message:
    """Events that were found at one time, or a digest, whose `text` is Markdown."""

    id: str
    agent: str
    made_at: float
    title: str
    events: tuple[StateChange, ...] = ()
    text: str = ""

    @property
    def lines(self) -> list[str]:
        """A line for each event, the problems first; of many events only the first."""
        ordered = sorted(self.events, key=lambda one: not one.is_problem)
        told = [f"{'PROBLEM' if one.is_problem else 'SOLVED'}: {one.text}" for one in ordered[:_MOST_LISTED]]
        more = len(ordered) - len(told)
        return [*told, f"and {more} more"] if more else told

    def as_json(self) -> dict[str, Any]:
        """Return the values of the JSON that a webhook gets."""
        return {
            "version": VERSION,
            "id": self.id,
            "type": "changes" if self.events else "digest",
            "agent": self.agent,
            "made_at": utc_text(datetime.fromtimestamp(self.made_at, UTC)),
            "title": self.title,
            "text": self.text or "\n".join(self.lines),
            "events": [asdict(one) | {"at": utc_text(datetime.fromtimestamp(one.at, UTC))} for one in self.events],
        }

    def as_slack(self) -> dict[str, str]:
        """Return the values of the JSON that Slack gets, in which three characters would be markup."""
        text = "\n".join([f"*{_escaped(self.title)}*", *map(_escaped, self._shortened())])
        return {"text": text}

    def as_text(self) -> str:
        """Return the text of a mail, ending in a newline."""
        return "\n".join([*(self.text.rstrip().splitlines() or self.lines), "", f"alertdrill on {self.agent}", ""])

    def _shortened(self) -> Sequence[str]:
        if not self.text:
            return self.lines
        text = self.text if len(self.text) <= _LONGEST_TEXT else self.text[:_LONGEST_TEXT] + "\n…"
        return ["```", *text.rstrip().splitlines(), "```"]

    def kept(self) -> str:
        """Return it as JSON from which `read` makes it again."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, content: str) -> Message:
        """Make a message again; raises ValueError, TypeError or KeyError for what is none."""
        values = json_text.parse(content.encode(), _MOST_VALUES)
        return cls(**(values | {"events": tuple(StateChange(**one) for one in values["events"])}))


def title_of(events: Iterable[StateChange]) -> str:
    """Return a title for events: the sentence of a single one, or counts."""
    found = list(events)
    if len(found) == 1:
        return f"{'problem' if found[0].is_problem else 'solved'}: {found[0].text}"
    problems = sum(one.is_problem for one in found)
    counts = [(problems, "problem" if problems == 1 else "problems"), (len(found) - problems, "solved")]
    return ", ".join(f"{count} {word}" for count, word in counts if count)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
