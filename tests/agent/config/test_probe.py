from __future__ import annotations

from pathlib import Path

import pytest

from alertdrill.agent.config.agent import as_yaml, read_agent_config
from alertdrill.agent.config.probe import read_probe_file
from alertdrill.agent.errors import ConfigError
from alertdrill.probes.mix import MixProbe

SERVERS = """\
prometheus: {url: "http://p"}
alertmanager: {url: "http://a"}
toxiproxy: {url: "http://t"}
"""
MIX = """\
probe:
  kind: mix
  of:
    - weight: 3
      probe:
        kind: http
        name: pay
        url: http://shop/pay
        tls: {insecure_skip_verify: true}
    - probe:
        kind: tls
        url: tls://shop
thresholds:
  http_req_failed{name:pay}: [rate<0.01]
  http_reqs{name:tls}: [count>0]
  checks{check:status is 2xx}: [rate>0.9]
  checks{check:certificate is valid for more than 14d}: [rate>0.9]
"""


def problems(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "probe.yml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_probe_file(path)
    return [problem.removeprefix(f"{path}:") for problem in error.value.problems]


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        ("kind: postgras", "3: probe.kind: unknown kind 'postgras', did you mean postgres? (known: "),
        (
            "kind: smtp",
            "3: probe.kind: unknown kind 'smtp', expected one of: 'dns', 'http', 'postgres', 'redis', 'tcp'",
        ),
        ("name: x", "2: probe.kind: kind is missing, expected one of: 'dns', 'http'"),
        ("kind: tcp", "2: probe.url: is missing"),
        ("{kind: http, url: 'http://a', jsn: x}", "3: probe.jsn: unknown key, did you mean json?"),
        ("{kind: tcp, url: 'tcp://a:1', sned: x}", "3: probe.sned: unknown key, did you mean send?"),
        ("{kind: tls, url: 'tls://a', ca_flie: x}", "3: probe.ca_flie: unknown key, did you mean ca_file?"),
        (
            "{kind: tcp, url: 'tcp://a:1', tls: {ca_flie: x}}",
            "3: probe.tls.ca_flie: unknown key, did you mean ca_file?",
        ),
        ("{kind: redis, url: 'http://a'}", "3: probe.url: 'http://a' is not a URL of this kind, expected redis://host"),
        ("{kind: redis, url: 'redis://a', tls: {}}", "2: probe: has tls for a plain url, expected rediss://"),
        ("{kind: redis, url: 'redis://a', reply: [1]}", "3: probe.reply.equals: [1] is a list, expected a text"),
        ("{kind: dns, resolve: a, timeout: 3}", "3: probe.timeout: 3 has no unit, expected a duration such as"),
        ("{kind: http, url: 'http://a', body: x, json: x}", "2: probe: has both json and body, expected one of them"),
        ("{kind: http, url: 'http://a/{{ b }}'}", "2: probe: unknown name {{ b }}"),
        (
            "{kind: http, url: 'http://a', data: {n: {kind: choice, of: [[1]]}}}",
            "3: probe.data.n.of[0]: [1] is a list, expected a text",
        ),
    ],
)
def test_an_error_names_line_path_and_what_was_expected(tmp_path: Path, probe: str, expected: str) -> None:
    (problem,) = problems(tmp_path, f"# a probe\nprobe:\n  {probe}\n")
    assert problem.startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: tls", "kind: tsl", "11: probe.of[1].probe.kind: unknown kind 'tsl', did you mean tls?"),
        ("kind: tls", "kind: mix", "10: probe.of[1].probe: is a mix within a mix, expected its parts here"),
        ("url: tls", "ulr: tls", "12: probe.of[1].probe.ulr: unknown key, did you mean url?"),
        ("{insecure_skip", "{insecur_skip", "9: probe.of[0].probe.tls.insecur_skip_verify: unknown key, did you mean"),
        ("weight: 3", "weight: 0", "4: probe.of[0].weight: input should be greater than 0"),
        ("weight: 3", "wieght: 3", "4: probe.of[0].wieght: unknown key, did you mean weight?"),
        ("name: pay", "name: tls", "1: probe: two parts are named 'tls', expected a name of its own for each"),
        (
            "failed{name:pay}",
            "failed{name:pya}",
            "thresholds.http_req_failed{name:pya}: no name 'pya' in this load, did",
        ),
        ("check:status is 2xx", "check:status", "no check 'status' in this load, did you mean status is 2xx?"),
    ],
)
def test_an_error_in_a_mix_names_the_part(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert any(expected in problem for problem in problems(tmp_path, MIX.replace(old, new, 1)))


def test_thresholds_know_the_names_and_checks_of_all_parts(tmp_path: Path) -> None:
    path = tmp_path / "probe.yml"
    path.write_text(MIX)
    read = read_probe_file(path)
    assert [request.name for request in read.probe.counted] == ["pay", "tls"]
    assert len(read.thresholds) == 4


def test_an_unknown_kind_in_agent_yml_is_reported_in_the_same_way(tmp_path: Path) -> None:
    path = tmp_path / "agent.yml"
    path.write_text(f"{SERVERS}probe:\n  kind: rediss\n")
    with pytest.raises(ConfigError) as error:
        read_agent_config(path)
    (problem,) = error.value.problems
    assert problem.startswith(f"{path}:5: probe.kind: unknown kind 'rediss', did you mean redis? (known: 'dns', ")


def test_an_error_in_the_file_that_agent_yml_names_has_that_files_line(tmp_path: Path) -> None:
    path = tmp_path / "agent.yml"
    path.write_text(f"{SERVERS}probe: probe.yml\n")
    (tmp_path / "probe.yml").write_text("probe:\n  kind: tpc\n")
    with pytest.raises(ConfigError) as error:
        read_agent_config(path)
    (problem,) = error.value.problems
    assert problem.startswith(
        f"{path}:4: probe: {tmp_path / 'probe.yml'}:2: probe.kind: unknown kind 'tpc', did you mean tcp?"
    )


def test_a_mix_of_every_kind_can_be_relocated_and_dumped(tmp_path: Path) -> None:
    path = tmp_path / "agent.yml"
    path.write_text(
        SERVERS
        + """\
probe:
  kind: mix
  of:
    - {probe: {kind: http, url: "http://shop:80/pay"}}
    - {probe: {kind: postgres, url: "postgresql://me@db:5432/shop", password: hush, value: {at_most: 3}}}
    - {probe: {kind: redis, url: "redis://cache:6379/1", reply: PONG}}
    - {probe: {kind: tcp, url: "tcp://db:5432", tls: {}, timeout: 1s}}
    - {probe: {kind: tls, url: "tls://shop:80", expires_within: 2w}}
    - {probe: {kind: http, name: without a port, url: "http://shop/pay"}}
    - {probe: {kind: http, name: another port, url: "http://shop:81/pay"}}
    - {probe: {kind: dns, resolve: shop, addresses: [10.0.0.1]}}
"""
    )
    read = read_agent_config(path)
    moved = read.relocated({"shop:80": "127.0.0.1:1", "db:5432": "127.0.0.1:2", "cache:6379": "127.0.0.1:3"})
    assert isinstance(moved.probe, MixProbe)
    assert [getattr(part.probe, "url", "") for part in moved.probe.of] == [
        "http://127.0.0.1:1/pay",
        "postgresql://me@127.0.0.1:2/shop",
        "redis://127.0.0.1:3/1",
        "tcp://127.0.0.1:2",
        "tls://127.0.0.1:1",
        "http://127.0.0.1:1/pay",
        "http://shop:81/pay",
        "",
    ]
    path.write_text(as_yaml(moved))
    assert read_agent_config(path) == moved
