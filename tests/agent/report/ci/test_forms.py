"""What CI servers read: annotations, Markdown, JUnit, GitLab's code quality and SARIF."""

from __future__ import annotations

import gzip
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema_rs
import pytest

from alertdrill.agent.report.ci import files, github
from alertdrill.agent.report.ci.checks import Check, CiFinding, CiReport, FindingKind

# From the npm package @microsoft/jest-sarif 1.0.0-beta.0, under the MIT licence.
_SCHEMA = Path(__file__).with_name("sarif-2.1.0-rtm.5.json.gz")
# Regular expressions of JavaScript may have a bracket that closes nothing; this reader needs a backslash before it.
_TEXT = gzip.decompress(_SCHEMA.read_bytes()).decode().replace("{2}]?$", r"{2}\\]?$")
_SARIF = jsonschema_rs.Draft4Validator(json.loads(_TEXT), validate_formats=True)
LATER = "would fire 5m later: 8m14s → 13m14s; contract 12m: fails"


def check(alert: str = "Queue", *found: tuple[FindingKind, str], **more: object) -> Check:
    values: dict[str, object] = {"file": "rules/shop.yml", "line": 7, "held": "fires after 8m as recorded"}
    return Check(
        alert=alert, group=f"regress/shop.{alert}.regress.yml", findings=tuple(CiFinding(*one) for one in found),
        **(values | more),  # type: ignore[arg-type]
    )  # fmt: skip


REPORT = CiReport(
    "regress",
    (
        check("Queue", (FindingKind.CONTRACT, LATER), notes=("continued",), seconds=794.0),
        check("Moved", (FindingKind.SNAPSHOT, "would resolve 1m later: 9m → 10m")),
        check("Gone", (FindingKind.NOT_JUDGED, "no rule makes the alert Gone")),
        check("Held", seconds=494.0),
    ),
    ("skipped 2 files",),
)
MANY = CiReport(
    "regress",
    tuple(check(f"A{n}", *[(FindingKind.CONTRACT, f"fails {n} " + "x" * 300)] * 2) for n in range(400))
    + tuple(check(f"B{n}", (FindingKind.SNAPSHOT, f"moved {n}")) for n in range(30)),
)


def test_each_finding_is_shown_at_the_line_of_its_rule() -> None:
    assert list(github.at_lines(REPORT)) == [
        f"::error file=rules/shop.yml,line=7,title=Queue::Queue {LATER}",
        "::error file=rules/shop.yml,line=7,title=Gone::Gone no rule makes the alert Gone",
        "::warning file=rules/shop.yml,line=7,title=Moved::Moved would resolve 1m later: 9m → 10m",
    ]


def test_a_name_cannot_add_a_command_or_a_property() -> None:
    report = CiReport(
        "gate", (check("A,line=1::x\n::set-output", (FindingKind.STALE, "100%\r\nold"), file="a,b:c.yml"),)
    )
    (line,) = github.at_lines(report)
    assert line == (
        "::error file=a%2Cb%3Ac.yml,line=7,title=A%2Cline=1%3A%3Ax%0A%3A%3Aset-output"
        "::A,line=1::x%0A::set-output 100%25%0D%0Aold"
    )


def test_of_many_findings_ten_of_each_level_are_annotated_and_one_comment_holds_the_rest() -> None:
    lines = list(github.at_lines(MANY))
    assert [sum(line.startswith(f"::{level} ") for line in lines) for level in ("error", "warning")] == [10, 10]
    comment = github.comment(MANY)
    assert len(comment.encode()) <= 60_000
    (left,) = re.findall(r"^(\d+) more are not shown here\.$", comment, re.MULTILINE)
    assert comment.count("\n| ") - 2 + int(left) == 430
    assert github.summary(MANY).count("\n| ") - 2 == 430


def test_a_comment_tells_what_fails_first_and_folds_what_holds() -> None:
    comment = github.comment(REPORT)
    lines = comment.splitlines()
    assert lines[0] == "<!-- alertdrill regress -->"
    assert lines[1] == "### alertdrill regress: 2 of 4 fail"
    rows = [line for line in lines if line.startswith("| ")][2:]
    assert [re.findall("`(.*?)`", row)[0] for row in rows] == ["Queue", "Gone", "Moved"]
    assert LATER in rows[0]
    assert "<details><summary>1 as expected</summary>" in comment
    assert "- skipped 2 files" in comment


