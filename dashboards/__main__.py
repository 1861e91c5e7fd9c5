"""`python -m dashboards FOLDER`: writes the JSON of each dashboard into a folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from dashboards.build import grafana_json
from dashboards.catalogue import DASHBOARDS


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description="Write the Grafana dashboards.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("configs/grafana/dashboards"))
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for spec in DASHBOARDS:
        (folder / f"{spec.uid}.json").write_text(grafana_json(spec), encoding="utf-8")
        print(folder / f"{spec.uid}.json")  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
