from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
import yaml

from alertdrill.units import yaml_text
from alertdrill.units.yaml_text import YamlRefused

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 12)
)
MERGED = "a0: &a0 {a: 1, b: 2}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 12)
)
BEYOND_A_LIMIT = {
    "aliases that multiply": (LAUGHS, 6, "its aliases stand for more than 100,000 values"),
    "merged mappings that multiply": (MERGED, 6, "its aliases stand for more than 100,000 values"),
    "an alias inside the node that it refers to": (
        "drill: x\nload: &a {q: *a}\n",
        2,
        "the alias *a is inside the node that it refers to",
    ),
    "an alias of nothing": ("drill: *a\n", 1, "the alias *a has no anchor above it"),
    "brackets without end": ("drill: x\nload: " + "[" * 50_000, 2, "is nested more than 100 deep"),
    "lists within lists": ("drill: x\nload:\n  " + "- " * 50_000 + "x", 3, "is nested more than 100 deep"),
    "a number of a million digits": (f"a: {'9' * 1_000_000}\n", 1, "a number or date of more than 500 characters"),
    "a number of ten thousand parts": (f"a: 1{':59' * 10_000}\n", 1, "a number or date of more than 500 characters"),
    "a million values": ("- a\n" * 1_000_000, 500_000, "holds more than 500,000 values"),
    "too many bytes": ("a: " + "x" * 2**24, None, "is larger than 16 MiB"),
}


@pytest.mark.parametrize(("text", "line", "problem"), BEYOND_A_LIMIT.values(), ids=BEYOND_A_LIMIT)
def test_a_limit_is_one_problem_at_its_line(text: str, line: int | None, problem: str) -> None:
    with pytest.raises(YamlRefused) as refused:
        yaml_text.load_all(text)
    assert (refused.value.line, refused.value.problem) == (line, problem)


@pytest.mark.parametrize("text", [LAUGHS, MERGED, "x: " + "[" * 1_000_000, "x: " + "{a: " * 1_000_000])
def test_a_bomb_takes_neither_time_nor_memory(text: str) -> None:
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(YamlRefused):
        yaml_text.load_all(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - started < 2
    assert peak < 16 * 2**20


SHIPPED = sorted((Path(__file__).parents[2] / "configs").rglob("*.yml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_values_are_those_of_pyyaml(path: Path) -> None:
    text = path.read_text()
    assert yaml_text.load_all(text) == [one for one in yaml.safe_load_all(text) if one is not None]


ODD = [
    "a: 1\nb: 0x1f\nc: 1_000\nd: 1e3\ne: .5\nf: .inf\ng: 190:20\nh: 0o17\n",
    "a: yes\nb: 'yes'\nc: !!str yes\nd: ~\ne:\nf: null\ng: ''\n",
    "a: 2001-12-14\nb: 2001-12-14t21:59:43.10-05:00\n",
    "a: |\n  x\n  y\nb: >-\n  x\n  y\n",
    "base: &b {x: 1}\nother: {<<: *b, y: 2}\nlist: [*b, *b]\n",
    "? [1]\n: 2\n".replace("[1]", "1"),
    "--- 1\n--- {a: b}\n...\n---\n",
    "!!binary aGVsbG8=\n",
    "!!set {a, b}\n",
    "",
    "# nothing\n",
]


@pytest.mark.parametrize("text", ODD)
def test_odd_values_are_those_of_pyyaml(text: str) -> None:
    assert yaml_text.load_all(text) == [one for one in yaml.safe_load_all(text) if one is not None]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_lines_are_those_of_pyyaml(path: Path) -> None:
    text = path.read_text()
    expected = [list(_lines(node)) for node in yaml.compose_all(text, Loader=yaml.SafeLoader)]
    assert [list(_lines(node)) for node in yaml_text.compose(text)] == expected


def _lines(node: yaml.Node) -> list[tuple[str, int]]:
    below = [(node.tag, node.start_mark.line)]
    match node:
        case yaml.MappingNode():
            return below + [line for pair in node.value for one in pair for line in _lines(one)]
        case yaml.SequenceNode():
            return below + [line for one in node.value for line in _lines(one)]
    return below


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: 1\nb: \xff", "line 2: is not UTF-8 text"),
        ("ä: 1\nü: ö\nb: \0\nc: 1".encode(), "line 3: is not YAML: the character #x0000: control characters"),
        (b"a: !!python/name:os.system ''", "is not YAML"),
        (b"a: !!timestamp 'now'", "cannot be read"),
        (b"a: !!int ''", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "a.yml"
    path.write_bytes(content)
    with pytest.raises(YamlRefused, match=problem):
        yaml_text.load_all(yaml_text.read_text(path))
