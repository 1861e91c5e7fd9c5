from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from alertdrill.agent.config.agent import read_agent_config
from alertdrill.agent.config.check import check
from alertdrill.agent.files import reserved, write_whole
from alertdrill.agent.recording.recording import SUFFIX

CONFIGS = Path(__file__).parents[3] / "configs"


def test_the_shipped_files_have_no_problem() -> None:
    findings = check([CONFIGS])
    assert findings.problems == []
    assert (len(findings.agents), len(findings.drills), len(findings.rules)) == (1, 9, 5)


def test_an_unknown_alert_is_reported_with_the_nearest_name(tmp_path: Path) -> None:
    shutil.copytree(CONFIGS, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "drills/database-latency.yml"
    path.write_text(path.read_text().replace("alert: HighResponseTime", "alert: HighResponseTimes"))
    (problem,) = check([tmp_path]).problems
    assert problem.startswith(f"{path}:17: expect[0].alert: ")
    assert problem.endswith("did you mean HighResponseTime?")


def test_invalid_promql_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text("groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: rate(x)\n")
    (problem,) = check([tmp_path]).problems
    assert problem.startswith(f"{path}:5: groups[0].rules[0].expr: is not PromQL")


def test_errors_of_several_files_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("drill: a\n")
    (tmp_path / "b.yml").write_text("groups: 3\n")
    problems = check([tmp_path, tmp_path / "c.yml"]).problems
    assert {problem.split(":")[0] for problem in problems} == {str(tmp_path / f"{name}.yml") for name in "abc"}


def test_a_drill_s_name_is_short_enough_for_its_files(tmp_path: Path) -> None:
    """A file's name has at most 255 bytes, also while it is written."""
    path = tmp_path / "drill.yml"
    path.write_text(f"load: {{rate: 1}}\ndrill: {'a' * 201}\n")
    (problem,) = check([tmp_path]).problems
    assert problem == f"{path}:2: drill: string should have at most 200 characters"
    path.write_text(f"load: {{rate: 1}}\ndrill: {'a' * 200}\n")
    assert check([tmp_path]).problems == []
    with reserved(tmp_path, 1) as space:
        name = path_of(tmp_path, "a" * 200)
        space.write(name, b"x")
        write_whole(name, b"y")
    assert name.read_bytes() == b"y"


def path_of(folder: Path, drill: str) -> Path:
    """Return the path of a recording of a drill."""
    return folder / f"{drill}-20260102T030405Z{SUFFIX}"


SERVING = """\
probe: {kind: tcp, url: "tcp://shop:80"}
prometheus: {url: "http://prometheus:9090"}
alertmanager: {url: "http://alertmanager:9093"}
toxiproxy: {url: "http://toxiproxy:8474"}
"""


@pytest.mark.parametrize("address", ["0.0.0.0:9095", "alertdrill:9095", "10.0.0.1:9095"])
def test_an_agent_that_others_can_reach_needs_a_credential(tmp_path: Path, address: str) -> None:
    path = tmp_path / "agent.yml"
    path.write_text(f"{SERVING}listen: {address}\n")
    (problem,) = check([tmp_path]).problems
    assert problem.startswith(f"{path}:5: listen: {address}: others can reach it without a credential: add ")
    assert "`webhook_token_file: FILE`" in problem
    assert "`webhook_basic_auth: {username: NAME, password_file: FILE}`" in problem
    (tmp_path / "token").write_text("hush\n")
    for credential in ("webhook_token_file: token", "webhook_basic_auth: {username: am, password_file: token}"):
        path.write_text(f"{SERVING}listen: {address}\n{credential}\n")
        assert check([tmp_path]).problems == []


def test_an_agent_listens_on_this_machine_alone_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "agent.yml"
    path.write_text(SERVING)
    assert read_agent_config(path).listen == "127.0.0.1:9095"
    assert read_agent_config(CONFIGS / "agent.yml").listen == "127.0.0.1:9095"


@pytest.mark.parametrize(
    ("credential", "says"),
    [
        ("webhook_token: ''", "webhook_token: is not a token"),
        ("webhook_token: two words", "webhook_token: is not a token"),
        ("webhook_token_file: missing", "webhook_token_file cannot be read"),
        ("webhook_basic_auth: {username: a}", "webhook_basic_auth.password: is missing"),
        ("webhook_basic_auth: {username: a, password: ''}", "webhook_basic_auth: password is empty"),
        (
            "webhook_token: a\nwebhook_basic_auth: {username: a, password: b}",
            "has both webhook_token and webhook_basic_auth, expected one of them",
        ),
    ],
)
def test_a_wrong_credential_of_webhooks_is_reported(tmp_path: Path, credential: str, says: str) -> None:
    path = tmp_path / "agent.yml"
    path.write_text(f"{SERVING}{credential}\n")
    (problem,) = check([tmp_path]).problems
    assert says in problem


@pytest.mark.parametrize("file", ["deployment.yml", "sidecar/config.yml"])
def test_the_pod_s_configuration_has_a_credential(tmp_path: Path, file: str) -> None:
    """Also in the shipped manifest, whose token is in a secret of the cluster."""
    manifest = (CONFIGS / "kubernetes" / file).read_text()
    config = next(one for one in yaml.safe_load_all(manifest) if one["kind"] == "ConfigMap")["data"]
    (tmp_path / "token").write_text("hush")
    for name, text in config.items():
        (tmp_path / name).write_text(text.replace("/etc/alertdrill-secrets/webhook-token", str(tmp_path / "token")))
    assert check([tmp_path]).problems == []
    read = read_agent_config(tmp_path / "agent.yml")
    assert (read.listen, read.webhook_credentials) == ("0.0.0.0:9095", ("Bearer hush",))


RESOURCE = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
spec:
  groups:
    - name: a
      rules:
        - alert: A
          expr: EXPR
"""


def test_a_prometheus_rule_is_checked_like_any_rule_file(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RESOURCE.replace("EXPR", "up == 0"))
    assert len(check([tmp_path]).rules) == 1
    path.write_text(RESOURCE.replace("EXPR", "rate(x)"))
    (problem,) = check([tmp_path]).problems
    assert problem.startswith(f"{path}:8: spec.groups[0].rules[0].expr: is not PromQL")


def test_a_wrong_web_yml_is_told_once_however_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agent.yml").write_text(f"{SERVING}web: {{config_file: web.yml}}\n")
    (tmp_path / "web.yml").write_text("basic_auth_users: {a: hash}\n")
    monkeypatch.chdir(tmp_path)
    for paths in ([Path()], [tmp_path], [Path("agent.yml")], [Path("web.yml")]):
        (problem,) = check(paths).problems
        assert "web.yml:1: basic_auth_users.a: " in problem


def test_the_files_of_ci_servers_in_a_folder_are_left_to_them(tmp_path: Path) -> None:
    names = [".github/workflows/alerts.yml", ".gitlab-ci.yml", "ci/shop.gitlab-ci.yml", "ci/action.yml"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("jobs: {a: {script: [ls]}}")
    (tmp_path / "rules.yml").write_text("groups: []")
    findings = check([tmp_path])
    assert (len(findings.rules), findings.problems) == (1, [])
    # A file that is named is read, whatever its name is.
    assert check([tmp_path / names[0]]).problems


def test_kpis_are_checked(tmp_path: Path) -> None:
    (tmp_path / "kpis.yml").write_text("kpis: [{kpi: a, series: b, objectiv: '< 1'}]\n")
    problems = check([tmp_path]).problems
    assert f"{tmp_path}/kpis.yml:1: kpis[0].objectiv: unknown key, did you mean objective?" in problems


ALONE = 'probe: {kind: tcp, url: "tcp://shop:80"}\nprometheus: {url: "http://prometheus:9090"}\n'
AT_A_PROXY = "faults: [{kind: latency, proxy: db, latency: 1s}]"
ADD_TOXIPROXY = 'has no `toxiproxy`: add the line `toxiproxy: {url: "http://HOST:8474"}` to it'
ADD_ALERTMANAGER = 'has no `alertmanager`: add the line `alertmanager: {url: "http://HOST:9093"}` to it'


@pytest.mark.parametrize(
    ("agent", "drill", "says"),
    [
        ("", "faults: [{kind: postgres, action: lock, url: 'postgresql://db/shop', table: a}]", []),
        ("", "expect: [{alert: Slow}]", []),
        ("", AT_A_PROXY, [f"the fault latency acts on a proxy, and agent.yml {ADD_TOXIPROXY}"]),
        ("", "expect: [{alert: Slow, receiver: a/b}]", [
            f"the expectation of Slow names a receiver, and agent.yml {ADD_ALERTMANAGER}"
        ]),
        ("", "silence_others: true", [f"silence_others sets a silence, and agent.yml {ADD_ALERTMANAGER}"]),
        ("guards: {known_silences: [me]}", "expect: []", [
            f"guards.known_silences looks at the silences, and agent.yml {ADD_ALERTMANAGER}"
        ]),
        ("toxiproxy: {url: 'http://a:1'}", AT_A_PROXY, []),
    ],
)  # fmt: skip
def test_a_server_is_needed_only_by_the_drills_that_use_it(
    tmp_path: Path, agent: str, drill: str, says: list[str]
) -> None:
    (tmp_path / "agent.yml").write_text(f"{ALONE}{agent}\n")
    path = tmp_path / "drill.yml"
    path.write_text(f"drill: a\nload: {{rate: 1}}\n{drill}\n")
    assert check([tmp_path]).problems == [f"{path}:1: drill: drill a: {one}" for one in says]


def test_a_drill_of_the_schedule_names_its_missing_server_once(tmp_path: Path) -> None:
    entry = "{name: weekly, drills: [drill.yml], cron: '@daily'}"
    (tmp_path / "agent.yml").write_text(f"{ALONE}schedule: {{time_zone: UTC, entries: [{entry}]}}\n")
    (tmp_path / "drill.yml").write_text(f"drill: a\nload: {{rate: 1}}\n{AT_A_PROXY}\n")
    (problem,) = check([tmp_path]).problems
    assert problem.endswith(ADD_TOXIPROXY)


def test_one_of_several_configurations_is_enough_for_a_drill(tmp_path: Path) -> None:
    (tmp_path / "agent.yml").write_text(ALONE)
    (tmp_path / "staging.yml").write_text(SERVING)
    (tmp_path / "drill.yml").write_text(f"drill: a\nload: {{rate: 1}}\n{AT_A_PROXY}\n")
    assert check([tmp_path]).problems == []


POSTGRES = "kind: postgres, action: lock, url: 'postgresql://db/shop', table: a"
CALL = "kind: http, begin: {url: 'http://a/on', body_file: body.json}, end: {url: 'http://a/off'}"


@pytest.mark.parametrize(
    ("agent", "fault", "place", "says"),
    [
        ("", f"{POSTGRES}, password_file: secret", "drill.yml:3: faults[0].password_file", "/secret cannot be read: No such"),
        ("", CALL, "drill.yml:3: faults[0].begin.body_file", "/body.json cannot be read: No such"),
        ("password_files: {'db:5432': secret}", POSTGRES, "agent.yml:3: password_files.db:5432", "/secret cannot be read"),
        ("guards: {forbidden: ['*db*']}", POSTGRES, "drill.yml:3: faults[0]", "is forbidden by guards.forbidden: '*db*'"),
        ("", "kind: postgres, action: kill, backends: {user: a}, url: 'postgresql://db/shop'", "drill.yml:3: faults[0]",
         "needs `allow: kill db:5432` in the drill's fault, it has none"),
        ("", "kind: kill_pods, namespace: shop, selector: app=a", "drill.yml:3: faults[0]", "no cluster is open to drills"),
    ],
)  # fmt: skip
def test_what_a_dry_run_finds_without_servers_is_found(
    tmp_path: Path, agent: str, fault: str, place: str, says: str
) -> None:
    (tmp_path / "agent.yml").write_text(f"{ALONE}{agent}\n")
    (tmp_path / "drill.yml").write_text(f"drill: a\nload: {{rate: 1}}\nfaults: [{{{fault}}}]\n")
    (problem,) = check([tmp_path]).problems
    assert problem.startswith(f"{tmp_path}/{place}: ")
    assert says in problem


def test_too_many_faults_at_once_are_found(tmp_path: Path) -> None:
    (tmp_path / "agent.yml").write_text(f"{SERVING}guards: {{most_faults: 1}}\n")
    faults = "[{kind: latency, proxy: a, latency: 1s}, {kind: latency, proxy: b, latency: 1s}]"
    (tmp_path / "drill.yml").write_text(f"drill: a\nload: {{rate: 1}}\nfaults: {faults}\n")
    (problem,) = check([tmp_path]).problems
    assert problem == f"{tmp_path}/drill.yml:3: faults: 2 faults at once, guards.most_faults allows 1"


def test_a_secret_that_is_there_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    (tmp_path / "drill.yml").write_text(
        f"drill: a\nload: {{rate: 1}}\nfaults: [{{{POSTGRES}, password_file: secret}}]\n"
    )
    assert check([tmp_path]).problems == []
