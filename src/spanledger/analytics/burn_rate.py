"""How fast money goes, over several periods at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spanledger.analytics._query import ask
from spanledger.analytics.scope import Scope, ScopeKind, refuse_others
from spanledger.warehouse import Warehouse

_SCOPES: tuple[ScopeKind, ...] = ("all", "agent", "model", "service", "provider")
#: A short and a long period that must both burn too fast, and how fast: a spike that is over does
#: not count, and a small leak is found in the end. Multiples of the rate that would just use the
#: budget up within its window.
_ALARMS = (("1h", "6h", 6.0), ("6h", "1d", 3.0), ("1d", "3d", 1.5))


@dataclass(frozen=True, slots=True)
class BurnRate:
    """What one period cost."""

    period: str
    """``1h``, ``6h``, ``1d``, ``3d``, ``7d`` or ``30d``."""
    period_s: int
    """Its length; all but the first begin with a whole hour."""
    calls: int
    cost_usd: float
    usd_per_hour: float


@dataclass(frozen=True, slots=True)
class BurnAlarm:
    """A budget that two periods say is burnt too fast."""

    short: str
    long: str
    times: float
    """The slower of the two, as a multiple of the rate that the budget allows."""

    @property
    def sentence(self) -> str:
        """In words."""
        return (
            f"the last {self.short} and the last {self.long} both spent at least "
            f"{self.times:.1f} times what the budget allows"
        )


def burn_rates(warehouse: Warehouse, *, scope: Scope | None = None) -> list[BurnRate]:
    """Money an hour over the last hour, six hours, day, three days, week and month.

    Raises:
        ValueError: there are no rates of such a scope.
        WarehouseError: the one that says what is wrong and what to do.
    """
    whose = scope or Scope()
    refuse_others([whose.by], _SCOPES, "a burn rate")
    rows = ask(warehouse, "burn_rate", scope=whose.by, name=whose.name)
    return [BurnRate(**row) for row in rows]


def burn_alarms(rates: Sequence[BurnRate], allowed_usd_per_hour: float) -> list[BurnAlarm]:
    """Pure: the pairs of periods that both burn too fast, the most urgent first.

    Raises:
        ValueError: the rate that is allowed is not above 0.
    """
    if allowed_usd_per_hour <= 0:
        raise ValueError(f"a rate of {allowed_usd_per_hour:g} allows nothing; give one above 0")
    found: Mapping[str, float] = {
        rate.period: rate.usd_per_hour / allowed_usd_per_hour for rate in rates
    }
    pairs = (
        (BurnAlarm(short, long, min(found.get(short, 0.0), found.get(long, 0.0))), most)
        for short, long, most in _ALARMS
    )
    return [alarm for alarm, most in pairs if alarm.times >= most]
