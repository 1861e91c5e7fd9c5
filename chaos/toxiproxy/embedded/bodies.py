"""The bodies of requests, read as leniently as the real server reads them.

Keys match in upper and lower case, unknown keys are skipped, `null` leaves a setting as it is, and text after the JSON
value is ignored. Only the wording of a refusal is not the real server's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from alertdrill.chaos.toxiproxy.embedded.errors import bad_request_body

_SPACE = " \t\r\n"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST_FLOAT32 = 3.4028234663852886e38

T = TypeVar("T")


def _replace_lone_surrogates(value: object) -> object:
    # Half a character cannot be written as UTF-8, so no answer could show it.
    return _LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_replace_lone_surrogates)]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Toxicity = Annotated[int | float, Field(ge=-_LARGEST_FLOAT32, le=_LARGEST_FLOAT32)]


class Body(BaseModel):
    """A JSON object of the API: its fields are the keys."""

    model_config = ConfigDict(strict=True, extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _normalize(cls, given: object) -> object:
        if given is None:
            return {}
        return lower_keys(given) if isinstance(given, dict) else given


class ProxyBody(Body):
    """A proxy to make or to change."""

    name: Text = ""
    listen: Text = ""
    upstream: Text = ""
    enabled: bool = True
    # The real server's proxies show their logger by mistake, so that it has a type here too.
    logger: dict[str, Any] = {}


class ToxicBody(Body):
    """A toxic to make or to change; each kind has attributes of its own."""

    name: Text = ""
    type: Text = ""
    stream: Text = "downstream"
    toxicity: Toxicity = 1
    attributes: dict[str, Any] = {}


class ToxicUpdate(Body):
    """The settings of a toxic that can change: the real server skips the other keys, whatever they hold."""

    toxicity: Toxicity = 1
    attributes: dict[str, Any] = {}


PROXY = TypeAdapter(ProxyBody)
PROXIES = TypeAdapter(Annotated[list[ProxyBody], BeforeValidator(lambda given: [] if given is None else given)])
TOXIC = TypeAdapter(ToxicBody)
TOXIC_UPDATE = TypeAdapter(ToxicUpdate)


def lower_keys(given: Mapping[str, Any]) -> dict[str, Any]:
    """Lower the case of an object's keys, and drop those that are null."""
    return {key.casefold(): value for key, value in given.items() if value is not None}


def read_body(body: bytes, shape: TypeAdapter[T]) -> T:
    """Read the JSON value at the start of a body; raises ApiError."""
    try:
        value, _ = _DECODER.raw_decode(body.decode(errors="replace").lstrip(_SPACE))
        return shape.validate_python(value)
    except ValidationError as error:
        raise bad_request_body(first_problem(error)) from error
    except (ValueError, RecursionError) as error:
        raise bad_request_body(error) from error


def first_problem(error: ValidationError) -> str:
    """Format the first problem of a validation: where it is, and what was expected."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(map(str, problem["loc"]))
    message = problem["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
