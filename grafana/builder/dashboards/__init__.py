"""The dashboards, one a module."""

from grafana.builder.dashboards.agents import AGENTS
from grafana.builder.dashboards.coding_agents import CODING_AGENTS
from grafana.builder.dashboards.cost import COST
from grafana.builder.dashboards.errors import ERRORS
from grafana.builder.dashboards.forecast import FORECAST
from grafana.builder.dashboards.overview import OVERVIEW
from grafana.builder.dashboards.pipeline import PIPELINE
from grafana.builder.dashboards.session import SESSION
from grafana.builder.dashboards.traces import TRACES
from grafana.builder.model import Dashboard

DASHBOARDS: tuple[Dashboard, ...] = (
    OVERVIEW,
    COST,
    AGENTS,
    SESSION,
    TRACES,
    ERRORS,
    FORECAST,
    PIPELINE,
    CODING_AGENTS,
)

__all__ = ["DASHBOARDS"]
