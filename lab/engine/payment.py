"""What a client asks for, checked field by field."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

_Name = Annotated[str, Field(min_length=1, max_length=100)]


class Payment(BaseModel):
    """The body of `POST /api/v1/transactions`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fromAccountId: _Name  # noqa: N815 - the field names are the interface
    toAccountId: _Name  # noqa: N815
    paymentTypeId: _Name  # noqa: N815
    amount: Decimal = Field(gt=0, max_digits=18, decimal_places=2)
    currencyCode: str = Field(pattern=r"^[A-Z]{3}$")  # noqa: N815
    description: str = Field(default="", max_length=500)

    @model_validator(mode="after")
    def _has_two_sides(self) -> Payment:
        if self.fromAccountId == self.toAccountId:
            msg = "fromAccountId and toAccountId are the same account"
            raise ValueError(msg)
        return self

    def digest(self) -> str:
        """Tell equal payments from different ones."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


def problems(error: ValidationError) -> str:
    """Name every field that is wrong, in one line."""
    return "; ".join(f"{'.'.join(str(p) for p in item['loc']) or 'body'}: {item['msg']}" for item in error.errors())
