"""The questions of a dashboard, one by one, with where they are asked."""

from collections.abc import Iterator
from dataclasses import dataclass

from grafana.builder.model import TABLE, Choice, Dashboard


@dataclass(frozen=True, slots=True)
class Asked:
    """One question and where it is asked."""

    dashboard: str
    """The dashboard's uid."""
    where: str
    """The panel's title, the variable's or the annotation's name."""
    kind: str
    """The panel's type, or ``variable``, or ``annotation``."""
    format: int
    sql: str
    ref: str = "A"


def queries_of(dashboard: Dashboard) -> Iterator[Asked]:
    """Every question of one dashboard."""
    for panel in dashboard.panels:
        for query in panel.queries:
            yield Asked(dashboard.uid, panel.title, panel.kind, query.format, query.sql, query.ref)
    for variable in dashboard.variables:
        if isinstance(variable, Choice):
            yield Asked(dashboard.uid, variable.name, "variable", TABLE, variable.sql)
    for annotation in dashboard.annotations:
        yield Asked(dashboard.uid, annotation.name, "annotation", TABLE, annotation.sql)
