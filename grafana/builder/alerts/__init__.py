"""The alert rules: readable definitions, and the provisioning file that is made of them."""

from pathlib import Path

from grafana.builder.alerts import agents, budgets, money, pipeline
from grafana.builder.alerts._provisioning import rendered
from grafana.builder.alerts._rule import Group, Panel, Rule

__all__ = ["FILE", "GROUPS", "Group", "Panel", "Rule", "rendered"]

#: All groups, in the order of the file.
GROUPS: tuple[Group, ...] = (
    budgets.FAST,
    budgets.SLOW,
    money.FAST,
    money.SLOW,
    agents.GROUP,
    pipeline.GROUP,
)

#: Where Grafana finds them.
FILE = Path(__file__).parents[2] / "provisioning" / "alerting" / "spanledger.yaml"
