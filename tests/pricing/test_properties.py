"""What must hold for every price and every usage."""

import json
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.pricing import Price, PriceBook, ceiling, find, price
from spanledger.pricing._table import buckets, is_plain
from spanledger.pricing.generate import DATA_PATH
from spanledger.usage import MISSING, Usage

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)

FORGETFUL = PriceBook(json.loads(DATA_PATH.read_bytes()))

MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-5.4"),
    ("openai", "gpt-6-luna"),
    ("openai", "gpt-image-1.5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-haiku-5-5"),
    ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("gcp.gemini", "gemini-2.5-flash"),
    ("gcp.gemini", "gemini-3.1-flash-live-preview"),
    ("deepseek", "deepseek-chat"),
    ("mistral_ai", "mistral-large-latest"),
    ("perplexity", "sonar-deep-research"),
    ("perplexity", "sonar"),
]
TIERS = st.sampled_from([None, "flex", "priority"])
SMALL = st.integers(0, 400_000)

# The exclusive classes: which fields of a usage one more token of the class raises.
CLASSES = (
    ("input_tokens",),
    ("input_tokens", "cache_read_tokens"),
    ("input_tokens", "cache_write_tokens"),
    ("input_tokens", "cache_write_tokens", "cache_write_1h_tokens"),
    ("input_tokens", "input_audio_tokens"),
    ("input_tokens", "cache_read_tokens", "input_audio_tokens", "cache_read_audio_tokens"),
    ("input_tokens", "input_image_tokens"),
    ("input_tokens", "cache_read_tokens", "input_image_tokens", "cache_read_image_tokens"),
    ("output_tokens",),
    ("output_tokens", "reasoning_tokens"),
    ("output_tokens", "output_audio_tokens"),
    ("output_tokens", "output_image_tokens"),
)


def usage_of(counts: tuple[int, ...]) -> Usage:
    """A usage out of one count for each exclusive class."""
    fields: dict[str, int] = {}
    for names, number in zip(CLASSES, counts, strict=True):
        for name in names:
            fields[name] = fields.get(name, 0) + number
    usage = Usage()
    return usage._replace(**fields)  # type: ignore[arg-type]  # all of them are counts


COUNTS = st.tuples(*[st.one_of(st.just(0), SMALL)] * len(CLASSES))


def listed(model: tuple[str, str], tier: str | None = None) -> Price:
    found = find(*model, at=AT, service_tier=tier)
    assert found is not None
    return found


def cost(found: Price, usage: Usage) -> int:
    amount = found.cost(usage)
    assert amount is not None
    return amount


@settings(max_examples=400)
@given(
    model=st.sampled_from(MODELS),
    tier=TIERS,
    counts=COUNTS,
    which=st.integers(0, len(CLASSES) - 1),
    more=st.integers(1, 100_000),
)
def test_more_tokens_of_a_class_never_cost_less(
    model: tuple[str, str], tier: str | None, counts: tuple[int, ...], which: int, more: int
) -> None:
    found = listed(model, tier)
    raised = tuple(n + (more if i == which else 0) for i, n in enumerate(counts))
    assert cost(found, usage_of(raised)) >= cost(found, usage_of(counts))


@settings(max_examples=400)
@given(model=st.sampled_from(MODELS), counts=COUNTS, moved=SMALL)
def test_a_cached_token_never_costs_more_than_a_fresh_one(
    model: tuple[str, str], counts: tuple[int, ...], moved: int
) -> None:
    """True of every price in the list, so it must be true of every cost."""
    found = listed(model)
    assert all(band.rates[1] <= band.rates[0] for band in found.bands)
    fresh = (counts[0] + moved, *counts[1:])
    cached = (counts[0], counts[1] + moved, *counts[2:])
    assert cost(found, usage_of(cached)) <= cost(found, usage_of(fresh))


@settings(max_examples=400)
@given(model=st.sampled_from(MODELS), thousands=st.tuples(*[st.integers(0, 7)] * len(CLASSES)))
def test_the_costs_of_the_classes_add_up_to_the_cost_of_the_call(
    model: tuple[str, str], thousands: tuple[int, ...]
) -> None:
    """In thousands of tokens every class costs whole nano-dollars, so no rounding hides a gap."""
    found = listed(model)
    fee = cost(found, Usage())
    counts = [n * 1000 for n in thousands]
    alone = (tuple(n if i == j else 0 for j in range(len(counts))) for i, n in enumerate(counts))
    parts = [cost(found, usage_of(one)) - fee for one in alone]
    assert cost(found, usage_of(tuple(counts))) == sum(parts) + fee


