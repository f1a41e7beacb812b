"""How much a call asks for and is charged, in each metric. Pure."""

from decimal import Decimal

from spanledger.config import GuardSettings
from spanledger.guard.decision import Call, Metric, Reservation, Spending
from spanledger.guard.ledger import Demand

#: US dollars for a million tokens, as nano-USD for one.
_NANO_PER_TOKEN = 1_000


class Amounts:
    """Amounts under the settings for models without a price."""

    def __init__(self, settings: GuardSettings) -> None:
        self._charges_unpriced = settings.on_unpriced == "ceiling_price"
        self._ceiling_nano_usd = int(Decimal(settings.ceiling_usd_per_mtok) * _NANO_PER_TOKEN)

    def asked(self, call: Call, metric: Metric) -> int:
        """What a call reserves."""
        estimate = call.estimate
        if metric == "cost" and estimate.cost_nano_usd is None:
            return self.unpriced(estimate.input_tokens + estimate.output_tokens)
        return estimate.amount(metric)

    def used(self, held: Demand, reservation: Reservation, spending: Spending) -> int:
        """What an attempt is charged on a counter that it holds an amount on."""
        if held.metric == "cost" and spending.cost_nano_usd is None and spending.tokens is not None:
            unpriced = reservation.call.estimate.cost_nano_usd is None
            return self.unpriced(spending.tokens) if unpriced else held.amount
        return spending.amount(held.metric, held.amount)

    def unpriced(self, tokens: int) -> int:
        """What tokens of a model without a price are charged, in nano-USD."""
        return tokens * self._ceiling_nano_usd if self._charges_unpriced else 0
