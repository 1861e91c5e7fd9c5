"""The one comment of a pull request on GitHub, which each run edits.

https://docs.github.com/en/rest/issues/comments
"""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from alertdrill.agent.errors import ConfigError
from alertdrill.units import json_text

_LONGEST_SECONDS = 30
_A_PAGE = 100
_MOST_PAGES = 50
_PUBLIC = "https://api.github.com"
_MOST_ANSWER_BYTES = 20_000_000
_MOST_VALUES = 1_000_000


class NotPosted(Exception):
    """A comment could not be written: why, in a line."""


@dataclass(frozen=True)
class PullRequest:
    """A pull request, and the access to it."""

    api: str
    repository: str
    number: int
    token: str

    def post(self, body: str, marker: str, *, only_edit: bool = False) -> str:
        """Write the comment that begins with a marker, or edit it; return its address, empty if there is none.

        With `only_edit` none is made. Raises NotPosted.
        """
        comments = f"/repos/{self.repository}/issues/{self.number}/comments"
        found = self._find(comments, marker)
        if found is not None:
            if found.get("body") == body:
                return str(found.get("html_url", ""))
            made = self._ask("PATCH", f"/repos/{self.repository}/issues/comments/{found['id']}", {"body": body})
        elif only_edit:
            return ""
        else:
            made = self._ask("POST", comments, {"body": body})
        return str(made.get("html_url", "")) if isinstance(made, dict) else ""

    def _find(self, comments: str, marker: str) -> dict[str, Any] | None:
        for page in range(1, _MOST_PAGES + 1):
            found = self._ask("GET", f"{comments}?per_page={_A_PAGE}&page={page}")
            if not isinstance(found, list):
                raise NotPosted("GitHub answered with no list of comments")
            for one in found:
                # A comment that quotes this one does not begin with it.
                if isinstance(one, dict) and str(one.get("body", "")).startswith(marker) and "id" in one:
                    return one
            if len(found) < _A_PAGE:
                return None
        return None

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> Any:  # noqa: ANN401 - JSON
        request = urllib.request.Request(  # noqa: S310 - the address was checked
            self.api + path,
            data=None if body is None else json.dumps(body).encode(),
            method=method,
            headers={
                "Authorization": f"Bearer {self.token}",
                "Accept": "application/vnd.github+json",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": "alertdrill",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=_LONGEST_SECONDS) as answer:  # noqa: S310
                return json_text.parse(answer.read(_MOST_ANSWER_BYTES), _MOST_VALUES)
        except urllib.error.HTTPError as error:
            raise NotPosted(_refused(error, method)) from error
        except (OSError, ValueError) as error:
            raise NotPosted(f"{self.api} cannot be asked: {error}") from error


def _refused(error: urllib.error.HTTPError, method: str) -> str:
    with error:
        try:
            said = str(json_text.parse(error.read(_MOST_ANSWER_BYTES), _MOST_VALUES)["message"])
        except (OSError, ValueError, KeyError, TypeError):
            said = str(error.reason)
    text = f"GitHub answered {error.code} to {method}: {' '.join(said.split())[:200]}"
    if error.code in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.UNAUTHORIZED}:
        text += "; the token needs `pull-requests: write`, which it never has for a pull request of a fork"
    return text


def pull_request(variables: Mapping[str, str] = os.environ) -> PullRequest:
    """Return the pull request of a run on GitHub; raises ConfigError if it is none, or a variable is missing."""
    token = variables.get("GITHUB_TOKEN") or variables.get("GH_TOKEN") or ""
    repository = variables.get("GITHUB_REPOSITORY", "")
    if not token or not repository:
        missing = "GITHUB_TOKEN" if not token else "GITHUB_REPOSITORY"
        raise ConfigError(
            f"--comment: the variable {missing} is not set; in a step: `env: GITHUB_TOKEN: ${{{{ github.token }}}}`"
        )
    api = variables.get("GITHUB_API_URL", _PUBLIC).rstrip("/")
    if urlsplit(api).scheme not in {"http", "https"}:
        raise ConfigError(f"--comment: GITHUB_API_URL is {api!r}, expected an address such as {_PUBLIC}")
    return PullRequest(api, repository, _number(variables), token)


def _number(variables: Mapping[str, str]) -> int:
    path = variables.get("GITHUB_EVENT_PATH", "")
    try:
        event = json_text.parse(Path(path).read_bytes(), _MOST_VALUES) if path else {}
        number = event["pull_request"]["number"]
    except (OSError, ValueError, KeyError, TypeError):
        number = None
    if not isinstance(number, int):
        raise ConfigError("--comment: this run is not of a pull request, so there is nothing to comment on")
    return number
