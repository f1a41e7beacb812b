"""The price book of a process: lazy, shared, and never the reason that a call fails."""

import logging
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from spanledger import pricing
from spanledger.pricing import PRICES_ENV, PricesFileError, _load, ceiling, find, limits, price
from spanledger.pricing._book import MAX_REMEMBERED
from spanledger.usage import Usage

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
ONE = Usage(input_tokens=1, output_tokens=1)
OWN = '[[price]]\nprovider="openai"\nmodel="gpt-4o"\ninput_usd_per_mtok=7\noutput_usd_per_mtok=0\n'


@pytest.fixture(autouse=True)
def _no_book(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PRICES_ENV, raising=False)
    monkeypatch.setattr(_load, "_book", None)


def test_importing_reads_no_file_and_nothing_heavy() -> None:
    program = """
import sys
import spanledger.pricing, spanledger.usage.openai, spanledger.usage.anthropic
import spanledger.usage.tokens
from spanledger.pricing import _load
assert _load._book is None
heavy = {"tiktoken", "genai_prices", "pydantic", "openai", "anthropic", "opentelemetry"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
spanledger.pricing.find("openai", "gpt-4o", at=1.8e9)
assert not heavy & set(sys.modules)
assert _load._book is not None
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_environment_names_the_users_prices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(OWN)
    monkeypatch.setenv(PRICES_ENV, str(path))
    cost = price("openai", "gpt-4o", ONE, at=AT)
    assert cost.nano_usd == 7000
    assert cost.price_version.startswith("overrides+")


def test_a_broken_file_is_said_aloud_when_configured(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text("[[price]]\nmodel = 1")
    before = pricing.book()
    with pytest.raises(PricesFileError):
        pricing.configure(path)
    assert pricing.book() is before


def test_a_broken_file_does_not_fail_a_call_that_is_being_priced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(PRICES_ENV, str(tmp_path / "none.toml"))
    with caplog.at_level(logging.ERROR):
        assert price("openai", "gpt-4o", ONE, at=AT).nano_usd == 12_500
        assert price("openai", "gpt-4o", ONE, at=AT).nano_usd == 12_500
    assert len(caplog.records) == 1
    assert "none.toml" in caplog.text


def test_configuring_replaces_the_prices(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(OWN)
    assert price("openai", "gpt-4o", ONE, at=AT).nano_usd == 12_500
    pricing.configure(path)
    assert price("openai", "gpt-4o", ONE, at=AT).nano_usd == 7000
    pricing.configure()
    assert price("openai", "gpt-4o", ONE, at=AT).nano_usd == 12_500


def test_many_threads_get_one_book_and_the_same_prices() -> None:
    books: list[object] = []
    costs: list[int | None] = []
    start = threading.Barrier(16)

    def work() -> None:
        start.wait()
        books.append(pricing.book())
        costs.extend(price("openai", "gpt-4o", ONE, at=AT).nano_usd for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(book) for book in books}) == 1
    assert set(costs) == {12_500}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_while_the_book_is_being_read_can_read_it_too() -> None:
    program = """
import os, sys, threading
from spanledger.pricing import _load, find
held = threading.Event()
def hold():
    with _load._lock:
        held.set()
        threading.Event().wait(30)
threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    os._exit(0 if find("openai", "gpt-4o", at=1.8e9) else 1)
status = os.waitpid(child, 0)[1]
os._exit(os.waitstatus_to_exitcode(status))
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=20)


def test_names_from_outside_cannot_fill_the_memory() -> None:
    for number in range(MAX_REMEMBERED + 100):
        assert find("openai", f"nonsense-{number}", at=AT) is None
    book = pricing.book()
    assert len(book._found) <= MAX_REMEMBERED
    assert len(book._models) <= MAX_REMEMBERED
    assert price("openai", "gpt-4o", ONE, at=AT).nano_usd == 12_500


def test_the_time_may_be_a_datetime_of_any_zone_or_seconds() -> None:
    midnight = datetime(2025, 6, 10, tzinfo=UTC)
    for at in (midnight, midnight.replace(tzinfo=None), midnight.timestamp(), 1_749_513_600):
        after = find("openai", "o3", at=at)
        assert after is not None
        assert after.bands[0].rates[0] == 2_000_000


def test_the_usage_knows_its_tier_better_than_the_caller() -> None:
    said = Usage(input_tokens=1000, service_tier="flex")
    assert price("openai", "gpt-5", said, at=AT, service_tier="priority").nano_usd == 625_000
    silent = Usage(input_tokens=1000)
    assert price("openai", "gpt-5", silent, at=AT, service_tier="priority").nano_usd == 2_500_000
    assert price("openai", "gpt-5", silent, at=AT, batch=True).nano_usd == 625_000


def test_unpriced_names_the_prices_that_were_searched() -> None:
    cost = price("openai", "gpt-99", ONE, at=AT)
    assert (cost.nano_usd, cost.provenance) == (None, "unpriced")
    assert cost.price_version == pricing.book().version


def test_the_ceiling_takes_the_dearest_classes() -> None:
    # Sonnet 4.5: a cache write for one hour at 6 USD, output at 15; above 200k 12 and 22.5.
    assert ceiling("anthropic", "claude-sonnet-4-5", 1000, 100, at=AT) == 1000 * 6000 + 100 * 15_000
    assert ceiling("anthropic", "claude-sonnet-4-5", 200_001, 100, at=AT) == (
        200_001 * 12_000 + 100 * 22_500
    )
    # Gemini 2.5 Flash: audio at 1 USD, text at 0.30.
    assert ceiling("gcp.gemini", "gemini-2.5-flash", 1000, 0, at=AT) == 1000 * 1000
    assert ceiling("gcp.gemini", "gemini-2.5-flash", 1000, 0, at=AT, text_only=True) == 1000 * 300


def test_the_ceiling_of_a_tier_that_the_provider_chooses_is_the_dearest() -> None:
    assert ceiling("openai", "gpt-5", 1000, 0, at=AT) == 1000 * 1250
    assert ceiling("openai", "gpt-5", 1000, 0, at=AT, service_tier="flex") == 1000 * 625
    assert ceiling("openai", "gpt-5", 1000, 0, at=AT, service_tier="auto") == 1000 * 2500


def test_there_is_no_ceiling_without_a_price() -> None:
    assert ceiling("openai", "gpt-99", 1000, 100, at=AT) is None
    assert ceiling("openai", "text-embedding-3-small", 1000, 0, at=AT) == 20_000
    assert ceiling("openai", "text-embedding-3-small", 1000, 1, at=AT) is None


def test_the_size_of_a_model_is_known_where_the_list_knows_it() -> None:
    assert limits("openai", "gpt-4o").context_window_tokens == 128_000
    assert limits("azure.ai.openai", "gpt-4o").context_window_tokens == 128_000
    assert limits("openai", "gpt-99").context_window_tokens is None
    assert limits("openai", "gpt-4o").max_output_tokens is None
