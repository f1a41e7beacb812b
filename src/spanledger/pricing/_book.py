"""The price book: provider, model, time and tier → a compiled price, remembered."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from spanledger.lean import dataclass
from spanledger.pricing import _providers
from spanledger.pricing._match import Matcher, dashed_dates
from spanledger.pricing._table import Price, UnitPrice, compile_bands
from spanledger.pricing._when import When, active, epoch_s, span_s
from spanledger.pricing.overrides import Override, Overrides

FORMAT: Final = 1

# Names of models come from users and providers: what is remembered must be bounded.
MAX_REMEMBERED: Final = 4096

Units = Mapping[str, UnitPrice]


@dataclass(frozen=True, slots=True)
class Limits:
    """What is known about the size of a model's calls; ``None`` where nothing is known."""

    context_window_tokens: int | None = None
    max_output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What a look-up gave, and for how long it would give the same."""

    price: Price | None
    since_s: float
    until_s: float


class _Provider:
    """One provider of the file; its models are compiled when it is first asked."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.id: str = raw["id"]
        self.fallback: Sequence[str] = raw.get("fallback", ())
        self._models: Sequence[Mapping[str, Any]] = raw["models"]
        self._matcher: Matcher | None = None

    def model(self, name: str) -> Mapping[str, Any] | None:
        if self._matcher is None:
            self._matcher = Matcher([model["match"] for model in self._models])
        index = self._matcher.first(name)
        return None if index is None else self._models[index]


