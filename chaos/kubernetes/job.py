"""Jobs: whether one would replace a pod that is killed, and how one ended. Pure.

Each killed pod is a failure, and a Job starts another one only as long as it has retries left.
"""

from __future__ import annotations

from alertdrill.chaos.kubernetes.place import Object

_DEFAULT_RETRIES = 6
_FAILURES_OF_INDEX = "batch.kubernetes.io/job-index-failure-count"
_ENDS = {
    "Complete": "completed",
    "SuccessCriteriaMet": "completed",
    "Failed": "failed",
    "FailureTarget": "failed",
}


def ended(job: Object) -> str:
    """Return how a Job ended, in words; an empty text while it runs."""
    for one in (job.get("status") or {}).get("conditions") or []:
        if one["type"] in _ENDS and one["status"] == "True":
            reason = f" ({one['reason']})" if one.get("reason") and _ENDS[one["type"]] == "failed" else ""
            return f"job/{job['metadata']['name']} {_ENDS[one['type']]} meanwhile{reason}"
    return ""


def retries_left(job: Object) -> int:
    """Return how many pods of a Job can fail before it fails."""
    failed: int = (job.get("status") or {}).get("failed", 0)
    limit: int = job["spec"].get("backoffLimit", _DEFAULT_RETRIES)
    return max(limit - failed, 0)


def not_replaced(job: Object, pods: list[Object]) -> str:
    """Return why a Job would not replace all of these pods, in words; an empty text when it would."""
    name = f"job/{job['metadata']['name']}"
    if not pods:
        return ""
    if (left := retries_left(job)) < len(pods):
        return f"{name} has {left or 'no'} {'retry' if left == 1 else 'retries'} left"
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules") or []
    if any(rule["action"] in {"FailJob", "FailIndex"} for rule in rules):
        return f"{name} has a podFailurePolicy that may end it"
    of_index = job["spec"].get("backoffLimitPerIndex")
    if of_index is not None and any(_failures(pod) >= of_index for pod in pods):
        return f"{name} has no retries left for an index"
    return ""


def _failures(pod: Object) -> int:
    written = (pod["metadata"].get("annotations") or {}).get(_FAILURES_OF_INDEX, "0")
    return int(written) if written.isdecimal() else 0
