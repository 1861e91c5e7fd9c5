"""Mistakes against security that were made once, and that no linter looks for: none is in the code again.

Each rule is shown to catch its mistake, and each exception has its reason. A function that is too long is the one
mistake that is not against security.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PRODUCT = ("agent", "chaos", "probes", "units")
_SECRET = re.compile(r"(^|_)(token|secret|password|credential|signature|authorization|digest|hmac)s?($|_)")
Node = ast.Call | ast.Compare | ast.ExceptHandler | ast.Attribute
_BROAD = {"Exception", "BaseException"}


@dataclass(frozen=True)
class Rule:
    """What is a mistake, where it is looked for, and a sample of it; `but` are files that may, each with its reason."""

    says: str
    finds: Callable[[ast.AST], bool]
    sample: str
    right: str
    where: tuple[str, ...] = PRODUCT
    but: dict[str, str] = field(default_factory=dict)


def name(node: ast.AST | None) -> str:
    """Return the dotted name of an expression; empty if it is none."""
    match node:
        case ast.Name(id=text):
            return text
        case ast.Attribute(value=of, attr=text):
            return f"{name(of)}.{text}" if name(of) else f".{text}"
    return ""


def calls(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and name(node.func) in names


def keyword(call: ast.Call, called: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg == called), None)


def reads_yaml(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and bool(re.fullmatch(r"yaml\.\w*(load|compose|parse|scan)\w*", name(node.func)))


def reads_json(node: ast.AST) -> bool:
    return calls(node, "json.loads", "json.load")


def writes_for_others(node: ast.AST) -> bool:
    """Whether a file is written with the mode that the umask leaves, which lets others read it."""
    if not isinstance(node, ast.Call):
        return False
    called = name(node.func)
    if called == "os.open":
        return len(node.args) > 2 and ast.unparse(node.args[2]) != "384"
    if called.endswith((".write_text", ".write_bytes")):
        return True
    at = 1 if called in {"open", "gzip.open"} else 0
    mode = keyword(node, "mode") or next(iter(node.args[at : at + 1]), None)
    is_open = called in {"open", "gzip.open"} or called.endswith(".open")
    writes = isinstance(mode, ast.Constant) and isinstance(mode.value, str) and bool(set(mode.value) & set("wax"))
    return is_open and writes and name(keyword(node, "opener")) != "private"


def starts_a_shell(node: ast.AST) -> bool:
    if calls(node, "os.system", "os.popen", "subprocess.getoutput", "asyncio.create_subprocess_shell"):
        return True
    shell = keyword(node, "shell") if isinstance(node, ast.Call) else None
    return shell is not None and not (isinstance(shell, ast.Constant) and shell.value is False)


def compares_a_secret(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare) or not any(isinstance(one, ast.Eq | ast.NotEq) for one in node.ops):
        return False
    sides = [node.left, *node.comparators]
    return not any(isinstance(one, ast.Constant) for one in sides) and any(
        _SECRET.search(name(one).rpartition(".")[2].lower()) for one in sides
    )


def hides_errors(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        is_broad = any(kind is None or name(kind) in _BROAD for kind in kinds)
        return is_broad and all(isinstance(one, ast.Pass | ast.Continue | ast.Break) for one in node.body)
    if calls(node, "suppress", "contextlib.suppress"):
        assert isinstance(node, ast.Call)
        return any(name(one) in _BROAD for one in node.args)
    return False


def shows_what_was_refused(node: ast.AST) -> bool:
    """Whether the text of pydantic's error is used, which repeats the value that was refused."""
    if not isinstance(node, ast.ExceptHandler) or node.name is None or node.type is None:
        return False
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    if not any(name(kind).rpartition(".")[2] == "ValidationError" for kind in kinds):
        return False
    return any(_is_text_of(one, node.name) for line in node.body for one in ast.walk(line))


def _is_text_of(node: ast.AST, error: str) -> bool:
    if isinstance(node, ast.FormattedValue):
        return name(node.value) == error
    return calls(node, "str", "repr", "one_line", "print") and any(
        name(one) == error for one in getattr(node, "args", ())
    )


def starts_with_all_variables(node: ast.AST) -> bool:
    started = calls(node, "subprocess.Popen", "subprocess.run", "asyncio.create_subprocess_exec")
    return started and isinstance(node, ast.Call) and keyword(node, "env") is None


