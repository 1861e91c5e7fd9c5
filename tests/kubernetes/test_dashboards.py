"""Every dashboard query on metrics of Kubernetes has data."""

from __future__ import annotations

from pathlib import Path

import aiohttp

from alertdrill.lab.kubernetes.control_plane import ControlPlane
from dashboards.catalogue import DASHBOARDS
from tests.support import monitoring_servers
from tests.support.cluster import Shop
from tests.support.monitoring_servers import Configuration
from tests.support.waiting import until

QUERIES = [
    query.expr for spec in DASHBOARDS for panel in spec.panels for query in panel.queries if "kube_" in query.expr
]


async def test_each_query_on_a_cluster_has_data(control_plane: ControlPlane, shop: Shop, tmp_path: Path) -> None:
    await shop.deploy()
    assert QUERIES
    target = {
        "job_name": "kube-state-metrics",
        "static_configs": [{"targets": [control_plane.metrics_url.split("/")[2]]}],
    }
    told = Configuration(scrape_configs=[target])
    async with monitoring_servers.find("old").started(tmp_path, told) as started, aiohttp.ClientSession() as session:

        async def has_data(expr: str) -> bool:
            async with session.get(f"{started.prometheus.url}/api/v1/query", params={"query": expr}) as answer:
                return bool((await answer.json())["data"]["result"])

        for expr in QUERIES:
            await until(lambda expr=expr: has_data(expr), f"{expr} has data")  # type: ignore[misc]
