"""A rule file as a PrometheusRule, the resource in which the Prometheus operator takes rules.

`python -m tools.prometheus_rule configs/prometheus/rules.yml > configs/kubernetes/prometheus-rule.yml` (`make docs`)
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

_HEAD = """\
# Made by `make docs` from {source}, which is the one to edit.
# The operator takes it when the labels are those of `ruleSelector` in its Prometheus.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: payment-engine
  labels:
    role: alert-rules
spec:
"""


def resource(rules: str, source: str) -> str:
    """Put the text of a rule file, its comments included, below `spec` of a resource."""
    return _HEAD.format(source=source) + textwrap.indent(rules, "  ")


def main() -> None:
    """Write the resource of the file that is named to standard output."""
    path = Path(sys.argv[1])
    sys.stdout.write(resource(path.read_text(encoding="utf-8"), path.as_posix()))


if __name__ == "__main__":
    main()
