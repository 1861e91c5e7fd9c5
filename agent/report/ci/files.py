"""The files that CI servers read: JUnit, the code quality report of GitLab, and SARIF 2.1.0."""

from __future__ import annotations

import hashlib
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

from alertdrill import __version__
from alertdrill.agent.report.ci.checks import DESCRIPTIONS, Check, CiFinding, CiReport, FindingKind
from alertdrill.agent.report.ci.github import summary

# XML 1.0 cannot hold these characters, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def junit(report: CiReport) -> str:
    """Render JUnit XML: a case for each check; what cannot be judged is an error, a difference is output."""
    kinds = [{one.kind for one in check.findings if one.fails} for check in report.checks]
    errors = sum(FindingKind.NOT_JUDGED in found for found in kinds)
    counts = {"tests": len(kinds), "failures": sum(map(bool, kinds)) - errors, "errors": errors}
    counted = {name: str(count) for name, count in counts.items()}
    root = ET.Element("testsuites", {"name": "alertdrill", **counted})
    suite = ET.SubElement(root, "testsuite", {"name": f"alertdrill {report.name}", **counted})
    for check in report.checks:
        _case(suite, check)
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, check: Check) -> None:
    names = {"name": _xml(check.alert), "classname": _xml(check.group), "file": _xml(check.file)}
    case = ET.SubElement(suite, "testcase", {**names, "line": str(check.line), "time": f"{check.seconds or 0:g}"})
    for one in check.findings:
        if one.fails:
            tag = "error" if one.kind is FindingKind.NOT_JUDGED else "failure"
            text = _xml(f"{check.alert} {one.text}")
            ET.SubElement(case, tag, {"message": text, "type": one.kind.value}).text = f"{text}\n{_place(check)}"
    told = [one.text for one in check.findings if not one.fails] or ([] if check.findings else [check.held])
    if lines := [*told, *check.notes]:
        ET.SubElement(case, "system-out").text = _xml("\n".join(lines))


def _place(check: Check) -> str:
    return _xml(f"rule: {check.file}:{check.line}")


def _xml(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def code_quality(report: CiReport) -> str:
    """Render the code quality report of GitLab, which shows findings in the changes of a merge request."""
    return _json([_quality(check, one) for check, one in _all(report)])


def _quality(check: Check, finding: CiFinding) -> dict[str, Any]:
    return {
        "description": f"{check.alert} {finding.text}",
        "check_name": f"alertdrill/{finding.kind.value}",
        "fingerprint": _fingerprint(check, finding),
        "severity": "major" if finding.fails else "minor",
        "location": {"path": check.file, "lines": {"begin": check.line}},
    }


def sarif(report: CiReport) -> str:
    """Render SARIF 2.1.0, for code scanning."""
    kinds = list(dict.fromkeys(one.kind for _, one in _all(report)))
    rules = [{"id": kind.value, "shortDescription": {"text": DESCRIPTIONS[kind]}} for kind in kinds]
    driver = {"name": "alertdrill", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        # Runs of one category replace each other; those of the other command stay.
        "automationDetails": {"id": f"alertdrill/{report.name}/"},
        "results": [_sarif_result(check, one, kinds) for check, one in _all(report)],
    }
    return _json({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]})


def _sarif_result(check: Check, finding: CiFinding, kinds: list[FindingKind]) -> dict[str, Any]:
    location = {"artifactLocation": {"uri": quote(check.file)}, "region": {"startLine": check.line}}
    return {
        "ruleId": finding.kind.value,
        "ruleIndex": kinds.index(finding.kind),
        "level": "error" if finding.fails else "warning",
        "message": {"text": f"{check.alert} {finding.text}"},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"alertdrill/v1": _fingerprint(check, finding)},
    }


def _all(report: CiReport) -> Iterator[tuple[Check, CiFinding]]:
    yield from ((check, one) for check in report.checks for one in check.findings)


def _fingerprint(check: Check, finding: CiFinding) -> str:
    """Return what stays the same while the finding does, though lines move and its times change."""
    alike = (one for one in check.findings if one.kind is finding.kind)
    number = next(number for number, one in enumerate(alike) if one is finding)
    parts = (check.group, check.alert, check.file, finding.kind.value, str(number))
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()


def _json(values: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


FORMS: dict[str, Callable[[CiReport], str]] = {
    "junit": junit,
    "code-quality": code_quality,
    "sarif": sarif,
    "markdown": summary,
}
