"""The optional parts of a lab, and the names and ports of its services."""

from __future__ import annotations

from pydantic import Field

from alertdrill.units.settings import Settings


class LabParts(Settings):
    """Optional parts: they cost memory and CPU, so they run only on request.

    `kafka` adds a broker, its exporter and the settlement of payments. With `replicas` above one, that many engines
    run behind HAProxy, which then has the name `payment-engine:8080`.
    """

    kafka: bool = False
    replicas: int = Field(default=1, ge=1, le=4)

    @property
    def is_balanced(self) -> bool:
        """Whether the lab has a load balancer."""
        return self.replicas > 1

    @property
    def engines(self) -> tuple[str, ...]:
        """The names of the payment engines."""
        if not self.is_balanced:
            return ("payment-engine",)
        return tuple(f"payment-engine-{number}" for number in range(1, self.replicas + 1))

    @property
    def proxied(self) -> tuple[str, ...]:
        """The services that clients reach through Toxiproxy."""
        return ("postgres", "redis", "kafka") if self.kafka else ("postgres", "redis")

    def together(self, other: LabParts) -> LabParts:
        """Return the parts of a lab that has both these and the other parts."""
        return LabParts(kafka=self.kafka or other.kafka, replicas=max(self.replicas, other.replicas))


# The names and ports of the services in configuration files.
SERVICES = {
    "payment-engine": 8080,
    "postgres-exporter": 9187,
    "redis-exporter": 9121,
    "prometheus": 9090,
    "alertmanager": 9093,
    "toxiproxy": 8474,
    "alertdrill": 9095,
    "postgres": 5432,
    "redis": 6379,
}
KAFKA_SERVICES = {"kafka": 9092, "kafka-exporter": 9308, "settlement": 8081}
BALANCER_SERVICES = {"load-balancer": 8404}


def service_ports(parts: LabParts) -> dict[str, int]:
    """Return the services of a lab with these parts: {name: port}."""
    return SERVICES | (KAFKA_SERVICES if parts.kafka else {}) | (BALANCER_SERVICES if parts.is_balanced else {})


def absent_targets(parts: LabParts) -> set[str]:
    """Return the scrape targets of the parts that this lab does not have."""
    every = KAFKA_SERVICES | BALANCER_SERVICES
    return {f"{name}:{port}" for name, port in every.items() if name not in service_ports(parts)}
