"""The list of dashboards."""

from __future__ import annotations

from dashboards.business import BUSINESS
from dashboards.health import HEALTH
from dashboards.infrastructure import INFRASTRUCTURE
from dashboards.operations import OPERATIONS

DASHBOARDS = (OPERATIONS, HEALTH, BUSINESS, INFRASTRUCTURE)
