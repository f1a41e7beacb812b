"""What an alert rule is: a query that gives one number for each set of labels, and a bound."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning", "critical"]
Comparison = Literal["gt", "lt"]
State = Literal["OK", "Alerting", "KeepLast"]

#: Where the runbooks can be read.
RUNBOOKS = "https://github.com/spanledger/spanledger/blob/main/docs/runbooks"


@dataclass(frozen=True, slots=True)
class Panel:
    """The panel on which a person sees what the alert saw."""

    dashboard: str
    title: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One alert rule. `sql` gives texts, which become labels, and one number."""

    name: str
    """Also the name of its runbook; its uid is ``spanledger-<name>``."""
    title: str
    severity: Severity
    sql: str
    """May use `$__timeFilter`, `$__fromTime` and `$__toTime`, which is *now*; never ``now()``."""
    lookback_s: int
    """From where to now `$__timeFilter` goes."""
    bound: float
    """It fires where the number is beyond this."""
    summary: str
    """One sentence with numbers; a Go template over ``$labels`` and ``$values.B.Value``."""
    panel: Panel
    for_s: int = 0
    """How long the number must stay beyond the bound."""
    comparison: Comparison = "gt"
    no_data: State = "OK"
    no_data_why: str = "No rows: there is nothing that could be wrong."
    error: State = "KeepLast"
    error_why: str = "A query that failed says nothing; 'Nothing received' speaks for ClickHouse."

    @property
    def uid(self) -> str:
        return f"spanledger-{self.name}"

    @property
    def runbook(self) -> str:
        return f"{RUNBOOKS}/{self.name}.md"


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated together, every `interval_s` seconds."""

    name: str
    interval_s: int
    rules: tuple[Rule, ...]
