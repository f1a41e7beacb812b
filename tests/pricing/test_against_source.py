"""Our integers against genai-prices itself: another implementation of the same price list."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spanledger.pricing import PriceBook
from spanledger.pricing import generate as generator
from spanledger.pricing._load import book
from spanledger.pricing.generate import DATA_PATH, SOURCE_VERSION, PriceRefused, generate
from spanledger.usage import Usage

try:
    INSTALLED = version("genai-prices")
except PackageNotFoundError:
    INSTALLED = "none"

pytestmark = pytest.mark.skipif(
    INSTALLED != SOURCE_VERSION,
    reason=f"needs genai-prices {SOURCE_VERSION} (dependency group prices), found {INSTALLED}",
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
COUNT = st.one_of(st.integers(0, 50), st.integers(0, 60_000), st.integers(0, 900_000))

# The names of the source for the fields of a usage.
THEIR_NAMES = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "cache_write_1h_tokens": "cache_write_1h_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
    "input_audio_tokens": "input_audio_tokens",
    "cache_read_audio_tokens": "cache_audio_read_tokens",
    "output_audio_tokens": "output_audio_tokens",
    "input_image_tokens": "input_image_tokens",
    "cache_read_image_tokens": "cache_image_read_tokens",
    "output_image_tokens": "output_image_tokens",
    "web_searches": "web_searches",
}


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """A usage whose parts fit into their wholes, any part possibly 0."""
    part = st.one_of(st.just(0), COUNT)
    read, write, write_1h = draw(part), draw(part), draw(part)
    audio, read_audio, image, read_image = draw(part), draw(part), draw(part), draw(part)
    reasoning, out_audio, out_image = draw(part), draw(part), draw(part)
    fresh = write + write_1h + audio + image + draw(COUNT)
    return Usage(
        input_tokens=fresh + read + read_audio + read_image,
        output_tokens=reasoning + out_audio + out_image + draw(COUNT),
        cache_read_tokens=read + read_audio + read_image,
        cache_write_tokens=write + write_1h,
        cache_write_1h_tokens=write_1h,
        reasoning_tokens=reasoning,
        input_audio_tokens=audio + read_audio,
        cache_read_audio_tokens=read_audio,
        output_audio_tokens=out_audio,
        input_image_tokens=image + read_image,
        cache_read_image_tokens=read_image,
        output_image_tokens=out_image,
        web_searches=draw(st.sampled_from([0, 0, 0, 0, 1, 7])),
    )


def models() -> list[tuple[str, str]]:
    """Every provider with every model id that the source itself finds under it."""
    from genai_prices.data import providers

    return [(provider.id, model.id) for provider in providers for model in provider.models]


def theirs(
    provider_id: str, name: str, usage: Usage, at: datetime, context: dict[str, str]
) -> int | None:
    """Nano-USD by the source, rounded up; ``None`` where it finds no model."""
    from genai_prices.data_snapshot import get_snapshot
    from genai_prices.types import Usage as TheirUsage

    counts = {their: getattr(usage, ours) for ours, their in THEIR_NAMES.items()}
    try:
        found = get_snapshot().calc(
            TheirUsage(**counts), name, provider_id, None, at, price_context=context
        )
    except LookupError:
        return None
    return math.ceil(found.total_price * Decimal(10**9))


def rounded_models() -> set[tuple[str, str]]:
    import json

    return {(p, m) for p, m, _, _ in json.loads(DATA_PATH.read_text())["rounded"]}


MODELS = models() if INSTALLED == SOURCE_VERSION else [("", "")]
ROUNDED = rounded_models()


def context_of(tier: str | None, *, batch: bool) -> dict[str, str]:
    context = {"service_tier": tier, "speed": tier} if tier else {}
    return {**context, **({"processing": "batch"} if batch else {})}


@settings(max_examples=600, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    usage=usages(),
    at=st.datetimes(datetime(2023, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    tier=st.sampled_from([None, None, "flex", "priority", "default", "fast"]),
    batch=st.booleans(),
)
def test_any_usage_of_any_model_costs_what_the_source_says(
    model: tuple[str, str], usage: Usage, at: datetime, tier: str | None, batch: bool
) -> None:
    provider_id, name = model
    assume(model not in ROUNDED)
    expected = theirs(provider_id, name, usage, at, context_of(tier, batch=batch))
    price = book().find(provider_id, name, at=at, service_tier=tier, batch=batch)
    actual = None if price is None else price.cost(usage)
    assume(actual is not None)  # the source prices what it has no price for at 0, we do not
    assert actual == expected


def test_every_model_has_the_price_of_the_source_now_in_every_tier() -> None:
    usage = Usage(input_tokens=1_000, output_tokens=100, cache_read_tokens=300)
    compared = 0
    for provider_id, name in MODELS:
        for tier, batch in ((None, False), ("flex", False), ("priority", False), (None, True)):
            price = book().find(provider_id, name, at=NOW, service_tier=tier, batch=batch)
            if price is None or (provider_id, name) in ROUNDED:
                continue
            small = usage if 8 not in price.bands[0].uncovered else Usage(input_tokens=1_000)
            actual = price.cost(small)
            context = context_of(tier, batch=batch)
            assert actual == theirs(provider_id, name, small, NOW, context), (provider_id, name)
            compared += 1
    assert compared > 8_000


def test_prices_change_at_the_same_moment_as_in_the_source() -> None:
    """Every edge of every dated or daily price, one second before, at, and after it."""
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000, cache_read_tokens=300_000)
    edges = 0
    for provider_id, name in MODELS:
        at = datetime(2023, 1, 1, tzinfo=UTC).timestamp()
        for _ in range(12):
            price = book().find(provider_id, name, at=at)
            if price is None or price.until_s == math.inf or (provider_id, name) in ROUNDED:
                break
            at = price.until_s
            for second in (at - 1, at, at + 1):
                moment = datetime.fromtimestamp(second, UTC)
                there = book().find(provider_id, name, at=moment)
                assert there is not None
                if 8 not in there.bands[0].uncovered:
                    assert there.cost(usage) == theirs(provider_id, name, usage, moment, {})
            edges += 1
    assert edges > 100


@settings(max_examples=600, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    change=st.sampled_from(["", "-20250101", "-2025-01-01", "-latest", ":free", "@20250101"]),
    case=st.sampled_from([str, str.upper, str.title]),
    provider_id=st.sampled_from(
        ["", "openai", "azure", "google", "aws", "anthropic", "openrouter"]
    ),
)
def test_names_are_matched_as_in_the_source(
    model: tuple[str, str], change: str, case: Any, provider_id: str
) -> None:
    from genai_prices.data_snapshot import get_snapshot

    chosen = provider_id or model[0]
    name = case(model[1] + change)
    price = book().find(chosen, name, at=NOW)
    try:
        _, expected = get_snapshot().find_provider_model(name, None, chosen, None)
    except LookupError:
        assert price is None
        return
    if price is not None:
        assert price.model == expected.id


def test_the_committed_file_is_what_the_source_generates() -> None:
    assert generate() == DATA_PATH.read_text(encoding="utf-8")


def test_updating_writes_the_file_and_says_whether_it_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "data" / "prices.json"
    monkeypatch.setattr(generator, "DATA_PATH", path)
    assert generator.main() == 0
    assert generator.main() == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"prices.json: written, genai-prices-{SOURCE_VERSION}+")
    assert second.startswith("prices.json: unchanged")
    assert path.read_text() == DATA_PATH.read_text()


def test_another_release_of_the_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "SOURCE_VERSION", "0.0.1")
    with pytest.raises(
        RuntimeError, match=r"is installed, but generate\.SOURCE_VERSION says 0\.0\.1"
    ):
        generate()


def test_a_constraint_that_nobody_knows_is_refused() -> None:
    with pytest.raises(TypeError, match="unknown price constraint 'on sundays'"):
        generator._when("on sundays")


def test_a_price_finer_than_a_pico_dollar_is_refused() -> None:
    from genai_prices.data_units import unit_data

    from spanledger.pricing.generate import _Builder

    builder = _Builder(unit_data)
    assert builder.pico(("p", "m"), "input_tokens", Decimal("0.000001")) == 1
    with pytest.raises(PriceRefused, match=r"p/m: the price of input_tokens, 0\.0000015 USD"):
        builder.pico(("p", "m"), "input_tokens", Decimal("0.0000015"))


def test_a_price_that_went_through_a_float_is_rounded_and_listed() -> None:
    from genai_prices.data_units import unit_data

    from spanledger.pricing.generate import _Builder

    builder = _Builder(unit_data)
    assert builder.pico(("p", "m"), "input_tokens", Decimal("0.0833333333333333")) == 83_333
    assert builder.rounded == [["p", "m", "input_tokens", "0.0833333333333333"]]


def test_a_file_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="has format 99"):
        PriceBook({"format": 99})


def test_what_the_source_knows_no_price_of_stays_unpriced() -> None:
    """The source prices these at 0; nobody knows what they cost."""
    for provider_id, name in (
        ("openrouter", "google/lyria-3-pro-preview"),
        ("openai", "whisper-1"),
        ("cerebras", "qwen-3-coder-480b"),
    ):
        assert theirs(provider_id, name, Usage(input_tokens=10), NOW, {}) == 0
        assert book().find(provider_id, name, at=NOW + timedelta(days=1)) is None
