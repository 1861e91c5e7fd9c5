"""The frame of every page: self-contained, for a light or a dark screen, or for paper."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined


def render(template: str, **values: object) -> str:
    """Render a template of this package that extends `base.html.j2`; everything is escaped except Markup."""
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def _source(template: str) -> str:
    return resources.files("alertdrill.agent.report").joinpath(template).read_text(encoding="utf-8")
