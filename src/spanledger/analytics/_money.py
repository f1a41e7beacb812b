"""Amounts of money as they leave a question. Pure."""

from decimal import Decimal

_NANO = Decimal(10) ** -9


def usd(nano_usd: int) -> Decimal:
    """Nano-USD as US dollars, exactly."""
    return Decimal(nano_usd) * _NANO


def known_cost(amount: Decimal | None, calls: int) -> Decimal | None:
    """What was spent, as far as it is known: 0 where nothing was called, None where calls were
    made and none of them has a price."""
    if amount is not None:
        return Decimal(amount)
    return None if calls else Decimal(0)
