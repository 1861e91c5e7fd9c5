"""Mistakes in GitHub's workflows that give strangers the rights of the project: none is in .github/workflows.

https://docs.github.com/en/actions/reference/security/secure-use
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DIGEST = "a" * 40
# A full commit digest, an image by its digest, or an action of the same repository.
_PINNED = re.compile(r".+@[0-9a-f]{40}|docker://.+@sha256:[0-9a-f]{64}|\./.*")
# What the author of a pull request or an issue writes.
_FROM_STRANGERS = re.compile(r"\$\{\{[^}]*\bgithub\s*(\.|\[['\"])\s*(event|head_ref)\b[^}]*\}\}")


def mistakes(text: str) -> list[str]:
    """Return what is wrong with a workflow."""
    workflow = yaml.safe_load(text)
    jobs = workflow["jobs"]
    # YAML reads the key `on` as a truth value.
    events = workflow.get("on", workflow.get(True))
    found = [] if "permissions" in workflow else _without_permissions(jobs)
    for one in _with_steps(jobs):
        uses = str(one.get("uses", "./"))
        if not _PINNED.fullmatch(uses):
            found.append(f"{uses} is not pinned by its full commit digest")
        if _FROM_STRANGERS.search(str(one.get("run", ""))):
            found.append("a text of strangers is part of a script: pass it in `env:`")
        if "pull_request_target" in events and uses.startswith("actions/checkout@"):
            found.append("pull_request_target checks code of strangers out, with the rights of the project")
    return found


def _without_permissions(jobs: dict[str, Any]) -> list[str]:
    return [f"the job {name} has no `permissions:`" for name, job in jobs.items() if "permissions" not in job]


def _with_steps(jobs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each job, which may be a workflow of another repository, and each step."""
    for job in jobs.values():
        yield job
        yield from job.get("steps", [])


def workflow(step: str, *, on: str = "push", permissions: str = "permissions: {contents: read}") -> str:
    return f"on: {on}\n{permissions}\njobs:\n  test:\n    steps:\n      - {step}\n"


def test_the_workflow_of_the_sample_repository_gives_strangers_nothing() -> None:
    path = ROOT / "docs" / "sample-repository" / ".github" / "workflows" / "alerts.yml"
    assert mistakes(path.read_text(encoding="utf-8").replace("@COMMIT", f"@{DIGEST}")) == []


def test_the_workflows_of_this_project_give_strangers_nothing() -> None:
    paths = (ROOT / ".github" / "workflows").glob("*.y*ml")
    found = {path.name: mistakes(path.read_text(encoding="utf-8")) for path in paths}
    assert {name: problems for name, problems in found.items() if problems} == {}


CHECKOUT = f"uses: actions/checkout@{DIGEST}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (workflow("uses: actions/checkout@v4"), "is not pinned"),
        (workflow("uses: actions/checkout@main"), "is not pinned"),
        (workflow(f"uses: actions/checkout@{DIGEST[:7]}"), "is not pinned"),
        (workflow("uses: docker://alpine:3"), "is not pinned"),
        ("on: push\npermissions: {}\njobs:\n  a:\n    uses: org/repo/.github/workflows/a.yml@v1\n", "is not pinned"),
        (workflow(CHECKOUT, permissions=""), "the job test has no `permissions:`"),
        (workflow("run: echo ${{ github.event.issue.title }}"), "a text of strangers"),
        (workflow("run: echo ${{ github['event'].comment.body }}"), "a text of strangers"),
        (workflow('run: "echo ${{ format(github.head_ref) }}"'), "a text of strangers"),
        (workflow(CHECKOUT, on="pull_request_target"), "pull_request_target checks"),
        (workflow(CHECKOUT, on="[push, pull_request_target]"), "pull_request_target checks"),
        (workflow(CHECKOUT, on="{pull_request_target: {types: [opened]}}"), "pull_request_target checks"),
    ],
)
def test_a_mistake_is_found(text: str, problem: str) -> None:
    (found,) = mistakes(text)
    assert problem in found


@pytest.mark.parametrize(
    "text",
    [
        workflow(CHECKOUT),
        workflow("uses: ./.github/actions/setup"),
        workflow(f"uses: docker://alpine@sha256:{'b' * 64}"),
        workflow("{run: 'echo \"$TITLE\"', env: {TITLE: '${{ github.event.issue.title }}'}}"),
        workflow("run: echo ${{ github.sha }}", on="pull_request_target"),
        f"on: push\njobs:\n  test:\n    permissions: {{}}\n    steps:\n      - {CHECKOUT}\n",
    ],
)
def test_what_is_right_is_not_found(text: str) -> None:
    assert mistakes(text) == []
