"""What a call costs, and how sure that is."""

from datetime import datetime
from typing import Literal, NamedTuple

from spanledger.lean import make
from spanledger.pricing._book import Limits
from spanledger.pricing._load import book
from spanledger.pricing._table import Price, contradicts, is_plain
from spanledger.usage import Usage

Provenance = Literal["provider", "computed", "estimated", "unpriced"]


class Cost(NamedTuple):
    """The cost of one call.

    ``nano_usd`` is ``None`` exactly when ``provenance`` is ``unpriced``: the model has no known
    price, the reply had no readable usage, or the call used something its price says nothing
    about. It is 0 only for a model known to be free, or for a usage of nothing.
    """

    nano_usd: int | None
    provenance: Provenance
    """``provider``: the provider said the amount; ``computed``: its usage at our prices;
    ``estimated``: tokens counted by us, or a usage whose parts contradict its totals."""
    price_version: str
    """The price data that was used or searched."""


def find(
    provider: str,
    model: str,
    *,
    at: datetime | float,
    service_tier: str | None = None,
    batch: bool = False,
) -> Price | None:
    """The price of a model at a time, or ``None`` if none is known.

    ``provider`` is a ``gen_ai.provider.name`` (empty: guessed from the model), ``at`` a datetime
    (naive: UTC) or seconds since the epoch. Never raises for a name it does not know.
    """
    return book().find(provider, model, at=at, service_tier=service_tier, batch=batch)


def price(
    provider: str,
    model: str,
    usage: Usage,
    *,
    at: datetime | float,
    service_tier: str | None = None,
    batch: bool = False,
) -> Cost:
    """The cost of a usage; what the usage says about its tier wins over the arguments."""
    prices = book()
    if usage.source == "missing":
        return Cost(None, "unpriced", prices.version)
    tier = usage.service_tier or service_tier
    found = prices.find(provider, model, at=at, service_tier=tier, batch=usage.batch or batch)
    if found is None:
        return Cost(None, "unpriced", prices.version)
    plain = is_plain(usage)
    nano_usd = found.cost(usage, plain=plain)
    if nano_usd is None:
        return Cost(None, "unpriced", found.version)
    sure = usage.source == "provider" and (plain or not contradicts(usage))
    return make(Cost, (nano_usd, "computed" if sure else "estimated", found.version))


# Tiers that a provider may choose among when a request says ``auto``.
_AUTO_TIERS = (None, "priority")


def ceiling(
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    *,
    at: datetime | float,
    service_tier: str | None = None,
    batch: bool = False,
    text_only: bool = False,
) -> int | None:
    """Nano-USD that a call with at most so many tokens can cost, or ``None`` if unpriced.

    All input at the dearest input class (cache writes for one hour, audio, images), all output
    at the dearest output class, in the dearest tier that ``input_tokens`` can reach.
    ``service_tier`` is what the request asks for; ``auto`` takes the dearest that it may become,
    ``None`` the standard price. ``text_only`` leaves audio, images and video out of account.
    Server-side searches are not included.
    """
    auto = service_tier is not None and service_tier.lower() == "auto"
    prices, dearest = book(), 0
    for tier in _AUTO_TIERS if auto else (service_tier,):
        found = prices.find(provider, model, at=at, service_tier=tier, batch=batch)
        if found is None:
            return None
        amount = found.ceiling(input_tokens, output_tokens, text_only=text_only)
        if amount is None:
            return None
        dearest = max(dearest, amount)
    return dearest


def limits(provider: str, model: str) -> Limits:
    """The context window and the largest output of a model in tokens, as far as known."""
    return book().limits(provider, model)
