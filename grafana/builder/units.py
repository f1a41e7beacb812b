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
