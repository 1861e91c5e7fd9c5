"""`alertdrill probe` with a mix, in several processes."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from alertdrill.lab.ports import free_ports

ROOT = Path(__file__).parents[3]
FILE = """\
probe:
  kind: mix
  seed: 1
  of:
    - {weight: 3, probe: {kind: http, name: order, url: "http://SHOP/orders/{{ number }}", data: {number: {kind: sequence}}}}
    - {weight: 1, probe: {kind: tcp, name: gone, url: "tcp://NOBODY"}}
load: {rate: 200, duration: 1s}
thresholds:
  http_req_failed{name:order}: [rate<0.01]
  http_req_failed{name:gone}: [rate<0.01]
"""


async def test_parts_are_judged_by_name_and_workers_share_their_data(tmp_path: Path) -> None:
    numbers: list[int] = []

    async def take(request: web.Request) -> web.Response:
        numbers.append(int(request.match_info["number"]))
        return web.Response()

    app = web.Application()
    app.router.add_get("/orders/{number}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    shop = "{}:{}".format(*runner.addresses[0][:2])
    path, summary = tmp_path / "probe.yml", tmp_path / "summary.json"
    path.write_text(FILE.replace("SHOP", shop).replace("NOBODY", f"127.0.0.1:{free_ports(1)[0]}"))
    for _ in range(3):
        numbers.clear()
        code = await _probe(path, "--workers", "2", "--summary-export", str(summary))
        metrics = json.loads(summary.read_text())["metrics"]
        if "dropped_iterations" not in metrics:
            # The machine let it be sent in time.
            break
    await runner.cleanup()
    order, gone = metrics["http_reqs{name:order}"]["count"], metrics["http_reqs{name:gone}"]["count"]
    assert (order + gone, metrics["iterations"]["count"]) == (200, 200)
    assert 110 < order < 190
    assert metrics["http_req_failed{name:order}"]["thresholds"] == {"rate<0.01": False}
    assert metrics["http_req_failed{name:gone}"]["thresholds"] == {"rate<0.01": True}
    assert code == 99
    # Each worker has its own share of the data: no value comes twice.
    assert len(set(numbers)) == len(numbers) == order


async def _probe(*arguments: Any) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alertdrill", "probe", *map(str, arguments), cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(120):
        return await process.wait()
