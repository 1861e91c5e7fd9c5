"""Runbooks: the page of an alert is named by the last part of its `runbook_url`.

`https://wiki.your.org/runbooks/HighErrorRate` is `HighErrorRate.md` of a folder `runbooks`, wherever that is published.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from alertdrill.agent.config.rules import AnyRuleFile, is_resource
from alertdrill.agent.config.yaml_source import Source

FOLDER = "runbooks"


def name(url: str) -> str:
    """Tell the name of the page that a URL means; nothing where it names none."""
    try:
        last = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    except ValueError:
        return ""
    return unquote(last).removesuffix(".md")


def page(folder: Path, url: str) -> Path | None:
    """Find the page that a URL names, None where there is none."""
    found = folder / f"{name(url)}.md"
    # What was quoted in a URL may lead out of the folder.
    return found if found.parent == folder and found.name != "README.md" and found.is_file() else None


def beside(path: Path) -> Path | None:
    """Find the folder of runbooks of a file: next to it, or next to the folder that it is in."""
    places = (path.parent / FOLDER, path.parent.parent / FOLDER)
    return next((place for place in places if place.is_dir()), None)


def problems(source: Source, rules: AnyRuleFile) -> Iterator[str]:
    """Say which alerts of a rule file have no page, where there is a folder of runbooks beside it."""
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
    return f"{url!r} names no page of {folder}, {hint}"


ANNOTATION = "runbook_url"


def is_template(url: str) -> bool:
    """Tell whether Prometheus fills in parts of a URL."""
    return "{{" in url
