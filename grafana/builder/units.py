"""Grafana's unit ids that are used here."""

#: Exact money: ``currencyUSD`` would make 1234.56 into $1.23K.
USD = "currency:financial:$"
COUNT = "locale"
TOKENS = "si: tok"
RATIO = "percentunit"
SECONDS = "s"
MILLISECONDS = "ms"
BYTES = "bytes"
TIME = "dateTimeAsIso"
SINCE = "dateTimeFromNow"
NUMBER = "none"
TEXT = "string"

_DECIMALS = {USD: 2}


def decimals(unit: str) -> int | None:
    """Digits after the point when a panel says nothing; None: Grafana's choice.

    Grafana's choice for money is three digits in all: $1,235 and $50.5.
    """
    return _DECIMALS.get(unit)
