"""The price table and the dialects as rows for ClickHouse, where spans are priced as they come in.

The same data as Python reads, in a form that SQL can look up without regular expressions that
look ahead: names that are meant exactly, and short lists of rules (begins, ends, contains, and
what must follow). Made by ``python -m spanledger.pricing.warehouse`` into the warehouse's folder;
a test holds the file to the data it was made from.
"""

import json
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from spanledger.pricing import _book, _providers
from spanledger.pricing._clauses import EQUALS, Rule, rules
from spanledger.pricing._table import Band, compile_bands
from spanledger.pricing._when import DAY_S, of_day_s, start_s
from spanledger.usage import dialect_table, dialects

__all__ = ["DATA_PATH", "FIELDS", "generate", "main", "reference_rows"]

DATA_PATH: Final = Path(__file__).parents[1] / "warehouse" / "data" / "reference.jsonl"

_PRICES_PATH: Final = Path(__file__).with_name("data") / "prices.json"

#: What a span's attributes are read as; an attribute's slot is its field × `RANKS` + its rank.
FIELDS: Final = (
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "gen_ai.conversation.id",
    "user.id",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_write.input_tokens",
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
    "gen_ai.usage.reasoning.output_tokens",
    "gen_ai.usage.audio.input_tokens",
    "gen_ai.usage.audio.output_tokens",
    "gen_ai.usage.image.input_tokens",
    "gen_ai.usage.image.output_tokens",
    "openai.response.service_tier",
)
TOTAL: Final = len(FIELDS) + 1
RANKS: Final = 32
#: Looked up under this provider: which provider a model is of, where nobody says.
GUESS: Final = "?"

_FOREVER_S: Final = 10**11
_NO_BAND_END: Final = 10**11

Line = tuple[str, dict[str, Any]]
"""A table's name and one row of it."""


def generate() -> str:
    """The file's text: its version, then one row a line."""
    lines = [json.dumps([table, row], separators=(",", ":")) for table, row in reference_rows()]
    return "\n".join(lines) + "\n"


def reference_rows() -> Iterator[Line]:
    """All rows, table by table."""
    raw = json.loads(_PRICES_PATH.read_bytes())
    yield "price_versions", {"what": "prices", "version": raw["version"]}
    yield from _prices(raw)
    yield from _providers_of()
    yield from _dialects()


# --- prices --------------------------------------------------------------------------------


class _Numbers:
    """Each model's number; a model that is resold has a second one, without tiers.

    Its upper half is of the version: while tables are exchanged one after the other, a name of
    one version finds no price of another.
    """

    def __init__(self, version: str) -> None:
        self._salt = zlib.crc32(version.encode()) & 0x7FFF0000
        self._known: dict[tuple[str, str, bool], int] = {}
        self.entries: dict[int, tuple[Mapping[str, Any], bool]] = {}

    def of(self, owner: str, entry: Mapping[str, Any], *, own: bool) -> int:
        own = own or not entry.get("variants")
        key = (owner, entry["id"], own)
        number = self._known.setdefault(key, self._salt + len(self._known) + 1)
        self.entries[number] = (entry, own)
        return number


def _prices(raw: Mapping[str, Any]) -> Iterator[Line]:
    numbers = _Numbers(raw["version"])
    by_id = {entry["id"]: entry for entry in raw["providers"]}
    for provider in raw["providers"]:
        owners = (provider["id"], *provider.get("fallback", ()))
        listed = [
            (model["match"], numbers.of(owner, model, own=owner == provider["id"]))
            for owner in owners
            for model in by_id[owner]["models"]
        ]
        yield from _ruled(provider["id"], listed)
    guesses = [p for p in raw["providers"] if "model_match" in p]
    yield from _ruled(GUESS, [(p["model_match"], n) for n, p in enumerate(guesses, 1)])
    for number, provider in enumerate(guesses, 1):
        yield "price_providers", {"name": f"#{number}", "provider": provider["id"]}
    for number, (entry, own) in numbers.entries.items():
        yield from _listed(number, entry, own=own)


def _ruled(provider: str, listed: Sequence[tuple[Sequence[Any], int]]) -> Iterator[Line]:
    """Exact names as rows of their own, the rest as one list; the smallest code is the first."""
    exact: dict[str, int] = {}
    other: list[tuple[Rule, int]] = []
    for rank, (clause, number) in enumerate(listed, 1):
        code = (rank << 32) + number
        for rule in rules(clause):
            if rule.kind == EQUALS:
                exact.setdefault(rule.text, code)
            else:
                other.append((rule, code))
    for name, code in exact.items():
        yield "price_names", {"provider": provider, "name": name, "code": code}
    yield (
        "price_rules",
        {
            "provider": provider,
            "texts": [rule.text for rule, _ in other],
            "kinds": [rule.kind for rule, _ in other],
            "tails": [rule.tail for rule, _ in other],
            "codes": [code for _, code in other],
        },
    )


