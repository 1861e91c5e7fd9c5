"""Whether a Job replaces killed pods, and how it ended, read as Kubernetes defines it."""

from __future__ import annotations

from typing import Any

import pytest

from alertdrill.chaos.kubernetes import job


def one(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "nightly"}, "spec": spec, "status": status or {}}


def pod(failures: str | None = None) -> dict[str, Any]:
    written = {} if failures is None else {"batch.kubernetes.io/job-index-failure-count": failures}
    return {"metadata": {"name": "nightly-1", "annotations": written}}


@pytest.mark.parametrize(
    ("now", "pods", "why"),
    [
        (one(), 1, ""),
        (one(), 6, ""),
        (one(), 7, "job/nightly has 6 retries left"),
        (one({"failed": 6}), 1, "job/nightly has no retries left"),
        (one(backoffLimit=0), 1, "job/nightly has no retries left"),
        (one(backoffLimit=1), 2, "job/nightly has 1 retry left"),
        (one({"failed": 2}, backoffLimit=3), 1, ""),
        (one(backoffLimit=0), 0, ""),
        (one(podFailurePolicy={"rules": [{"action": "FailJob"}]}), 1, "job/nightly has a podFailurePolicy"),
        (one(podFailurePolicy={"rules": [{"action": "Ignore"}]}), 1, ""),
    ],
)
def test_a_job_replaces_as_many_pods_as_it_has_retries(now: dict[str, Any], pods: int, why: str) -> None:
    said = job.not_replaced(now, [pod()] * pods)
    assert said.startswith(why)
    assert bool(said) == bool(why)


@pytest.mark.parametrize(("failures", "is_replaced"), [("0", True), ("1", False), (None, True)])
def test_each_index_of_a_job_may_have_its_own_retries(failures: str | None, is_replaced: bool) -> None:  # noqa: FBT001
    indexed = one(backoffLimit=2**31 - 1, backoffLimitPerIndex=1)
    assert job.not_replaced(indexed, [pod(failures)]) == (
        "" if is_replaced else "job/nightly has no retries left for an index"
    )


@pytest.mark.parametrize(
    ("condition", "how"),
    [
        ({"type": "Complete", "status": "True"}, "job/nightly completed meanwhile"),
        (
            {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"},
            "job/nightly failed meanwhile (BackoffLimitExceeded)",
        ),
        ({"type": "Failed", "status": "False"}, ""),
        ({"type": "Suspended", "status": "True"}, ""),
    ],
)
def test_the_end_of_a_job_is_read_from_its_status(condition: dict[str, Any], how: str) -> None:
    assert job.ended(one({"conditions": [condition]})) == how