@settings(max_examples=600)
@given(
    model=st.sampled_from(MODELS),
    tier=TIERS,
    counts=COUNTS,
    spare=st.tuples(st.integers(0, 300_000), st.integers(0, 300_000)),
    text_only=st.booleans(),
)
def test_no_usage_within_its_bounds_costs_more_than_the_ceiling(
    model: tuple[str, str],
    tier: str | None,
    counts: tuple[int, ...],
    spare: tuple[int, int],
    text_only: bool,
) -> None:
    if text_only:
        counts = (*counts[:4], 0, 0, 0, 0, *counts[8:10], 0, 0)
    usage = usage_of(counts)
    bound = ceiling(
        *model,
        usage.input_tokens + spare[0],
        usage.output_tokens + spare[1],
        at=AT,
        service_tier=tier,
        text_only=text_only,
    )
    assert bound is not None
    assert cost(listed(model, tier), usage) <= bound


@settings(max_examples=300)
@given(
    model=st.sampled_from(MODELS),
    values=st.tuples(*[st.integers(0, 10**10)] * 12),
)
def test_parts_that_contradict_their_whole_are_never_free_and_never_silent(
    model: tuple[str, str], values: tuple[int, ...]
) -> None:
    names = list(dict.fromkeys(name for fields in CLASSES for name in fields))
    usage = Usage()._replace(**dict(zip(names, values, strict=True)))  # type: ignore[arg-type]
    found = listed(model)
    result = price(*model, usage, at=AT)
    assert result.nano_usd is not None
    cheapest = min(found.bands[0].rates[:8])
    largest = max(usage.input_tokens, usage.cache_read_tokens, usage.input_audio_tokens)
    assert result.nano_usd * 1000 >= largest * cheapest
    assert result.nano_usd < 2**63
    parts = usage.cache_read_tokens + usage.cache_write_tokens
    if parts > usage.input_tokens or usage.reasoning_tokens > usage.output_tokens:
        assert result.provenance == "estimated"


@given(
    provider=st.text(max_size=30),
    model=st.text(max_size=60),
    at=st.floats(0, 4e9),
    tier=st.one_of(st.none(), st.text(max_size=10)),
)
def test_no_name_makes_a_look_up_fail(
    provider: str, model: str, at: float, tier: str | None
) -> None:
    found = find(provider, model, at=at, service_tier=tier)
    assert found is None or found.since_s <= at < found.until_s
    assert price(provider, model, MISSING, at=at).nano_usd is None


@settings(max_examples=200)
@given(at=st.integers(1_500_000_000, 1_900_000_000), later=st.integers(0, 200_000_000))
def test_a_remembered_price_is_the_one_that_would_be_found_anew(at: int, later: int) -> None:
    """A memo that outlives a change of price would be wrong only at that change."""
    model = ("deepseek", "deepseek-v4-pro")
    find(*model, at=at)
    remembered = find(*model, at=at + later)
    FORGETFUL._found.clear()
    fresh = FORGETFUL.find(*model, at=at + later)
    assert remembered is not None
    assert fresh is not None
    assert remembered.bands == fresh.bands


@settings(max_examples=300)
@given(
    model=st.sampled_from(MODELS),
    tier=TIERS,
    tokens=st.tuples(SMALL, SMALL, SMALL, SMALL),
)
def test_the_short_way_of_a_plain_usage_gives_the_price_of_the_long_way(
    model: tuple[str, str], tier: str | None, tokens: tuple[int, int, int, int]
) -> None:
    rest, read, text, reasoning = tokens
    usage = Usage(rest + read, text + reasoning, read, reasoning_tokens=reasoning)
    found = listed(model, tier)
    counts = buckets(usage, reasoning_apart=found.reasoning_apart)
    band = found._band(sum(counts[:8]))
    pico = band.request + sum(c * r for c, r in zip(counts, band.rates, strict=True))
    missing = any(counts[index] for index in band.uncovered)
    assert is_plain(usage)
    assert found.cost(usage) == (None if missing else -(-pico // 1000))