def trusts_every_certificate(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in {"CERT_NONE", "_create_unverified_context"}
    return isinstance(node, ast.Call) and any(
        one.arg in {"ssl", "verify_ssl", "verify"} and isinstance(one.value, ast.Constant) and one.value.value is False
        for one in node.keywords
    )


RULES = {
    "yaml": Rule(
        "YAML is read by units.yaml_text, which has limits and makes no objects",
        reads_yaml,
        sample="import yaml\nvalues = yaml.safe_load(text)",
        right="values = yaml_text.load(text)",
        but={"units/yaml_text.py": "it is the reader"},
    ),
    "json": Rule(
        "JSON is read by units.json_text, which has a limit of values",
        reads_json,
        sample="import json\nvalues = json.loads(body)",
        right="values = json_text.parse(body, 1000)",
        but={
            "units/json_text.py": "it is the reader",
            "agent/drilling/lock.py": "it reads 1 KiB",
            "agent/serving/webhook.py": "it has limits of its own, and refuses NaN",
            "chaos/safety/ledger_files.py": "it reads 4 MiB, and only this user's own files",
            "chaos/safety/watchdog.py": "it reads an argument that its own agent wrote",
        },
    ),
    "file": Rule(
        "what is written is for this user alone: agent.files, or mode 0600",
        writes_for_others,
        sample='path = folder / "a"\npath.open("w").write(text)',
        right='file = open(path, "w", opener=private)\nos.open(path, os.O_CREAT, 0o600)\npath.open("rb")',
        but={
            "agent/drilling/lock.py": "agents of all users take the same lock",
            "agent/loading/reports.py": "it writes there to pipes, and an empty file",
            "chaos/machine/memory.py": "it writes to /proc",
        },
    ),
    "shell": Rule(
        "a program is started from a list of words, and not by a shell",
        starts_a_shell,
        sample="import subprocess\nsubprocess.run(command, shell=True, env={})",
        right="subprocess.run([command], shell=False, env={})",
        where=(*PRODUCT, "lab", "dashboards", "benchmarks", "tools"),
    ),
    "comparison": Rule(
        "a secret is compared in constant time: hmac.compare_digest",
        compares_a_secret,
        sample="given = read()\nok = given == self.webhook_token",
        right='if token != "":\n    admit(hmac.compare_digest(given, token))',
        where=(*PRODUCT, "lab"),
        but={"lab/engine/service.py": "the digest of a payment is no secret"},
    ),
    "errors": Rule(
        "an unexpected error is told or raised, never hidden",
        hides_errors,
        sample="try: undo()\nexcept Exception: pass",
        right="try: undo()\nexcept Exception: report()",
        where=(*PRODUCT, "lab", "dashboards", "tools"),
        but={
            "agent/drilling/conductor.py": "the drill's own error is raised after it",
            "units/shielding.py": "it is raised at the end",
        },
    ),
    "refused value": Rule(
        "pydantic's error is told without the value that it repeats: error.errors()",
        shows_what_was_refused,
        sample='try: read()\nexcept ValidationError as error: raise ConfigError(f"wrong: {error}")',
        right='try: read()\nexcept ValidationError as error: raise ConfigError(error.errors()[0]["msg"])',
        where=(*PRODUCT, "lab"),
    ),
    "environment": Rule(
        "a program of a fault is told which variables it gets, because some load code",
        starts_with_all_variables,
        sample="import subprocess\nsubprocess.Popen([program])",
        right="subprocess.Popen([program], env=own_environment())",
        where=("chaos",),
    ),
    "certificate": Rule(
        "certificates are checked, unless the user's file says otherwise",
        trusts_every_certificate,
        sample="import ssl\ncontext.verify_mode = ssl.CERT_NONE",
        right="context = ssl.create_default_context()",
        but={"units/tls.py": "the user's file says insecure_skip_verify"},
    ),
}


def nodes(text: str) -> list[Node]:
    """Return the parts of a text that a rule may look at."""
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, Node)]


def mistakes(rule: Rule, text: str) -> list[int]:
    """Return the lines of a text that break a rule."""
    return [node.lineno for node in nodes(text) if rule.finds(node)]


@cache
def tree(folder: str) -> dict[str, list[Node]]:
    """Return the files below a folder of the project, read only once for all rules."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    return {str(path.relative_to(ROOT)): nodes(path.read_text(encoding="utf-8")) for path in paths}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    files = {path: found for folder in rule.where for path, found in tree(folder).items()}
    broken = {path: [one.lineno for one in found if rule.finds(one)] for path, found in files.items()}
    assert {path: lines for path, lines in broken.items() if lines and path not in rule.but} == {}, rule.says
    # An exception for nothing would hide the next mistake.
    assert [path for path in rule.but if not broken[path]] == []


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_rule_catches_its_mistake_and_not_what_is_right(rule: Rule) -> None:
    assert mistakes(rule, rule.sample) == [2]
    assert mistakes(rule, rule.right) == []


@pytest.mark.parametrize(
    ("rule", "sample"),
    [
        ("yaml", "yaml.load_all(text, Loader=Loader)"),
        ("json", "json.load(file)"),
        ("file", 'open(path, mode="ab")'),
        ("file", 'gzip.open(path, "wb")'),
        ("file", "os.open(path, os.O_CREAT, 0o644)"),
        ("file", "path.write_bytes(content)"),
        ("shell", "os.system(command)"),
        ("comparison", "ok = entry.signature != signed"),
        ("errors", "with suppress(OSError, BaseException): undo()"),
        ("errors", "try: undo()\nexcept: pass"),
        ("refused value", "try: read()\nexcept pydantic.ValidationError as error: tell(one_line(error))"),
        ("certificate", "session.get(url, ssl=False)"),
    ],
)
def test_the_rule_catches_other_spellings(rule: str, sample: str) -> None:
    assert len(mistakes(RULES[rule], sample)) == 1


MOST_LINES = 45


def long_functions(text: str) -> list[str]:
    """Return the names of the functions of a text that are too long; decorators do not count."""
    functions = (one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return [one.name for one in functions if (one.end_lineno or 0) - one.lineno + 1 > MOST_LINES]


def test_no_function_is_too_long() -> None:
    paths = (path for folder in (*PRODUCT, "lab", "dashboards") for path in (ROOT / folder).rglob("*.py"))
    found = {str(path.relative_to(ROOT)): long_functions(path.read_text(encoding="utf-8")) for path in paths}
    assert "agent/cli.py" in found
    assert {path: names for path, names in found.items() if names} == {}, f"a function has at most {MOST_LINES} lines"


def test_a_function_that_is_too_long_is_found() -> None:
    body = "    a = 1\n" * MOST_LINES
    text = f"def short():\n{body[10:]}@decorated\nasync def long():\n{body}class A:\n  def same(self):\n{body}"
    assert long_functions(text) == ["long", "same"]
