"""Runbooks: the last part of an alert's `runbook_url` is the name of its page.

`https://wiki.your.org/runbooks/HighErrorRate` is `HighErrorRate.md` in a folder `runbooks`, wherever it is published.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from alertdrill.agent.config.rules import AnyRuleFile, is_resource
from alertdrill.agent.config.yaml_source import Source

FOLDER = "runbooks"
ANNOTATION = "runbook_url"


def name(url: str) -> str:
    """Return the name of the page of a URL; empty where it has none."""
    try:
        last = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    except ValueError:
        return ""
    return unquote(last).removesuffix(".md")


def page(folder: Path, url: str) -> Path | None:
    """Find the page of a URL, None where there is no such file."""
    found = folder / f"{name(url)}.md"
    # An escaped `../` in the URL would lead out of the folder.
    return found if found.parent == folder and found.name != "README.md" and found.is_file() else None


def beside(path: Path) -> Path | None:
    """Find the folder of runbooks for a file: beside the file, or beside the file's folder."""
    places = (path.parent / FOLDER, path.parent.parent / FOLDER)
    return next((place for place in places if place.is_dir()), None)


def problems(source: Source, rules: AnyRuleFile) -> Iterator[str]:
    """Yield a problem for each alert without a page; none if no folder of runbooks is beside the rule file."""
    folder = beside(source.path)
    if folder is None:
        return
    prefix: tuple[str, ...] = ("spec", "groups") if is_resource(source) else ("groups",)
    for number, group in enumerate(rules.groups):
        for index, rule in enumerate(group.rules):
            loc: tuple[str | int, ...] = (*prefix, number, "rules", index)
            url = rule.annotations.get(ANNOTATION)
            if rule.alert is None or (url is not None and is_template(url)):
                continue
            if url is None:
                text = f"has no {ANNOTATION}, expected one that ends in /{rule.alert}, for {folder / rule.alert}.md"
                yield source.problem((*loc, "alert"), f"the alert {rule.alert} {text}")
            elif page(folder, url) is None:
                yield source.problem((*loc, "annotations", ANNOTATION), _no_page(folder, url))


def _no_page(folder: Path, url: str) -> str:
    wanted = name(url)
    near = difflib.get_close_matches(wanted, sorted(one.stem for one in folder.glob("*.md")), n=1)
    hint = f"did you mean {near[0]}?" if near else f"expected {folder / (wanted or 'NAME')}.md"
    return f"{url!r} is not a page of {folder}, {hint}"


def is_template(url: str) -> bool:
    """Return whether Prometheus fills in parts of the URL."""
    return "{{" in url
