"""Usage → money, with provenance. Unpriced is never zero."""

from spanledger.pricing._book import Limits, PriceBook
from spanledger.pricing._cost import Cost, Provenance, ceiling, find, limits, price
from spanledger.pricing._load import PRICES_ENV, book, configure
from spanledger.pricing._table import Price
from spanledger.pricing.overrides import PricesFileError

__all__ = [
    "PRICES_ENV",
    "Cost",
    "Limits",
    "Price",
    "PriceBook",
    "PricesFileError",
    "Provenance",
    "book",
    "ceiling",
    "configure",
    "find",
    "limits",
    "price",
]
