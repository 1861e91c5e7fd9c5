"""A client's payment order, validated, and the answer to it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from alertdrill.lab.engine.tariff import fee

DEFAULT_TENANT = "default"
_Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


def _number(value: object) -> object:
    # pydantic would accept a number in quotes and a boolean; both are a client's mistake.
    if isinstance(value, bool | str):
        msg = "expected a number"
        raise ValueError(msg)  # noqa: TRY004 - pydantic collects ValueErrors
    return value


class Payment(BaseModel):
    """One payment order; in JSON its fields are in camel case."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, allow_inf_nan=False)

    from_account_id: _Name
    to_account_id: _Name
    payment_type_id: _Name
    amount: Annotated[Decimal, Field(gt=0, max_digits=14, decimal_places=2), BeforeValidator(_number)]
    currency_code: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    description: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""
    tenant_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")] = DEFAULT_TENANT

    @model_validator(mode="after")
    def _has_two_accounts(self) -> Payment:
        if self.from_account_id == self.to_account_id:
            msg = "fromAccountId and toAccountId are the same account"
            raise ValueError(msg)
        return self

    @cached_property
    def fee(self) -> Decimal:
        """The sender's fee, in the payment's currency."""
        return fee(self.amount, self.currency_code)

    @cached_property
    def digest(self) -> str:
        """A hash of the order; equal orders have equal digests, whatever the spacing of their JSON."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def booked(self, transaction_id: UUID, booked_at: datetime) -> dict[str, Any]:
        """Return the answer to the client for a booked order."""
        return {
            "transactionId": str(transaction_id),
            "status": "BOOKED",
            "fromAccountId": self.from_account_id,
            "toAccountId": self.to_account_id,
            "amount": float(self.amount),
            "currencyCode": self.currency_code,
            "fee": float(self.fee),
            "bookedAt": booked_at.astimezone(UTC).isoformat(),
        }

    def message(self, transaction_id: UUID, booked_at: datetime) -> bytes:
        """Return the message about this booked order for Kafka, without its description."""
        answer = self.booked(transaction_id, booked_at)
        del answer["status"]
        return json.dumps(answer | {"tenantId": self.tenant_id, "paymentTypeId": self.payment_type_id}).encode()


class PaymentRefused(Exception):
    """The order was refused; holds the HTTP status, the name of the error and the reason for the answer."""

    def __init__(self, status: int, error: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.error = error
        self.reason = reason


def read_payment(body: bytes) -> Payment:
    """Read an order from JSON; raises Refused with the name of every invalid field."""
    try:
        return Payment.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        raise PaymentRefused(400, "invalid_json", f"the body is not valid JSON: {details[0]['msg']}")
    reasons = [f"{'.'.join(map(str, one['loc'])) or 'the order'}: {one['msg']}" for one in details]
    raise PaymentRefused(400, "invalid_request", "; ".join(reasons))
