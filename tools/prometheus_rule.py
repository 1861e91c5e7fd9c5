"""Makes a PrometheusRule from a rule file: the Kubernetes resource from which the Prometheus operator reads rules.

`python -m tools.prometheus_rule configs/prometheus/rules.yml payment-engine > configs/kubernetes/prometheus-rule.yml`
(`make docs`)
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

_HEAD = """\
# Made by `make docs` from {source}: edit that file.
# The operator uses it if its labels match `ruleSelector` of the Prometheus resource.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: {name}
  labels:
    role: alert-rules
spec:
"""


def resource(rules: str, source: str, name: str) -> str:
    """Return a PrometheusRule of that name with the text of a rule file, including its comments."""
    return _HEAD.format(source=source, name=name) + textwrap.indent(rules, "  ")


def main() -> None:
    """Write the resource for the given rule file and name to standard output."""
    path, name = Path(sys.argv[1]), sys.argv[2]
    sys.stdout.write(resource(path.read_text(encoding="utf-8"), path.as_posix(), name))


if __name__ == "__main__":
    main()
