"""Templates of labels and annotations, as Go's text/template reads them; promtool says which ones it takes."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from alertdrill.units.go_template import TemplateRefused, require_template

FUNCTIONS = ["query", "first", "value", "humanize", "toUpper", "reReplaceAll"]
VARIABLES = ["$value", "$labels"]
TAKEN = [
    "",
    "no template",
    "}} { $value }",
    "{{ $value }}",
    "{{$labels.instance}}",
    "{{- $value -}} %",
    "{{ .Labels.job }} {{ .Value }} {{ $.Labels.job }} {{ . }}",
    '{{ $value | printf "%.2f" }}',
    "{{ printf `%.2f` ($value) | toUpper }}",
    "{{ $value | humanize | }}",
    "{{/* a comment */}} {{- /* another\n one */ -}}",
    "{{ if gt $value 5.0 }}a{{ else if lt $value 1e-3 }}b{{ else }}c{{ end }}",
    '{{ range $i, $x := query "up" }}{{ $i }}{{ $x.Value }}{{ break }}{{ end }}',
    '{{ with $x := query "up" }}{{ $x | first | value }}{{ else }}none{{ end }}',
    "{{ $x := 5 }}{{ if true }}{{ $x = 6 }}{{ end }}{{ $x }}",
    '{{ define "x" }}a{{ end }}{{ template "x" }}{{ block "y" . }}b{{ end }}',
    "{{ and $value (not $value) }} {{ eq $labels.a \"b\" 'c' 0x1F -5 .5 nil true }}",
    '{{ print "}}" }} {{ print "{{" "\\u0041\\n" }}',
    '{{ (query "up" | first).Value }}',
]
REFUSED = {
    "{{ $value }": "unexpected '}' within",
    "{{ $value": "an action is not closed",
    "{{/* a }}": "a comment is not closed",
    "{{ $label.instance }}": "undefined variable $label",
    "{{ if true }}{{ $x := 5 }}{{ end }}{{ $x }}": "undefined variable $x",
    "{{ instance }}": "function 'instance' is not defined",
    "{{ $labels.my-label }}": "unexpected '-' after .my",
    "{{ $labels..x }}": "unexpected",
    "{{ $value > 5 }}": "unexpected '>' within",
    '{{ $labels["a"] }}': "unexpected '[' after $labels",
    "{{ }}": "a value is missing",
    "{{ | humanize }}": "a value is missing",
    "{{ $value || humanize }}": "a value is missing",
    '{{ $value | "a" }}': "is not a function",
    '{{ printf "%.2f"$value }}': "unexpected $value after an operand",
    '{{ printf "%.2f }}': "a text is not closed",
    "{{ printf '%.2f' $value }}": "is not a single character",
    '{{ $labels.a | reReplaceAll ":\\d" "" }}': "is not a text of Go",
    "{{ ( $value }}": ") is missing",
    "{{ $value ) }}": "unexpected )",
    "{{ $a, $b := 5 }}": "unexpected",
    "{{ 5a }}": "5a is not a number",
    "{{ if $value }}a": "{{ end }} is missing, for {{ if }}",
    "{{ end }}": "unexpected {{ end }}",
    "{{ if $value }}a{{ else }}b{{ else }}c{{ end }}": "unexpected {{ else }}",
    "{{ break }}": "{{ break }} outside {{ range }}",
    "{{ template x }}": "needs a name in quotes",
    '{{ if true }}{{ define "x" }}{{ end }}{{ end }}': "within a block",
}


def test_promtool_takes_and_refuses_the_same(tmp_path: Path) -> None:
    rules = [{"alert": f"A{i}", "expr": "up", "annotations": {"a": one}} for i, one in enumerate([*TAKEN, *REFUSED])]
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}))
    told = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    found = {int(number) for number in re.findall(r'"A(\d+)": annotation', told.stdout + told.stderr)}
    assert found == set(range(len(TAKEN), len(TAKEN) + len(REFUSED)))


@pytest.mark.parametrize("text", TAKEN)
def test_a_template_is_taken(text: str) -> None:
    require_template(text, FUNCTIONS, VARIABLES)


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_template_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(TemplateRefused, match=re.escape(REFUSED[text])):
        require_template(text, FUNCTIONS, VARIABLES)


@pytest.mark.parametrize(
    "text",
    [
        "{{ print" + " (1)" * 20_000 + " }}",
        "{{ range " + "$value, " * 20_000 + "$a := 1 }}{{ end }}",
        "".join(f"{{{{ $a{number} := 1 }}}}" for number in range(20_000)) + "{{ $a7 }}" * 20_000,
        "{{ if . }}" * 90 + "{{ range . }}" + "{{ break }}" * 20_000 + "{{ end }}" * 91,
    ],
    ids=["operands", "declarations", "variables", "breaks"],
)
def test_the_work_grows_like_the_length(text: str) -> None:
    began = time.process_time()
    require_template(text, FUNCTIONS, VARIABLES)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "brackets within 100 other brackets"),
        ("{{ if . }}" * 5_000, "{{ if }} within 100 other blocks"),
    ],
)
def test_what_is_nested_too_deep_is_refused(text: str, problem: str) -> None:
    with pytest.raises(TemplateRefused, match=re.escape(problem)):
        require_template(text, FUNCTIONS, VARIABLES)