def test_a_label_in_a_comment_notifies_nobody_and_adds_no_row() -> None:
    report = CiReport("regress", (check("Queue", (FindingKind.CONTRACT, 'labels {team="@all"} | x\n| `y` <img>')),))
    (row,) = [line for line in github.comment(report).splitlines() if "@all" in line]
    assert re.search(r"`[^`]*@all[^`]*<img>`", row)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5


def test_junit_has_a_case_for_each_file_with_its_time_and_its_rule() -> None:
    root = ET.fromstring(files.junit(REPORT))  # noqa: S314 - our own
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("4", "1", "1")
    cases = {case.get("name"): case for case in suite}
    assert cases["Queue"].attrib == {
        "name": "Queue", "classname": "regress/shop.Queue.regress.yml", "file": "rules/shop.yml", "line": "7", "time": "794",
    }  # fmt: skip
    children = {name: [(one.tag, one.get("type")) for one in case] for name, case in cases.items()}
    assert children == {
        "Queue": [("failure", "contract"), ("system-out", None)],
        "Moved": [("system-out", None)],
        "Gone": [("error", "not-judged")],
        "Held": [("system-out", None)],
    }
    assert cases["Queue"][0].get("message") == f"Queue {LATER}"
    assert cases["Held"][0].text == "fires after 8m as recorded"


def test_junit_is_xml_whatever_a_label_holds() -> None:
    root = ET.fromstring(files.junit(CiReport("gate", (check("A\x00<\ud800", (FindingKind.VOID, "\x1b[1m&")),))))  # noqa: S314
    assert root[0][0].get("name") == "A\ufffd<\ufffd"


def test_gitlab_gets_the_keys_that_it_needs_with_a_fingerprint_of_its_own_for_each() -> None:
    found = json.loads(files.code_quality(MANY))
    assert len({one["fingerprint"] for one in found}) == len(found) == 830
    (first, *_) = json.loads(files.code_quality(REPORT))
    assert {key: value for key, value in first.items() if key != "fingerprint"} == {
        "description": f"Queue {LATER}",
        "check_name": "alertdrill/contract",
        "severity": "major",
        "location": {"path": "rules/shop.yml", "lines": {"begin": 7}},
    }


@pytest.mark.parametrize("form", [files.code_quality, files.sarif])
def test_a_finding_is_known_again_when_its_line_and_its_times_changed(form: object) -> None:
    def prints(report: CiReport) -> list[str]:
        text = form(report)  # type: ignore[operator]
        return re.findall(r'"(?:fingerprint|alertdrill/v1)": "(\w+)"', text)

    later = CiReport("regress", (check("Queue", (FindingKind.CONTRACT, "would not fire"), line=99),))
    assert prints(later) == prints(REPORT)[:1]


def test_sarif_names_rules_levels_and_places() -> None:
    (run,) = json.loads(files.sarif(REPORT))["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == ["contract", "snapshot", "not-judged"]
    found = [(one["ruleId"], one["ruleIndex"], one["level"]) for one in run["results"]]
    assert found == [("contract", 0, "error"), ("snapshot", 1, "warning"), ("not-judged", 2, "error")]
    assert run["results"][0]["locations"] == [
        {"physicalLocation": {"artifactLocation": {"uri": "rules/shop.yml"}, "region": {"startLine": 7}}}
    ]


@pytest.mark.parametrize("report", [REPORT, MANY, CiReport("gate", ())], ids=["all kinds", "many", "nothing"])
def test_sarif_follows_the_public_schema(report: CiReport) -> None:
    _SARIF.validate(json.loads(files.sarif(report)))


def test_the_public_schema_refuses_what_is_no_sarif() -> None:
    wrong = json.loads(files.sarif(REPORT))
    wrong["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(jsonschema_rs.ValidationError, match="fatal"):
        _SARIF.validate(wrong)
