"""`python -m dashboards.draw --prometheus http://…`: draws each dashboard as an HTML page, without Grafana."""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

import aiohttp

from dashboards.catalogue import DASHBOARDS
from dashboards.panel import Dashboard
from dashboards.picture import html_page
from dashboards.prometheus_queries import QueryRunner, TimeRange

_POINTS = 240


def main() -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(
        prog="python -m dashboards.draw", description="Draw the dashboards without Grafana."
    )
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--seconds", type=float, default=120.0, help="how far to look back")
    parser.add_argument(
        "--time-scale", type=float, default=1.0, help="the lab's time scale, which divides the ranges of queries"
    )
    parser.add_argument("--output", type=Path, default=Path("pictures"), metavar="FOLDER")
    asyncio.run(_draw(parser.parse_args()))


async def _draw(options: argparse.Namespace) -> None:
    now = time.time()
    span = TimeRange(now - options.seconds, now, max(options.seconds / _POINTS, 0.1))
    async with aiohttp.ClientSession() as session:
        runner = QueryRunner(session, options.prometheus, options.time_scale)
        for spec in DASHBOARDS:
            _write(options.output / f"{spec.uid}.html", await _page(runner, spec, span))


def _write(path: Path, page: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    print(path)  # noqa: T201 - the command's output


async def _page(runner: QueryRunner, spec: Dashboard, span: TimeRange) -> str:
    return html_page(spec, {panel.title: await runner.panel(panel, spec, span) for panel in spec.panels})


if __name__ == "__main__":
    main()
