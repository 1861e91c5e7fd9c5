from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from benchmarks import nginx
from benchmarks.errors import BenchmarkError
from benchmarks.servers import ROOT, find, running

PROGRAM = """
import time
from functools import partial
from benchmarks import delaying_server
from benchmarks.servers import running
with running(partial(delaying_server.describe, 0)) as target:
    print(target.url, target.directory, flush=True)
    time.sleep(60)
"""


def ask(url: str, method: str) -> tuple[int, bytes]:
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
        connection.request(method, "/api/v1/transactions", body=b"{}" if method == "POST" else None)
        answer = connection.getresponse()
        return answer.status, answer.read()


def refuses(url: str) -> bool:
    try:
        ask(url, "GET")
    except OSError as error:
        return isinstance(error, ConnectionRefusedError)
    return False


def test_nothing_survives_a_killed_benchmark() -> None:
    benchmark = subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert benchmark.stdout is not None
    url, directory = benchmark.stdout.readline().split()
    os.kill(benchmark.pid, signal.SIGKILL)
    benchmark.wait()
    benchmark.stdout.close()
    deadline = time.monotonic() + 60
    # The folder may be deleted a moment before the kernel closes the sockets of the killed server.
    while (Path(directory).exists() or not refuses(url)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(directory).exists()
    assert refuses(url)


def test_a_missing_program_is_reported_with_its_package() -> None:
    with pytest.raises(BenchmarkError, match="no-such-server is missing, install it: apt-get install some-package"):
        find("no-such-server", "some-package")


@pytest.mark.skipif(not Path("/usr/sbin/nginx").exists(), reason="`make bench` installs nginx")
def test_nginx_answers_201_with_70_bytes_to_post_and_counts() -> None:
    with running(nginx.describe) as target:
        before = nginx.count_requests(target.url)
        for _ in range(3):
            status, body = ask(target.url, "POST")
            assert status == 201
            assert len(body) == 70
            assert json.loads(body)["status"] == "ok"
        assert ask(target.url, "GET")[0] == 405
        assert nginx.count_requests(target.url) - before - 1 == 4