class PriceBook:
    """All prices of the generated file and the user's own, which win.

    Safe to share between threads: what is remembered are immutable values in one dict, and
    two threads that miss at once compute the same value twice.
    """

    def __init__(self, raw: Mapping[str, Any], overrides: Overrides | None = None) -> None:
        if raw.get("format") != FORMAT:
            raise ValueError(
                f"the price file has format {raw.get('format')!r}, this release reads {FORMAT}; "
                f"regenerate it with `spanledger prices update`"
            )
        self.version: str = raw["version"]
        self.overrides = overrides or Overrides()
        self._providers = {entry["id"]: _Provider(entry) for entry in raw["providers"]}
        guesses = [entry for entry in raw["providers"] if "model_match" in entry]
        self._guess = Matcher([entry["model_match"] for entry in guesses])
        self._guess_ids: list[str] = [entry["id"] for entry in guesses]
        self._found: dict[tuple[str, str, str | None, bool], _Found] = {}
        self._limits: dict[tuple[str, str], Limits] = {}
        self._models: dict[tuple[str, str], tuple[str, Mapping[str, Any]] | None] = {}

    def find(
        self,
        provider: str,
        model: str,
        *,
        at: datetime | float,
        service_tier: str | None = None,
        batch: bool = False,
    ) -> Price | None:
        """The price of a model at a time, or ``None`` if it has none that is known.

        ``provider`` is a ``gen_ai.provider.name``; an empty one is guessed from the model.
        ``at`` is a datetime (naive: UTC) or seconds since the epoch.
        """
        at_s = at if isinstance(at, float) else epoch_s(at)
        key = (provider, model, service_tier, batch)
        found = self._found.get(key)
        if found is None or not found.since_s <= at_s < found.until_s:
            found = self._look_up(provider, model, at_s, service_tier, batch=batch)
            if len(self._found) >= MAX_REMEMBERED:
                self._found.clear()
            self._found[key] = found
        return found.price

    def limits(self, provider: str, model: str) -> Limits:
        """The context window and the largest output of a model, as far as they are known."""
        known = self._limits.get((provider, model))
        if known is None:
            known = self._find_limits(provider, model)
            if len(self._limits) >= MAX_REMEMBERED:
                self._limits.clear()
            self._limits[provider, model] = known
        return known

    def _find_limits(self, provider: str, model: str) -> Limits:
        provider_id, name = self._names(provider, model)
        own = self.overrides.matching(provider_id, name)
        match = self._model(provider_id, name)
        window = next((o.context_window_tokens for o in own if o.context_window_tokens), None)
        if window is None and match is not None:
            window = match[1].get("window")
        output = next((o.max_output_tokens for o in own if o.max_output_tokens), None)
        return Limits(window, output)

    def _look_up(
        self, provider: str, model: str, at_s: float, service_tier: str | None, *, batch: bool
    ) -> _Found:
        provider_id, name = self._names(provider, model)
        own = self.overrides.matching(provider_id, name)
        since, until = span_s((o.valid_from for o in own), at_s)
        override = next((o for o in own if active(o.valid_from, at_s)), None)
        if override is not None:
            return _Found(self._own_price(provider_id, override, since, until), since, until)
        match = self._model(provider_id, name)
        if match is None:
            return _Found(None, since, until)
        owner, entry = match
        # A reseller's own tiers are unknown: those of the maker's list are not his.
        context = context_of(service_tier, batch=batch) if owner == provider_id else {}
        return self._listed(owner, entry, at_s, context, (since, until))

    def _listed(
        self,
        owner: str,
        entry: Mapping[str, Any],
        at_s: float,
        context: Mapping[str, str],
        bounds: tuple[float, float],
    ) -> _Found:
        variants = entry.get("variants", ())
        whens = [when for when, _ in entry["prices"]] + [when for _, when, _ in variants]
        since, until = span_s(whens, at_s)
        since, until = max(since, bounds[0]), min(until, bounds[1])
        units = units_at(entry["prices"], variants, context, at_s)
        free = bool(entry.get("free"))
        if not units and not free:
            return _Found(None, since, until)
        price = Price(
            provider=owner,
            model=entry["id"],
            bands=compile_bands(units, free=free),
            reasoning_apart="output_reasoning_tokens" in units,
            version=self.version,
            since_s=since,
            until_s=until,
        )
        return _Found(price, since, until)

    def _own_price(self, provider_id: str, override: Override, since: float, until: float) -> Price:
        return Price(
            provider=provider_id,
            model=override.model,
            bands=compile_bands(override.units, free=False),
            reasoning_apart="output_reasoning_tokens" in override.units,
            version=self.overrides.version,
            since_s=since,
            until_s=until,
        )

    def _names(self, provider: str, model: str) -> tuple[str, str]:
        name = model.strip().lower()
        provider_id, name = _providers.split_router(_providers.canonical(provider), name)
        if not provider_id:
            index = self._guess.first(name)
            provider_id = "" if index is None else self._guess_ids[index]
        return provider_id, name

    def _model(self, provider_id: str, name: str) -> tuple[str, Mapping[str, Any]] | None:
        key = (provider_id, name)
        if key not in self._models:
            if len(self._models) >= MAX_REMEMBERED:
                self._models.clear()
            self._models[key] = self._match(provider_id, name)
        return self._models.get(key)

    def _match(self, provider_id: str, name: str) -> tuple[str, Mapping[str, Any]] | None:
        provider = self._providers.get(provider_id)
        if provider is None:
            return None
        for spelling in dict.fromkeys((name, dashed_dates(name))):
            for owner in (provider_id, *provider.fallback):
                listed = self._providers[owner].model(spelling)
                if listed is not None:
                    return owner, listed
        return None


def context_of(service_tier: str | None, *, batch: bool) -> dict[str, str]:
    """What the price variants are chosen by; one word serves the tier and the speed."""
    tier = (service_tier or "").lower()
    context = {"service_tier": tier, "speed": tier} if tier else {}
    if batch or tier == "batch":
        context["processing"] = "batch"
    return context


def units_at(
    prices: Sequence[tuple[When, Units]],
    variants: Sequence[tuple[Mapping[str, str], When, Units]],
    context: Mapping[str, str],
    at_s: float,
) -> Units:
    """The prices of a model's units at a time, for requests of a context."""
    return {**_standard(prices, at_s), **_changes(variants, context, at_s)}


def _standard(prices: Sequence[tuple[When, Units]], at_s: float) -> Units:
    """The last entry that holds; where none does, the first one."""
    for when, units in reversed(prices):
        if active(when, at_s):
            return units
    return prices[0][1]


def _changes(
    variants: Sequence[tuple[Mapping[str, str], When, Units]],
    context: Mapping[str, str],
    at_s: float,
) -> Units:
    """For each unit the first variant that fits the request and the time."""
    changed: dict[str, UnitPrice] = {}
    for conditions, when, units in variants:
        fits = all(context.get(key) == value for key, value in conditions.items())
        if fits and active(when, at_s):
            changed = {**units, **changed}
    return changed
