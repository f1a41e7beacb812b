"""How much a call asks for and is charged, in each metric. Pure."""

from collections.abc import Callable, Mapping

from spanledger.config import GuardSettings
from spanledger.guard.decision import Call, Metric, Reservation, Spending
from spanledger.guard.ledger import Demand

#: US dollars for a million tokens, as nano-USD for one.
_NANO_PER_TOKEN = 1_000


class Amounts:
    """Amounts under the settings for models without a price."""

    def __init__(self, settings: GuardSettings) -> None:
        self._charges_unpriced = settings.on_unpriced == "ceiling_price"
        self._ceiling_nano_usd = _nano_usd(settings.ceiling_usd_per_mtok)

    def asked(self, call: Call) -> Mapping[Metric, int]:
        """What a call reserves, in each metric."""
        into, out, cost_nano_usd, *_ = call.estimate
        if cost_nano_usd is None:
            cost_nano_usd = self.unpriced(into + out)
        return {"cost": cost_nano_usd, "tokens": into + out, "calls": 1, "concurrency": 1}

    def charged(self, reservation: Reservation, spending: Spending) -> Callable[[Demand], int]:
        """What an attempt is charged on each counter that it holds an amount on."""
        tokens, cost_nano_usd, calls, _ = spending
        if tokens is None or cost_nano_usd is None:
            return lambda held: self._used(held, reservation, spending)
        known = {"cost": cost_nano_usd, "tokens": tokens, "calls": calls, "concurrency": 0}
        return lambda held: known[held.metric]

    def _used(self, held: Demand, reservation: Reservation, spending: Spending) -> int:
        if held.metric == "cost" and spending.cost_nano_usd is None and spending.tokens is not None:
            unpriced = reservation.call.estimate.cost_nano_usd is None
            return self.unpriced(spending.tokens) if unpriced else held.amount
        return spending.amount(held.metric, held.amount)

    def unpriced(self, tokens: int) -> int:
        """What tokens of a model without a price are charged, in nano-USD."""
        return tokens * self._ceiling_nano_usd if self._charges_unpriced else 0


def _nano_usd(usd_per_mtok: str) -> int:
    """A price of a million tokens as nano-USD for one."""
    if usd_per_mtok.isdecimal():
        return int(usd_per_mtok) * _NANO_PER_TOKEN
    from decimal import Decimal  # only who writes such a price needs it

    return int(Decimal(usd_per_mtok) * _NANO_PER_TOKEN)
