"""The frame of every page: self-contained, for a light or a dark screen, or for paper."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from alertdrill.agent.report import plot


def render(template: str, *, has_figures: bool = False, **values: object) -> str:
    """Render a template of this package that extends `base.html.j2`; everything is escaped except Markup.

    A page with figures has their style and their script.
    """
    style = Markup(base_style())  # noqa: S704 - a file of this package
    found = environment(_source).get_template(template)
    return found.render(plot=plot, base_style=style, has_figures=has_figures, **values)


def environment(source: Callable[[str], str]) -> Environment:
    """Return what renders templates, whose text `source` returns by their names, as every page needs it."""
    made = Environment(
        loader=FunctionLoader(source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["cut"] = plot.cut
    return made


@cache
def base_style() -> str:
    """Return the style sheet of every page."""
    return _source("base.css")


def _source(template: str) -> str:
    return resources.files("alertdrill.agent.report").joinpath(template).read_text(encoding="utf-8")