def _listed(number: int, entry: Mapping[str, Any], *, own: bool) -> Iterator[Line]:
    tiers = {""} | (set(_tiers(entry)) if own else set())
    for tier in sorted(tiers):
        segments = list(_segments(entry, tier))
        if segments:
            yield "price_list", {"number": number, "tier": tier, "segments": segments}


def _tiers(entry: Mapping[str, Any]) -> Iterator[str]:
    """The words for a service tier that change the price."""
    for conditions, _, _ in entry.get("variants", ()):
        yield from conditions.values()


def _segments(entry: Mapping[str, Any], tier: str) -> Iterator[list[int]]:
    """[since, until, of the day from, until, above input, up to, reasoning apart, bits of what
    has no price, for each request, 13 prices]: in force where all four bounds fit."""
    context = _book.context_of(tier, batch=False)
    variants = entry.get("variants", ())
    whens = [when for when, _ in entry["prices"]] + [when for _, when, _ in variants]
    days = sorted({start_s(when) for when in whens if isinstance(when, str)})
    clocks = {of_day_s(clock) for when in whens if isinstance(when, list) for clock in when}
    free = bool(entry.get("free"))
    for since, until in pairwise([-_FOREVER_S, *map(int, days), _FOREVER_S]):
        for start, end in pairwise(sorted({0, DAY_S} | clocks)):
            at = _midnight_in(since, until) + start
            units = _book.units_at(entry["prices"], variants, context, at)
            if units or free:
                bands = compile_bands(units, free=free)
                apart = int("output_reasoning_tokens" in units)
                for band, last in zip(bands, [*bands[1:], None], strict=True):
                    above = band.start if band.start else -1
                    upto = last.start if last else _NO_BAND_END
                    yield [since, until, start, end, above, upto, apart, *_rates(band)]


def _midnight_in(since: int, until: int) -> int:
    """A midnight (UTC) in the span, which is whole days long."""
    if since > -_FOREVER_S:
        if since % DAY_S:
            raise ValueError(f"a price begins at {since}, which is no midnight (UTC)")
        return since
    return (until - DAY_S) if until < _FOREVER_S else 0


def _rates(band: Band) -> list[int]:
    return [sum(1 << bucket for bucket in band.uncovered), band.request, *band.rates]


# --- names ---------------------------------------------------------------------------------


def _providers_of() -> Iterator[Line]:
    """Every known spelling and the id of its price list; empty: guessed by the model."""
    spellings = {*_providers.ALIASES, *dialect_table.PROVIDERS}
    for name in sorted({*spellings, *(s.replace("_", "-") for s in _providers.ALIASES)}):
        provider = dialects.provider_of({FIELDS[0]: name})
        yield (
            "price_providers",
            {"name": name, "provider": _providers.canonical(provider) or GUESS},
        )


def _dialects() -> Iterator[Line]:
    for row in dialects.rows():
        match row.table:
            case "alias" if row.name in FIELDS:
                slot = (FIELDS.index(row.name) + 1) * RANKS + int(row.value)
                yield "dialect_attributes", {"name": row.foreign, "slot": slot}
            case "total":
                yield (
                    "dialect_attributes",
                    {"name": row.foreign, "slot": TOTAL * RANKS + int(row.value)},
                )
            case "operation":
                yield "dialect_values", _value(row.name, row.foreign, row.value)
            case "no_call":
                yield "dialect_values", _value(row.name, row.foreign, "-")
            case "provider":
                yield "dialect_values", _value(row.name, row.foreign, row.value or "-")
            case "input":
                yield "dialect_values", _value(f"input {row.name}", row.foreign, row.value)


def _value(attribute: str, value: str, meaning: str) -> dict[str, str]:
    return {"attribute": attribute, "value": value, "meaning": meaning}


def main() -> int:
    """Write the file; 1 if that changed it."""
    text = generate()
    before = DATA_PATH.read_text(encoding="utf-8") if DATA_PATH.exists() else ""
    if text == before:
        sys.stdout.write(f"{DATA_PATH.name}: unchanged\n")
        return 0
    DATA_PATH.parent.mkdir(exist_ok=True)
    DATA_PATH.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{DATA_PATH.name}: written\n")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
