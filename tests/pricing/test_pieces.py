"""The pure pieces: matching of names, constraints of time, compiled prices."""

from datetime import UTC, datetime

import pytest

from spanledger.pricing._match import Matcher, dashed_dates, predicate
from spanledger.pricing._table import Band, Price, UnitPrice, compile_bands
from spanledger.pricing._when import active, span_s
from spanledger.usage import Usage

MIDNIGHT_S = datetime(2026, 11, 20, tzinfo=UTC).timestamp()


def compiled(units: dict[str, UnitPrice], *, free: bool = False) -> Price:
    bands = compile_bands(units, free=free)
    apart = "output_reasoning_tokens" in units
    return Price("p", "m", bands, apart, "v", float("-inf"), float("inf"))


@pytest.mark.parametrize(
    ("clauses", "name", "index"),
    [
        ([["equals", "ab"], ["starts_with", "a"]], "ab", 0),
        ([["starts_with", "a"], ["equals", "ab"]], "ab", 0),
        ([["starts_with", "a"], ["starts_with", "ab"], ["equals", "abc"]], "abc", 0),
        ([["equals", "x"], ["equals", "x"]], "x", 0),
        ([["equals", "x"], ["or", [["equals", "x"], ["ends_with", "z"]]]], "yz", 1),
        ([["and", [["contains", "a"], ["regex", "^[^b]*$"]]]], "xax", 0),
        ([["and", [["contains", "a"], ["regex", "^[^b]*$"]]]], "xab", None),
        ([["or", [["and", [["starts_with", "a"], ["ends_with", "b"]]]]]], "axb", 0),
        ([], "x", None),
    ],
)
def test_the_first_clause_that_holds_wins(
    clauses: list[list[object]], name: str, index: int | None
) -> None:
    assert Matcher(clauses).first(name) == index


def test_clauses_within_clauses_are_tests_too() -> None:
    nested = predicate(["or", [["equals", "a"], ["and", [["contains", "b"], ["contains", "c"]]]]])
    assert [nested(name) for name in ("a", "bc", "b")] == [True, True, False]


def test_an_unknown_clause_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown match clause 'sounds_like'"):
        Matcher([["sounds_like", "gpt"]])


@pytest.mark.parametrize(
    ("name", "rewritten"),
    [
        ("gpt-5.2-20251211", "gpt-5.2-2025-12-11"),
        ("gpt-5.2-20251211:free", "gpt-5.2-2025-12-11:free"),
        ("gpt-5.2-20251211-eu", "gpt-5.2-2025-12-11-eu"),
        ("gpt-5.2-20240231", "gpt-5.2-20240231"),
        ("gpt-5.2-202512110", "gpt-5.2-202512110"),
        ("gpt@20251211", "gpt@20251211"),
    ],
)
def test_only_days_of_the_calendar_are_rewritten(name: str, rewritten: str) -> None:
    assert dashed_dates(name) == rewritten


@pytest.mark.parametrize(
    ("clock", "holds"),
    [
        ("21:59:59", False),
        ("22:00:00", True),
        ("00:00:00", True),
        ("05:59:59", True),
        ("06:00:00", False),
        ("12:00:00", False),
    ],
)
def test_hours_over_midnight_hold_on_both_sides_of_it(clock: str, holds: bool) -> None:
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    at_s = MIDNIGHT_S + hours * 3600 + minutes * 60 + seconds
    assert active(["22:00:00", "06:00:00"], at_s) is holds


def test_the_span_of_a_price_ends_where_any_constraint_changes() -> None:
    whens = [None, "2026-11-20", ["22:00:00", "06:00:00"]]
    assert span_s(whens, MIDNIGHT_S + 60) == (MIDNIGHT_S, MIDNIGHT_S + 6 * 3600)
    assert span_s(whens, MIDNIGHT_S - 60) == (MIDNIGHT_S - 2 * 3600, MIDNIGHT_S)
    assert span_s([None], 0.0) == (float("-inf"), float("inf"))


def test_reasoning_without_a_price_of_its_own_stays_within_the_output() -> None:
    """Reasoning and audio may overlap; only what is priced apart is taken out."""
    price = compiled({"output_tokens": 1000, "output_audio_tokens": 5000})
    usage = Usage(output_tokens=100, output_audio_tokens=60, reasoning_tokens=50)
    assert price.cost(usage) == 40 + 60 * 5


def test_of_two_prices_that_overlap_the_dearer_counts() -> None:
    price = compiled({"input_tokens": 2000, "cache_read_tokens": 1000, "input_audio_tokens": 9000})
    usage = Usage(
        input_tokens=10, cache_read_tokens=10, input_audio_tokens=10, cache_read_audio_tokens=10
    )
    assert price.cost(usage) == 90


def test_tiers_of_different_starts_make_a_band_each() -> None:
    price = compiled({"input_tokens": [1, [100, 2]], "output_tokens": [10, [50, 20], [100, 30]]})
    seen = [(band.start, band.rates[0], band.rates[8]) for band in price.bands]
    assert seen == [(0, 1, 10), (50, 1, 20), (100, 2, 30)]


def test_a_free_model_covers_every_class() -> None:
    price = compiled({}, free=True)
    assert price.cost(Usage(input_tokens=5, output_tokens=5, web_searches=1)) == 0


def test_a_tiered_price_of_another_shape_is_refused() -> None:
    with pytest.raises(TypeError, match="a tiered price is"):
        compile_bands({"input_tokens": [[1, 2]]}, free=False)


def test_a_band_names_what_it_does_not_cover() -> None:
    (band,) = compile_bands({"input_tokens": 1}, free=False)
    assert isinstance(band, Band)
    assert band.uncovered == (8, 9, 10, 11, 12)
