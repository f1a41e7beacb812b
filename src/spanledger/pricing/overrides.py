"""A user's own prices: a TOML or JSON file that wins over the built-in table.

    [[price]]
    provider = "openai"            # a gen_ai.provider.name; "*" for any
    model = "my-model"             # exact, or a prefix: "my-*"
    input_usd_per_mtok = "0.10"    # text or number; read exactly, as it is written
    output_usd_per_mtok = "0.40"
    cache_read_usd_per_mtok = "0.01"
    valid_from = 2026-07-01        # optional; UTC

Numbers are never read through a binary float.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from spanledger.lean import dataclass
from spanledger.pricing._providers import canonical
from spanledger.pricing._table import UnitPrice
from spanledger.pricing._when import start_s

__all__ = ["Override", "Overrides", "PricesFileError", "load", "parse"]

# Key in the file → (unit of the price table, units that the written price is for).
_PRICE_KEYS: Final[dict[str, tuple[str, int]]] = {
    "input_usd_per_mtok": ("input_tokens", 10**6),
    "output_usd_per_mtok": ("output_tokens", 10**6),
    "cache_read_usd_per_mtok": ("cache_read_tokens", 10**6),
    "cache_write_usd_per_mtok": ("cache_write_tokens", 10**6),
    "cache_write_1h_usd_per_mtok": ("cache_write_1h_tokens", 10**6),
    "input_audio_usd_per_mtok": ("input_audio_tokens", 10**6),
    "output_audio_usd_per_mtok": ("output_audio_tokens", 10**6),
    "input_image_usd_per_mtok": ("input_image_tokens", 10**6),
    "output_image_usd_per_mtok": ("output_image_tokens", 10**6),
    "reasoning_usd_per_mtok": ("output_reasoning_tokens", 10**6),
    "web_searches_usd_per_k": ("web_searches", 10**3),
    "requests_usd_per_k": ("requests", 10**3),
}
_COUNT_KEYS: Final = ("context_window_tokens", "max_output_tokens")
_OTHER_KEYS: Final = ("provider", "model", "valid_from")
_PICO_USD: Final = 10**12
# A typing slip ("1e9") must not become a price that overflows a ledger of 64-bit integers.
_MAX_USD: Final = 10**6
_NUMBER: Final = re.compile(r"\d+(\.\d+)?([eE][+-]?\d+)?")


class PricesFileError(ValueError):
    """A prices file that cannot be used; the text names file, entry, key and value."""


@dataclass(frozen=True, slots=True)
class Override:
    """One entry of the file: prices in pico-USD for one unit."""

    provider: str
    """Canonical provider id, or ``*``."""
    model: str
    """Lower-case name, or a prefix that ends in ``*``."""
    units: Mapping[str, UnitPrice]
    valid_from: str | None = None
    """ISO date or time (UTC); ``None``: always."""
    context_window_tokens: int | None = None
    max_output_tokens: int | None = None

    def matches(self, provider_id: str, name: str) -> bool:
        if self.provider not in ("*", provider_id):
            return False
        if self.model.endswith("*"):
            return name.startswith(self.model[:-1])
        return name == self.model


@dataclass(frozen=True, slots=True)
class Overrides:
    """All entries of a file, and the name that costs computed from them carry."""

    entries: Sequence[Override] = ()
    version: str = "overrides"

    def matching(self, provider_id: str, name: str) -> list[Override]:
        """Entries for a model: exact before prefix, long before short, late before early."""
        found = [entry for entry in self.entries if entry.matches(provider_id, name)]
        return sorted(found, key=_rank, reverse=True)


def _rank(entry: Override) -> tuple[bool, int, bool, float]:
    starts = start_s(entry.valid_from) if entry.valid_from else float("-inf")
    return (not entry.model.endswith("*"), len(entry.model), entry.provider != "*", starts)


def load(path: str | Path) -> Overrides:
    """Read a prices file (``.toml`` or ``.json``).

    Raises ``PricesFileError`` if it cannot be read or says something that is no price.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PricesFileError(
            f"prices file {path}: cannot be read ({error}). Correct the path in "
            f"pricing.overrides or SPANLEDGER_PRICES, or remove the setting."
        ) from error
    return parse(text, name=str(path), toml=path.suffix.lower() != ".json")


