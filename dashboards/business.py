"""Business metrics: how much money moves, in which currency, for whom."""

from __future__ import annotations

from dashboards.panel import Dashboard, Panel, Query, Row, Thresholds, Variable

_CHOSEN = '{tenant=~"$tenant", currency=~"$currency"}'
_TENANT = '{tenant=~"$tenant"}'
_TRANSACTIONS = f"payment_engine_transactions_by_tenant_total{_CHOSEN}"
_AMOUNT = f"payment_engine_transactions_amount_total{_CHOSEN}"
_FEES = f"payment_engine_fees_collected_total{_CHOSEN}"
_HIGH = f"payment_engine_transactions_high_value_total{_CHOSEN}"
_HIGH_AMOUNT = f"payment_engine_transactions_high_value_amount_total{_CHOSEN}"

BUSINESS = Dashboard(
    uid="payment-engine-business",
    title="Payment engine: business metrics",
    text="How much money the payment engine moves, in which currency, and for whom.",
    opens_with="24h",
    variables=(
        Variable("tenant", "payment_engine_transactions_by_tenant_total"),
        Variable("currency", "payment_engine_transactions_by_tenant_total"),
    ),
    rows=(
        Row(
            "Volume",
            (
                Panel(
                    "Transactions in a day",
                    "Booked within the last 24 hours.",
                    "short",
                    (Query(f"sum(increase({_TRANSACTIONS}[24h]))", "transactions"),),
                    form="stat",
                    width=6,
                ),
                Panel(
                    "Daily transaction volume",
                    "Booked within the 24 hours before each instant.",
                    "short",
                    (Query(f"sum by (currency) (increase({_TRANSACTIONS}[24h]))", "{{currency}}"),),
                    form="stack",
                    width=9,
                ),
                Panel(
                    "Average amount",
                    "Of a transaction, in its own currency.",
                    "short",
                    (
                        Query(
                            f"sum by (currency) (rate({_AMOUNT}[$__rate_interval]))"
                            f" / sum by (currency) (rate({_TRANSACTIONS}[$__rate_interval]))",
                            "{{currency}}",
                        ),
                    ),
                    width=9,
                ),
            ),
        ),
        Row(
            "Money",
            (
                Panel(
                    "Amount by currency",
                    "Processed within the 24 hours before each instant, each in its own currency.",
                    "short",
                    (Query(f"sum by (currency) (increase({_AMOUNT}[24h]))", "{{currency}}"),),
                    width=12,
                ),
                Panel(
                    "Amount in a month",
                    "Processed within the 30 days before each instant, each in its own currency.",
                    "short",
                    (Query(f"sum by (currency) (increase({_AMOUNT}[30d]))", "{{currency}}"),),
                    width=12,
                ),
            ),
        ),
        Row(
            "Fees",
            (
                Panel(
                    "Fees collected",
                    "Within the 24 hours before each instant, each in its own currency.",
                    "short",
                    (Query(f"sum by (currency) (increase({_FEES}[24h]))", "{{currency}}"),),
                    width=12,
                ),
                Panel(
                    "Fees of the amount",
                    "Fees as a share of the amount moved.",
                    "percentunit",
                    (
                        Query(
                            f"sum by (currency) (rate({_FEES}[$__rate_interval]))"
                            f" / sum by (currency) (rate({_AMOUNT}[$__rate_interval]))",
                            "{{currency}}",
                        ),
                    ),
                    width=12,
                ),
            ),
        ),
        Row(
            "High-value transactions",
            (
                Panel(
                    "High-value transactions",
                    "Transactions a minute of 10,000 or more units of their currency.",
                    "short",
                    (Query(f"60 * sum by (currency) (rate({_HIGH}[$__rate_interval]))", "{{currency}}"),),
                    width=12,
                ),
                Panel(
                    "Amount of high-value transactions",
                    "Within the 24 hours before each instant, each in its own currency.",
                    "short",
                    (Query(f"sum by (currency) (increase({_HIGH_AMOUNT}[24h]))", "{{currency}}"),),
                    width=12,
                ),
            ),
        ),
        Row(
            "Tenants",
            (
                Panel(
                    "Transactions a second by tenant",
                    "Booked for each tenant.",
                    "ops",
                    (Query(f"sum by (tenant) (rate({_TRANSACTIONS}[$__rate_interval]))", "{{tenant}}"),),
                    form="stack",
                    width=8,
                ),
                Panel(
                    "Response time by tenant",
                    "The 95th percentile; the promise is below 2 s for every tenant.",
                    "s",
                    (
                        Query(
                            f"histogram_quantile(0.95, sum by (le, tenant)"
                            f" (rate(payment_engine_tenants_response_time_seconds_bucket{_TENANT}[$__rate_interval])))",
                            "{{tenant}}",
                        ),
                    ),
                    Thresholds(1, 2),
                    width=8,
                ),
                Panel(
                    "Errors by tenant",
                    "Transactions a second that were answered with a server error.",
                    "ops",
                    (
                        Query(
                            f"sum by (tenant) (rate(payment_engine_tenants_errors_total{_TENANT}[$__rate_interval]))",
                            "{{tenant}}",
                        ),
                    ),
                    Thresholds(0.1, 1),
                    width=8,
                ),
                Panel(
                    "Tenants beside each other",
                    "Booked within the last 24 hours, by tenant and currency.",
                    "short",
                    (Query(f"sum by (tenant, currency) (increase({_TRANSACTIONS}[24h]))", "{{tenant}} {{currency}}"),),
                    form="table",
                    width=24,
                ),
            ),
        ),
    ),
)
