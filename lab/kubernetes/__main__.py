"""`python -m alertdrill.lab.kubernetes`: runs a control plane until Ctrl-C, to try things out."""

from __future__ import annotations

import asyncio
import contextlib
import sys

from alertdrill.lab.errors import LabError
from alertdrill.lab.kubernetes.control_plane import ControlPlane


async def _keep() -> None:
    async with ControlPlane() as plane:
        sys.stdout.write(f"kubeconfig   {plane.kubeconfig}\nAPI server   {plane.url}\n")
        sys.stdout.write(f"metrics      {plane.metrics_url}\nPress Ctrl-C to stop it.\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    """Run until interrupted; if programs are missing, print a line for each and exit."""
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_keep())
    except LabError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