def parse(text: str, *, name: str = "prices", toml: bool = True) -> Overrides:
    """Overrides out of the text of a prices file; raises ``PricesFileError``."""
    import hashlib
    import tomllib
    from decimal import Decimal

    try:
        raw = (
            tomllib.loads(text, parse_float=Decimal)
            if toml
            else json.loads(text, parse_float=Decimal)
        )
    except ValueError as error:
        kind = "TOML" if toml else "JSON"
        raise PricesFileError(f"prices file {name}: no valid {kind}: {error}") from error
    entries = raw.get("price") if isinstance(raw, dict) else None
    if not isinstance(entries, list) or len(raw) != 1:
        raise PricesFileError(
            f"prices file {name}: expected a list of [[price]] entries and nothing else"
        )
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Overrides(
        tuple(_Entry(f"{name}, price {i}", e).override() for i, e in enumerate(entries, 1)),
        version=f"overrides+{digest}",
    )


class _Entry:
    """One entry while it is checked; knows where it stands."""

    def __init__(self, where: str, raw: object) -> None:
        self.where = where
        if not isinstance(raw, dict):
            raise PricesFileError(f"prices file {where}: expected a table, not {raw!r}")
        self.raw: dict[str, Any] = raw

    def override(self) -> Override:
        known = {*_PRICE_KEYS, *_COUNT_KEYS, *_OTHER_KEYS}
        for key in self.raw:
            if key not in known:
                raise self._error(key, f"is no known key; known are {', '.join(sorted(known))}")
        units = {u: self._pico(k, per) for k, (u, per) in _PRICE_KEYS.items() if k in self.raw}
        if not units:
            raise PricesFileError(
                f"prices file {self.where}: states no price; add input_usd_per_mtok and "
                f"output_usd_per_mtok ('0' if the model is free)"
            )
        window, output = (self._count(key) for key in _COUNT_KEYS)
        provider = self._text("provider")
        return Override(
            provider=provider if provider == "*" else canonical(provider),
            model=self._text("model").lower(),
            units=units,
            valid_from=self._date("valid_from"),
            context_window_tokens=window,
            max_output_tokens=output,
        )

    def _pico(self, key: str, per: int) -> int:
        from decimal import Decimal, InvalidOperation

        value = self.raw[key]
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            raise self._error(key, "is no amount; write a number of US dollars")
        try:
            usd = Decimal(value)
        except InvalidOperation:
            raise self._error(key, "is no amount; write a number of US dollars") from None
        if not (usd.is_finite() and 0 <= usd <= _MAX_USD) or not _NUMBER.fullmatch(str(usd)):
            raise self._error(key, f"must be at least 0 and at most {_MAX_USD} US dollars")
        pico = usd * _PICO_USD / per
        if pico != pico.to_integral_value():
            raise self._error(key, "is finer than one pico-USD for one unit; round it")
        return int(pico)

    def _count(self, key: str) -> int | None:
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
            raise self._error(key, "must be a whole number of tokens above 0")
        return value

    def _text(self, key: str) -> str:
        value = self.raw.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self._error(key, "must be a name")
        return value.strip()

    def _date(self, key: str) -> str | None:
        value = self.raw.get(key)
        if value is None:
            return None
        try:
            parsed = value if isinstance(value, date) else datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise self._error(key, "must be a date such as 2026-07-01") from None
        if isinstance(parsed, datetime) and parsed.tzinfo is None:
            parsed = parsed.replace(tzinfo=UTC)
        return parsed.isoformat()

    def _error(self, key: str, problem: str) -> PricesFileError:
        return PricesFileError(f"prices file {self.where}: {key} = {self.raw.get(key)!r} {problem}")
