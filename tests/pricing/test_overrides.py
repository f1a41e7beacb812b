"""The user's own prices: read exactly, refused with a clear sentence, winning when valid."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.pricing import Price, PriceBook, PricesFileError
from spanledger.pricing.generate import DATA_PATH
from spanledger.pricing.overrides import load, parse
from spanledger.usage import Usage

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
RAW = json.loads(DATA_PATH.read_bytes())


def book(text: str) -> PriceBook:
    return PriceBook(RAW, parse(text))


def found(prices: PriceBook, provider: str, model: str, at: datetime = AT) -> Price:
    price = prices.find(provider, model, at=at)
    assert price is not None
    return price


def test_a_price_of_the_user_wins_over_the_built_in_one() -> None:
    prices = book(
        """
        [[price]]
        provider = "openai"
        model = "gpt-4o"
        input_usd_per_mtok = "1.10"
        output_usd_per_mtok = 2.20
        cache_read_usd_per_mtok = 1
        """
    )
    price = found(prices, "openai", "GPT-4o")
    assert price.cost(Usage(input_tokens=10, output_tokens=1, cache_read_tokens=4)) == (
        6 * 1100 + 4 * 1000 + 2200
    )
    assert price.version.startswith("overrides+")
    assert found(prices, "openai", "gpt-4o-mini").version == RAW["version"]


def test_a_class_that_the_user_states_no_price_for_is_not_taken_from_the_list() -> None:
    prices = book('[[price]]\nprovider="openai"\nmodel="gpt-4o"\ninput_usd_per_mtok="1"')
    price = found(prices, "openai", "gpt-4o")
    assert price.cost(Usage(input_tokens=10)) == 10_000
    assert price.cost(Usage(input_tokens=10, output_tokens=1)) is None


def test_a_local_model_can_be_free_when_the_user_says_so() -> None:
    prices = book(
        '[[price]]\nprovider="ollama"\nmodel="*"\ninput_usd_per_mtok=0\noutput_usd_per_mtok=0'
    )
    usage = Usage(input_tokens=10, output_tokens=5)
    assert found(prices, "Ollama", "llama3:8b").cost(usage) == 0
    assert prices.find("vllm", "llama3:8b", at=AT) is None


def test_exact_beats_prefix_and_a_long_prefix_beats_a_short_one() -> None:
    entries = [("my-*", 1), ("my-model-*", 2), ("my-model-1", 3)]
    prices = book(
        "".join(
            f'[[price]]\nprovider="*"\nmodel="{model}"\ninput_usd_per_mtok={usd}\n'
            for model, usd in entries
        )
    )
    one = Usage(input_tokens=1)
    assert found(prices, "x", "my-own").cost(one) == 1000
    assert found(prices, "x", "my-model-2").cost(one) == 2000
    assert found(prices, "x", "my-model-1").cost(one) == 3000


def test_prices_hold_from_their_date_on_and_the_list_holds_before() -> None:
    prices = book(
        """
        [[price]]
        provider = "openai"
        model = "gpt-4o"
        input_usd_per_mtok = 1
        valid_from = 2026-07-01
        [[price]]
        provider = "openai"
        model = "gpt-4o"
        input_usd_per_mtok = 2
        valid_from = 2026-08-01T12:00:00+02:00
        """
    )
    one = Usage(input_tokens=1)
    moments = [
        (datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC), 2500),
        (datetime(2026, 7, 1, tzinfo=UTC), 1000),
        (datetime(2026, 8, 1, 9, 59, 59, tzinfo=UTC), 1000),
        (datetime(2026, 8, 1, 10, tzinfo=UTC), 2000),
    ]
    for at, nano_usd in [*moments, *reversed(moments)]:
        assert found(prices, "openai", "gpt-4o", at).cost(one) == nano_usd


def test_an_alias_of_a_provider_is_that_provider() -> None:
    prices = book('[[price]]\nprovider="azure_openai"\nmodel="mine"\ninput_usd_per_mtok=1')
    assert found(prices, "azure.ai.openai", "mine").cost(Usage(input_tokens=1)) == 1000


def test_the_size_of_a_model_can_be_told() -> None:
    prices = book(
        '[[price]]\nprovider="openai"\nmodel="gpt-4o"\ninput_usd_per_mtok=1\n'
        "max_output_tokens=16384"
    )
    limits = prices.limits("openai", "gpt-4o")
    assert (limits.context_window_tokens, limits.max_output_tokens) == (128_000, 16_384)
    assert prices.limits("nobody", "nothing").context_window_tokens is None


def test_json_is_read_as_exactly_as_toml(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"price": [{"provider": "p", "model": "m", "input_usd_per_mtok": 0.000003}]}')
    prices = PriceBook(RAW, load(path))
    assert found(prices, "p", "m").bands[0].rates[0] == 3


@given(pico=st.integers(0, 10**12))
def test_every_whole_pico_dollar_is_read_exactly_as_text_and_as_number(pico: int) -> None:
    usd = f"{pico // 10**6}.{pico % 10**6:06d}"
    for written in (f'"{usd}"', usd):
        entry = f'[[price]]\nprovider="p"\nmodel="m"\ninput_usd_per_mtok={written}'
        assert parse(entry).entries[0].units == {"input_tokens": pico}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('input_usd_per_mtok = "free"', r"price 1: input_usd_per_mtok = 'free' is no amount"),
        ("input_usd_per_mtok = true", r"input_usd_per_mtok = True is no amount"),
        ("input_usd_per_mtok = -1", r"input_usd_per_mtok = -1 must be at least 0"),
        ('input_usd_per_mtok = "NaN"', r"must be at least 0 and at most 1000000 US dollars"),
        ("input_usd_per_mtok = inf", r"must be at least 0"),
        ("input_usd_per_mtok = 1e7", r"at most 1000000"),
        ('input_usd_per_mtok = "0.0000001"', r"finer than one pico-USD"),
        ("input_usd_per_mtok = [1]", r"is no amount"),
        ("input_price = 1", r"input_price = 1 is no known key; known are cache_read"),
        ("", r"price 1: states no price; add input_usd_per_mtok"),
        ("input_usd_per_mtok = 1\nvalid_from = 'soon'", r"valid_from = 'soon' must be a date"),
        ("input_usd_per_mtok = 1\nvalid_from = 12", r"valid_from = 12 must be a date"),
        (
            "input_usd_per_mtok = 1\nmax_output_tokens = 0",
            r"max_output_tokens = 0 must be a whole number",
        ),
    ],
)
def test_a_bad_entry_is_refused_with_file_entry_key_and_value(line: str, message: str) -> None:
    with pytest.raises(PricesFileError, match=message) as refused:
        parse(f'[[price]]\nprovider = "p"\nmodel = "m"\n{line}', name="my-prices.toml")
    assert "my-prices.toml" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[price]]\nmodel='m'\ninput_usd_per_mtok=1", r"provider = None must be a name"),
        ("[[price]]\nprovider='p'\nmodel=' '\ninput_usd_per_mtok=1", r"model = ' ' must be a name"),
        ("prices = [", r"no valid TOML"),
        ("[price]\nmodel='m'", r"expected a list of \[\[price\]\] entries"),
        ("other = 1", r"expected a list of \[\[price\]\] entries"),
        ("price = [1]", r"price 1: expected a table, not 1"),
    ],
)
def test_a_bad_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(PricesFileError, match=message):
        parse(text)


def test_json_that_is_none_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "p.json"
    broken.write_text("{")
    with pytest.raises(PricesFileError, match="no valid JSON"):
        load(broken)
    with pytest.raises(PricesFileError, match=r"cannot be read .* Correct the path"):
        load(tmp_path / "none.toml")
