"""The server for all clients: nginx with one worker, on its own port and with its own configuration."""

from __future__ import annotations

import re
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from alertdrill.lab.server import Spec
from benchmarks.servers import find

ANSWER = '{"transactionId":"00000000-0000-4000-8000-000000000000","status":"ok"}'
COUNTER = "/requests"

# Every path is relative to the folder given with -p, because nginx's default paths belong to the installed service.
_CONFIGURATION = """\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    default_type application/json;
    server {{
        listen 127.0.0.1:{port} backlog=8192;
        location = {counter} {{ stub_status; }}
        location / {{
            if ($request_method != POST) {{ return 405; }}
            return 201 '{answer}';
        }}
    }}
}}
"""


def describe(directory: Path, port: int) -> Spec:
    """Describe how to start nginx on a loopback port; it answers every POST with 201 and 70 bytes of JSON."""
    configuration = directory / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(port=port, counter=COUNTER, answer=ANSWER), encoding="ascii")
    command = [str(find("nginx", "nginx-light")), "-p", str(directory), "-c", str(configuration), "-e", "stderr"]
    # SIGTERM: if the master process is killed, its worker stays.
    return Spec("nginx", command, port, health=COUNTER, death_signal="TERM")


def count_requests(url: str) -> int:
    """Return how many requests nginx received before this one: a count that does not rely on the client."""
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=60.0)) as connection:
        connection.request("GET", COUNTER)
        text = connection.getresponse().read().decode("ascii")
    counted = re.search(r"^ \d+ \d+ (\d+) $", text, re.MULTILINE)
    assert counted is not None, text  # noqa: S101 - the page has had this form for twenty years
    return int(counted[1]) - 1


def version() -> str:
    """Return nginx's version."""
    command = [str(find("nginx", "nginx-light")), "-v"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return output.strip().removeprefix("nginx version: nginx/")
