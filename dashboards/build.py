"""Makes Grafana's JSON from a table of panels; the only file that uses grafana-foundation-sdk."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any
from urllib.parse import quote

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.panel import Dashboard, Form, Panel, Query, Thresholds, Variable

RANGES = ("1h", "6h", "24h", "7d")
_TAG = "payment-engine"
_DATASOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
_HEIGHTS: dict[Form, int] = {"line": 8, "stack": 8, "stat": 5, "state": 6, "table": 8}
# Marks on every dashboard: when alerts fired, and when faults of drills were in force.
# Written as a dict, because the SDK's model of an annotation lacks the fields of the Prometheus data source.
_ANNOTATIONS: tuple[dict[str, object], ...] = (
    {
        "name": "Alerts",
        "iconColor": "red",
        "expr": 'ALERTS{alertstate="firing"}',
        "titleFormat": "{{alertname}}",
        "tagKeys": "severity",
    },
    {
        "name": "Faults of drills",
        "iconColor": "purple",
        "expr": "alertdrill_fault_active == 1",
        "titleFormat": "{{kind}} on {{target}}",
        "tagKeys": "kind",
    },
)


def grafana_json(spec: Dashboard) -> str:
    """Return one dashboard as JSON; equal tables give equal text."""
    made: dict[str, Any] = json.loads(JSONEncoder().encode(_dashboard(spec)))
    made["annotations"] = {"list": [_annotation(one) for one in _ANNOTATIONS]}
    return json.dumps(made, indent=2, sort_keys=True) + "\n"


def _annotation(fields: dict[str, object]) -> dict[str, object]:
    return {"datasource": _DATASOURCE.to_json(), "enable": True, "hide": False, "step": "15s", **fields}


def _dashboard(spec: Dashboard) -> dashboard.Dashboard:
    made = (
        builders.Dashboard(spec.title)
        .uid(spec.uid)
        .description(spec.text)
        .tags([_TAG])
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .time(f"now-{spec.opens_with}", "now")
        .refresh("10s")
        .with_variable(builders.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for variable in spec.variables:
        made.with_variable(_variable(variable))
    for link in _links(spec):
        made.link(link)
    numbers = count(1)
    for row in spec.rows:
        made.with_row(builders.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            made.with_panel(_BUILDERS[panel.form](panel).id(next(numbers)))
    return made.build()


def _variable(variable: Variable) -> builders.QueryVariable:
    return (
        builders.QueryVariable(variable.name)
        .label(variable.name.capitalize())
        .datasource(_DATASOURCE)
        .query(variable.query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .include_all(True)
        .all_value(".*")
        .multi(True)
        .current(dashboard.VariableOption(selected=True, text="All", value="$__all"))
    )


def _links(spec: Dashboard) -> Iterable[builders.DashboardLink]:
    for span in RANGES:
        yield (
            builders.DashboardLink(f"last {span}")
            .type(dashboard.DashboardLinkType.LINK)
            .url(f"/d/{quote(spec.uid)}?from=now-{span}&to=now")
            .include_vars(True)
        )
    yield (
        builders.DashboardLink("Payment engine")
        .type(dashboard.DashboardLinkType.DASHBOARDS)
        .tags([_TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def _common(made: Any, panel: Panel) -> Any:  # noqa: ANN401 - the builders share methods but no base class
    made.title(panel.title).description(panel.text).datasource(_DATASOURCE).unit(panel.unit)
    made.span(panel.width).height(_HEIGHTS[panel.form]).min(0)
    if panel.max is not None:
        made.max(panel.max)
    if panel.limits is not None:
        made.thresholds(_thresholds(panel.limits))
    if panel.form in {"stat", "state", "table"}:
        made.color_scheme(builders.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS))
    for number, query in enumerate(panel.queries):
        made.with_target(_target(query, "ABCDEFGH"[number], is_instant=panel.form == "table"))
    return made


def _target(query: Query, name: str, *, is_instant: bool) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(name)
    return made.instant().format(PromQueryFormat.TABLE) if is_instant else made.range()


def _thresholds(limits: Thresholds) -> builders.ThresholdsConfig:
    steps = [dashboard.Threshold(value=value, color=colour) for value, colour in limits.steps]
    return builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def _lines(panel: Panel) -> Any:  # noqa: ANN401 - see _common
    made = timeseries.Panel().line_width(2).fill_opacity(10).show_points(common.VisibilityMode.NEVER)
    legend = VizLegendOptions().display_mode(common.LegendDisplayMode.TABLE).placement(common.LegendPlacement.BOTTOM)
    made.legend(legend.show_legend(True).calcs(["lastNotNull", "mean", "max"]))
    if panel.form == "stack":
        made.stacking(StackingConfig().mode(common.StackingMode.NORMAL).group("A")).fill_opacity(40)
    if panel.limits is not None:
        made.thresholds_style(GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.AREA))
    return _common(made, panel)


def _stat(panel: Panel) -> Any:  # noqa: ANN401 - see _common
    made = stat.Panel().graph_mode(common.BigValueGraphMode.AREA).color_mode(common.BigValueColorMode.BACKGROUND)
    return _common(made.reduce_options(ReduceDataOptions().calcs(["lastNotNull"])), panel)


def _state(panel: Panel) -> Any:  # noqa: ANN401 - see _common
    return _common(statetimeline.Panel().show_value(common.VisibilityMode.NEVER), panel)


def _table(panel: Panel) -> Any:  # noqa: ANN401 - see _common
    return _common(table.Panel(), panel)


_BUILDERS: dict[Form, Callable[[Panel], Any]] = {
    "line": _lines,
    "stack": _lines,
    "stat": _stat,
    "state": _state,
    "table": _table,
}
