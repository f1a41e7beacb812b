"""What the providers' prompt caches saved."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from spanledger.analytics._money import usd
from spanledger.analytics._period import period
from spanledger.analytics._query import ask
from spanledger.analytics.scope import Scope, ScopeKind, lists, names_by_kind, refuse_others
from spanledger.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Input of one model, and how much of it went through the cache. Whole hours."""

    provider: str
    model: str
    calls: int
    input_tokens: int
    """Cache reads and writes included."""
    cache_read_tokens: int
    cache_write_tokens: int

    @property
    def read_share(self) -> float:
        """Of the input, between 0 and 1."""
        return self.cache_read_tokens / max(self.input_tokens, 1)


@dataclass(frozen=True, slots=True)
class CacheSaving:
    """Use of a cache, and what the same input would have cost without it."""

    use: CacheUse
    saved_usd: Decimal | None
    """Less than 0: writing cost more than reading saved. An estimate: every call is taken for an
    average one, every write for one of five minutes. None: the model has no price."""


#: provider, model, input tokens, cache reads and writes among them → nano-USD, None: no price.
InputPrice = Callable[[str, str, int, int, int], int | None]


def cache_use(
    warehouse: Warehouse,
    *,
    only: Sequence[Scope] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[CacheUse]:
    """By provider and model, the most cache reads first; from the beginning of `since`'s hour on.

    Raises:
        ValueError: an argument makes no sense; the text says which.
        WarehouseError: the one that says what is wrong and what to do.
    """
    names = names_by_kind(only)
    kinds: tuple[ScopeKind, ...] = ("service", "agent", "provider", "model")
    refuse_others(names, kinds, "a question about caches")
    when, wanted = period(since, until), lists(names)
    rows = ask(
        warehouse,
        "cache_use",
        since_us=when.since_us,
        until_us=when.until_us,
        **{f"{kind}s": wanted[f"{kind}s"] for kind in kinds},
    )
    return [CacheUse(**row) for row in rows]


def cache_savings(uses: Iterable[CacheUse], price_of_input: InputPrice) -> list[CacheSaving]:
    """Pure: what each use saved, at the prices of `price_of_input`."""
    return [CacheSaving(use, _saved(use, price_of_input)) for use in uses if use.calls]


def _saved(use: CacheUse, price_of_input: InputPrice) -> Decimal | None:
    """Of an average call, because the price of a token can depend on how many a call has."""
    whole, read, written = (
        round(tokens / use.calls)
        for tokens in (use.input_tokens, use.cache_read_tokens, use.cache_write_tokens)
    )
    with_cache = price_of_input(use.provider, use.model, whole, read, written)
    without = price_of_input(use.provider, use.model, whole, 0, 0)
    if with_cache is None or without is None:
        return None
    return usd((without - with_cache) * use.calls)
