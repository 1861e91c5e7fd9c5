"""Calls that are drawn from the API's own description, right and wrong ones: each answer is as the description says."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from alertdrill.agent.api.table import ROUTES
from tests.support.served_agent import served

CASES = os.environ.get("ALERTDRILL_CASES", "5")
# A refusal may be right where the shape of a call is right, too: there is no such drill, or nothing to stop.
NOT_CHECKED = "positive_data_acceptance,not_a_server_error"


@pytest.mark.thorough
async def test_every_answer_is_as_described(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        program = Path(sys.executable).with_name("schemathesis")
        drawn = ("--phases", "examples,coverage,fuzzing", "--generation-deterministic", "--max-examples", CASES)
        process = await asyncio.create_subprocess_exec(
            *(program, "run", f"{one.url}/api/v1/openapi.json", "--exclude-path", "/api/v1/events", *drawn),
            *("--exclude-checks", NOT_CHECKED, "--no-color", "--request-timeout", "60"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    # Neither the stream nor the description itself.
    assert f"Tested: {len(ROUTES) - 2}" in said.decode()
    assert not any("failed" in line for line in one.told), one.told
