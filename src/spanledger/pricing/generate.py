"""Makes ``data/prices.json`` out of the genai-prices package (build time only).

The file is what every reader of prices shares: the Python table here and the dictionary in
ClickHouse. Money is integer pico-USD for one unit (one token, one search, one request), so
both add integers and agree to the last digit. A price that is no whole number of pico-USD is
refused, unless its digits show that it went through a binary float on its way into the
source (0.0833333333333333): such a price is rounded and listed under ``rounded``.

Run it with ``python -m spanledger.pricing.generate`` or ``spanledger prices update``.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genai_prices.types import (
        ConditionalPrice,
        MatchLogic,
        ModelInfo,
        ModelPrice,
        PriceVariant,
        Provider,
        TieredPrices,
    )

__all__ = ["DATA_PATH", "SOURCE_VERSION", "PriceRefused", "generate", "main"]

SOURCE_VERSION = "0.2.3"
"""The release of genai-prices that the committed file was made from."""

DATA_PATH = Path(__file__).with_name("data") / "prices.json"

FORMAT = 1
PICO_USD = 10**12

# Families of units that a call's usage can report. Prices in other units (audio hours,
# characters, pages) are named per model under ``unmetered`` and never applied.
METERED_FAMILIES = frozenset({"tokens", "requests"})
METERED_UNITS = frozenset({"web_searches"})

# What a request may say about itself. Other variants (a route, a kind of search) cannot be
# read off a call, so the standard price holds.
CONTEXT_KEYS = frozenset({"processing", "service_tier", "speed"})

# The source writes "free" and "nobody knows" in the same way: a model without any price.
# Only what is known to cost nothing may be counted as nothing.
FREE_SUFFIX = ":free"
FREE_MODELS = frozenset(
    {
        ("github-copilot", "gpt-3.5-turbo"),  # included in the subscription
        ("github-copilot", "gpt-4.1"),
        ("github-copilot", "gpt-4o"),
        ("github-copilot", "gpt-4o-mini"),
        ("google", "gemma-3"),  # free of charge on the Gemini API, no paid tier
        ("google", "gemma-3n"),
        ("google", "gemma-4-26b-a4b-it"),
        ("google", "gemma-4-31b-it"),
        ("openai", "moderation"),
    }
)

# From this many significant digits on a decimal is the print of a binary float.
FLOAT_DIGITS = 15


class PriceRefused(ValueError):
    """A price in the source that cannot be written as whole pico-USD for one unit."""


class _Builder:
    """Walks the source once; remembers which prices had to be rounded."""

    def __init__(self, units: dict[str, dict[str, Any]]) -> None:
        self.units = {name: unit for name, unit in units.items() if _metered(name, unit)}
        self.by_price_key = {unit["price_key"]: name for name, unit in self.units.items()}
        self.rounded: list[list[str]] = []

    def provider(self, provider: "Provider") -> dict[str, Any]:
        out: dict[str, Any] = {"id": provider.id}
        if provider.fallback_model_providers:
            out["fallback"] = provider.fallback_model_providers
        if provider.model_match is not None:
            out["model_match"] = _clause(provider.model_match)
        out["models"] = [self.model(provider.id, model) for model in provider.models]
        return out

    def model(self, provider_id: str, model: "ModelInfo") -> dict[str, Any]:
        where = (provider_id, model.id)
        out: dict[str, Any] = {"id": model.id, "match": _clause(model.match)}
        if model.context_window:
            out["window"] = model.context_window
        entries = list(_entries(model))
        out["prices"] = [[_when(e.constraint), self.prices(where, e.prices)] for e in entries]
        variants = [v for v in model.price_variants or () if _readable(v)]
        if variants:
            out["variants"] = [
                [v.when, _when(v.constraint), self.prices(where, v.prices)] for v in variants
            ]
        if unmetered := sorted({key for e in entries for key in self._unmetered(e.prices)}):
            out["unmetered"] = unmetered
        if where in FREE_MODELS or model.id.endswith(FREE_SUFFIX):
            out["free"] = True
        return out

    def prices(self, where: tuple[str, str], prices: "ModelPrice") -> dict[str, Any]:
        out: dict[str, Any] = {}
        for price_key, value in _stated(prices):
            if unit := self.by_price_key.get(price_key):
                out[unit] = self.price(where, unit, value)
        return dict(sorted(out.items()))

    def price(
        self, where: tuple[str, str], unit: str, value: "Decimal | TieredPrices"
    ) -> int | list[Any]:
        if isinstance(value, Decimal):
            return self.pico(where, unit, value)
        tiers = [[tier.start, self.pico(where, unit, tier.price)] for tier in value.tiers]
        return [self.pico(where, unit, value.base), *tiers]

    def pico(self, where: tuple[str, str], unit: str, usd: Decimal) -> int:
        """The price of one unit; ``usd`` is the price of ``per`` units."""
        exact = usd * PICO_USD / self.units[unit]["per"]
        whole = exact.to_integral_value(ROUND_HALF_EVEN)
        if exact == whole:
            return int(whole)
        if len(usd.as_tuple().digits) < FLOAT_DIGITS:
            raise PriceRefused(
                f"{where[0]}/{where[1]}: the price of {unit}, {usd} USD for "
                f"{self.units[unit]['per']}, is {exact} pico-USD for one; only whole pico-USD can "
                f"be priced identically everywhere. Correct the source or leave the model out."
            )
        self.rounded.append([*where, unit, str(usd)])
        return int(whole)

    def _unmetered(self, prices: "ModelPrice") -> Iterator[str]:
        return (key for key, _ in _stated(prices) if key not in self.by_price_key)


def _metered(name: str, unit: dict[str, Any]) -> bool:
    return unit["dimensions"]["family"] in METERED_FAMILIES or name in METERED_UNITS


def _stated(prices: "ModelPrice") -> "Iterator[tuple[str, Decimal | TieredPrices]]":
    return ((key, value) for key, value in vars(prices).items() if value is not None)


def _entries(model: "ModelInfo") -> "Iterable[ConditionalPrice]":
    from genai_prices.types import ConditionalPrice

    if isinstance(model.prices, list):
        return model.prices
    return [ConditionalPrice(prices=model.prices)]


def _readable(variant: "PriceVariant") -> bool:
    return bool(vars(variant.prices)) and variant.when.keys() <= CONTEXT_KEYS


def _when(constraint: object) -> str | list[str] | None:
    """``None`` always, a date from that day (UTC) on, two times daily between them (UTC)."""
    from datetime import UTC, datetime

    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint

    if constraint is None:
        return None
    if isinstance(constraint, StartDateConstraint):
        return constraint.start_date.isoformat()
    if isinstance(constraint, TimeOfDateConstraint):
        day = datetime(2000, 1, 1, tzinfo=UTC).date()
        times = (constraint.start_time, constraint.end_time)
        aware = (t if t.tzinfo else t.replace(tzinfo=UTC) for t in times)
        return [datetime.combine(day, t).astimezone(UTC).time().isoformat() for t in aware]
    raise TypeError(f"unknown price constraint {constraint!r}: teach generate._when and _match it")


def _clause(clause: "MatchLogic") -> list[Any]:
    """``[kind, text]`` or ``["or" | "and", [clauses]]``; text is lower-case except a regex."""
    ((kind, value),) = vars(clause).items()
    kind = kind.rstrip("_")
    if isinstance(value, list):
        return [kind, [_clause(inner) for inner in value]]
    return [kind, value if kind == "regex" else value.lower()]


def generate() -> str:
    """The text of ``data/prices.json``.

    Raises ``PriceRefused`` for a price that is no whole number of pico-USD, ``ImportError``
    when genai-prices is not installed and ``RuntimeError`` when another release of it is.
    """
    from genai_prices.data import providers
    from genai_prices.data_units import unit_data

    if (installed := version("genai-prices")) != SOURCE_VERSION:
        raise RuntimeError(
            f"genai-prices {installed} is installed, but generate.SOURCE_VERSION says "
            f"{SOURCE_VERSION}. Install that release, or change both the pin and the constant."
        )
    builder = _Builder(unit_data)
    body = [builder.provider(provider) for provider in providers]
    return _render(builder, body)


def _render(builder: _Builder, providers: list[dict[str, Any]]) -> str:
    """One line a model, so that a change of prices is a change of few lines."""
    blocks = []
    for provider in providers:
        head = _dump({k: v for k, v in provider.items() if k != "models"})
        models = ",\n".join(_dump(model) for model in provider["models"])
        blocks.append(f'{head[:-1]},"models":[\n{models}\n]}}')
    units = ",\n".join(f"{_dump(name)}:{_dump(unit)}" for name, unit in builder.units.items())
    rounded = ",\n".join(_dump(entry) for entry in builder.rounded)
    listed = ",\n".join(blocks)
    body = f'"units":{{\n{units}\n}},\n"rounded":[\n{rounded}\n],\n"providers":[\n{listed}\n]}}\n'
    digest = hashlib.sha256(body.encode()).hexdigest()[:12]
    name = f"genai-prices-{SOURCE_VERSION}+{digest}"
    return f'{{"format":{FORMAT},"version":"{name}","unit_of_account":"pico-USD",\n{body}'


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def main() -> int:
    """Write the file; says what changed. Returns a process exit status."""
    text = generate()
    before = DATA_PATH.read_text(encoding="utf-8") if DATA_PATH.exists() else ""
    DATA_PATH.parent.mkdir(exist_ok=True)
    DATA_PATH.write_text(text, encoding="utf-8")
    state = "unchanged" if text == before else "written"
    sys.stdout.write(f"{DATA_PATH.name}: {state}, {json.loads(text)['version']}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
