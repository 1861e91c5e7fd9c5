"""PromQL as a value in a configuration file."""

from __future__ import annotations

from typing import Annotated

import promql_parser as promql
from pydantic import AfterValidator


def require_promql(expr: str) -> str:
    """Return the expression; raises ValueError when it cannot be parsed."""
    try:
        promql.parse(expr)
    except ValueError as error:
        msg = f"is not PromQL: {error}"
        raise ValueError(msg) from error
    return expr


PromQL = Annotated[str, AfterValidator(require_promql)]
"""A pydantic field type: an expression that can be parsed."""
