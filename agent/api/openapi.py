"""The OpenAPI document, made from the table of routes and its models."""

from __future__ import annotations

import re
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import models_json_schema

from alertdrill import __version__
from alertdrill.agent.api.table import BASE, GENERAL_PROBLEMS, ROUTES, ApiRoute
from alertdrill.agent.api.wire import Page, Problem, Wire

_AT = "#/components/schemas/{model}"


@cache
def document() -> dict[str, Any]:
    """Return the document of this version."""
    taken = [one for route in ROUTES.values() if (one := route.body) is not None]
    answered: list[type[Wire]] = [Problem]
    for route in ROUTES.values():
        answered += [one for one in (route.answer, route.of_dry_run) if one is not None]
    pairs = [*((one, "validation") for one in taken), *((one, "serialization") for one in answered)]
    places, schemas = models_json_schema(list(dict.fromkeys(pairs)), ref_template=_AT)  # type: ignore[arg-type]
    paths: dict[str, dict[str, Any]] = {}
    for name, route in ROUTES.items():
        paths.setdefault(BASE + route.path, {})[route.method.lower()] = _operation(name, route, places)
    return {
        "openapi": "3.1.0",
        "info": {"title": "alertdrill", "version": __version__, "description": "The API of `alertdrill run`."},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "token": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"basic": []}, {"token": []}],
    }


def _operation(name: str, route: ApiRoute, places: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's
    found: dict[str, Any] = {
        "operationId": name,
        "summary": route.summary,
        "description": f"It needs the role `{route.need}` where web.yml has callers.",
        "parameters": [*_in_path(route), *_in_query(route.query), *_in_headers(name, route)],
        "responses": _responses(route, places),
    }
    if route.body is not None:
        content = {"application/json": {"schema": places[route.body, "validation"]}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _in_path(route: ApiRoute) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _in_query(model: type[Wire]) -> list[dict[str, Any]]:
    properties: dict[str, Any] = model.model_json_schema().get("properties", {})
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in properties.items()]


def _in_headers(name: str, route: ApiRoute) -> list[dict[str, Any]]:
    names = {"start": ["Idempotency-Key"], "events": ["Last-Event-ID"]}.get(name, [])
    names += ["If-None-Match"] if _is_list(route) else []
    return [{"name": one, "in": "header", "required": False, "schema": {"type": "string"}} for one in names]


def _is_list(route: ApiRoute) -> bool:
    return route.answer is not None and issubclass(route.answer, Page)


def _responses(route: ApiRoute, places: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's
    is_text = route.content.startswith("text/")
    schema = ({"type": "string"} if is_text else {}) if route.answer is None else places[route.answer, "serialization"]
    found = {str(route.status): {"description": route.summary, "content": {route.content: {"schema": schema}}}}
    if _is_list(route):
        found["304"] = {"description": "It is as the If-None-Match says."}
    if route.of_dry_run is not None:
        schema = places[route.of_dry_run, "serialization"]
        found["200"] = {"description": "For a dry run.", "content": {route.content: {"schema": schema}}}
    problem = {"application/problem+json": {"schema": places[Problem, "serialization"]}}
    for status in sorted({*GENERAL_PROBLEMS[route.method], *route.problems}):
        found[str(status)] = {"description": HTTPStatus(status).phrase, "content": problem}
    return dict(sorted(found.items()))
