"""Prices compiled to integers, and the one sum that turns tokens into money. Pure.

Every token falls into exactly one bucket (a cached audio token is neither an input token nor
an audio token any more), every bucket has one price in pico-USD. A bucket without a price of
its own takes the price of the class it is a part of. The sum is rounded up once, to whole
nano-USD. The SQL that prices spans in ClickHouse does the same; tests/pricing/golden.json
holds both to it.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from spanledger.lean import dataclass
from spanledger.usage import Usage

PICO_PER_NANO: Final = 1000

UnitPrice = int | list[int | list[int]]
"""pico-USD for one unit, or ``[base, [start, price], ...]``: the whole call at the price of
the last tier whose start its input tokens exceed (a cliff, not a staircase)."""

# For each bucket the units that may price it, most specific first. Where one entry names
# two, they overlap without one holding the other, and the dearer of those stated counts.
_BUCKETS: Final[tuple[tuple[tuple[str, ...], ...], ...]] = (
    (("input_tokens",),),
    (("cache_read_tokens",), ("input_tokens",)),
    (("cache_write_5m_tokens",), ("cache_write_tokens",), ("input_tokens",)),
    (("cache_write_1h_tokens",), ("cache_write_tokens",), ("input_tokens",)),
    (("input_audio_tokens",), ("input_tokens",)),
    (
        ("cache_audio_read_tokens",),
        ("cache_read_tokens", "input_audio_tokens"),
        ("input_tokens",),
    ),
    (("input_image_tokens",), ("input_tokens",)),
    (
        ("cache_image_read_tokens",),
        ("cache_read_tokens", "input_image_tokens"),
        ("input_tokens",),
    ),
    (("output_tokens",),),
    (("output_reasoning_tokens",), ("output_tokens",)),
    (("output_audio_tokens",), ("output_tokens",)),
    (("output_image_tokens",), ("output_tokens",)),
    (("web_searches",),),
)
_INPUT: Final = slice(0, 8)
_TEXT_INPUT: Final = slice(0, 4)
_OUTPUT: Final = slice(8, 12)
_TEXT_OUTPUT: Final = slice(8, 10)

# Classes that a usage cannot report yet, but that a call may still be charged for.
_UNREPORTED_INPUT: Final = ("input_video_tokens",)
_UNREPORTED_OUTPUT: Final = ("output_video_tokens",)


def buckets(usage: Usage, *, reasoning_apart: bool) -> tuple[int, ...]:
    """The usage as exclusive counts, in the order of the price buckets.

    Where parts say more than their whole (more cached tokens than input), each part counts
    once and the remainder is 0: as if the whole were the sum of its parts, so that nothing
    is counted twice and nothing is free. ``reasoning_apart`` is whether reasoning has a
    price of its own; otherwise it stays inside the output.
    """
    u = usage
    read_audio, read_image = u.cache_read_audio_tokens, u.cache_read_image_tokens
    read = max(0, u.cache_read_tokens - read_audio - read_image)
    write_1h = u.cache_write_1h_tokens
    write = max(0, u.cache_write_tokens - write_1h)
    audio = max(0, u.input_audio_tokens - read_audio)
    image = max(0, u.input_image_tokens - read_image)
    parts = read + write + write_1h + audio + read_audio + image + read_image
    rest = max(0, u.input_tokens - parts)
    reasoning = u.reasoning_tokens if reasoning_apart else 0
    out_parts = reasoning + u.output_audio_tokens + u.output_image_tokens
    return (
        *(rest, read, write, write_1h, audio, read_audio, image, read_image),
        *(max(0, u.output_tokens - out_parts), reasoning),
        *(u.output_audio_tokens, u.output_image_tokens, u.web_searches),
    )


#: Counts of a usage from its audio to its searches, where it has none of them.
_NONE: Final = (0,) * 7


def is_plain(usage: Usage) -> bool:
    """Whether a usage is text alone, at most read from the cache, with parts that fit."""
    into, out, read, write, write_1h, reasoning = usage[:6]
    return not (write or write_1h) and usage[6:13] == _NONE and read <= into and reasoning <= out


def contradicts(usage: Usage) -> bool:
    """Whether parts of the usage are larger than their whole. Never of one that is plain."""
    u = usage
    read_media = u.cache_read_audio_tokens + u.cache_read_image_tokens
    media = u.input_audio_tokens + u.input_image_tokens
    return (
        u.input_tokens < u.cache_read_tokens + u.cache_write_tokens + media - read_media
        or u.cache_write_tokens < u.cache_write_1h_tokens
        or u.cache_read_tokens < read_media
        or u.input_audio_tokens < u.cache_read_audio_tokens
        or u.input_image_tokens < u.cache_read_image_tokens
        or u.output_tokens < u.reasoning_tokens
        or u.output_tokens < u.output_audio_tokens + u.output_image_tokens
    )


@dataclass(frozen=True, slots=True)
class Band:
    """The prices that hold for calls with more than ``start`` input tokens, in pico-USD."""

    start: int
    rates: tuple[int, ...]
    """One price for each bucket; 0 also where there is none, see ``uncovered``."""
    uncovered: tuple[int, ...]
    """The buckets that this price says nothing about; a call that used one has no cost."""
    request: int
    """Charged once for each call."""
    dearest_input: int
    dearest_output: int
    dearest_text_input: int
    dearest_text_output: int

    def plain_cost(self, usage: Usage) -> int | None:
        """Nano-USD for a plain usage: what `Price.cost` says of it, in a third of the time."""
        read = usage.cache_read_tokens
        rest, out = usage.input_tokens - read, usage.output_tokens
        missing = self.uncovered
        if missing and (
            (rest and 0 in missing) or (read and 1 in missing) or (out and 8 in missing)
        ):
            return None
        rates = self.rates
        pico = self.request + rest * rates[0] + read * rates[1] + out * rates[8]
        return -(-pico // PICO_PER_NANO)


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs at one time, in one service tier."""

    provider: str
    """The provider whose price list this is; for a resold model not the one that was called."""
    model: str
    """The model's id in that list."""
    bands: tuple[Band, ...]
    reasoning_apart: bool
    version: str
    """Which price data this came from."""
    since_s: float
    until_s: float
    """The half-open span, in seconds since the epoch, for which this price was looked up."""

    def cost(self, usage: Usage, *, plain: bool = False) -> int | None:
        """Nano-USD for the usage, rounded up once; ``None`` if it used what has no price here.

        ``plain``: the usage `is_plain`; then there may be less to look at.
        """
        if plain and not self.reasoning_apart and len(self.bands) == 1:
            return self.bands[0].plain_cost(usage)
        counts = buckets(usage, reasoning_apart=self.reasoning_apart)
        band = self.bands[0]
        if len(self.bands) > 1:
            band = self._band(sum(counts[_INPUT]))
        for index in band.uncovered:
            if counts[index]:
                return None
        pico = band.request
        for count, rate in zip(counts, band.rates, strict=True):
            if count:
                pico += count * rate
        return -(-pico // PICO_PER_NANO)

    def ceiling(
        self, input_tokens: int, output_tokens: int, *, text_only: bool = False
    ) -> int | None:
        """Nano-USD that a call with at most so many tokens can cost, whatever their classes.

        Every input token at the dearest input class (a cache write for one hour, audio), every
        output token at the dearest output class, in the dearest tier that so many input tokens
        can reach. ``text_only`` leaves out audio, images and video. Searches are not included.
        ``None`` if tokens of one direction have no price.
        """
        dearest = 0
        for band in self.bands:
            if band.start and band.start >= input_tokens:
                break
            missing = band.uncovered
            if missing and ((input_tokens and 0 in missing) or (output_tokens and 8 in missing)):
                return None
            rate_in = band.dearest_text_input if text_only else band.dearest_input
            rate_out = band.dearest_text_output if text_only else band.dearest_output
            pico = band.request + input_tokens * rate_in + output_tokens * rate_out
            dearest = max(dearest, pico)
        return -(-dearest // PICO_PER_NANO)

    def _band(self, input_tokens: int) -> Band:
        for band in reversed(self.bands):
            if input_tokens > band.start:
                return band
        return self.bands[0]


def compile_bands(units: Mapping[str, UnitPrice], *, free: bool) -> tuple[Band, ...]:
    """One band for each tier start that occurs; ``free``: what is not stated costs nothing."""
    starts = {0}
    for price in units.values():
        if isinstance(price, list):
            starts.update(tier[0] for tier in price[1:] if isinstance(tier, list))
    return tuple(_compile_band(units, start, free=free) for start in sorted(starts))


def _compile_band(units: Mapping[str, UnitPrice], start: int, *, free: bool) -> Band:
    at = {unit: _tier(price, start) for unit, price in units.items()}
    found = [_bucket_rate(at, choices) for choices in _BUCKETS]
    rates = tuple(rate or 0 for rate in found)
    missing = () if free else tuple(i for i, rate in enumerate(found) if rate is None)
    return Band(
        start=start,
        rates=rates,
        uncovered=missing,
        request=at.get("requests", 0),
        dearest_input=max(*rates[_INPUT], *(at.get(unit, 0) for unit in _UNREPORTED_INPUT)),
        dearest_output=max(*rates[_OUTPUT], *(at.get(unit, 0) for unit in _UNREPORTED_OUTPUT)),
        dearest_text_input=max(rates[_TEXT_INPUT]),
        dearest_text_output=max(rates[_TEXT_OUTPUT]),
    )


def _tier(price: UnitPrice, start: int) -> int:
    """The price of one unit in the band that begins above ``start``."""
    if isinstance(price, int):
        return price
    base, *tiers = price
    chosen = base
    for tier in tiers:
        if isinstance(tier, list) and tier[0] <= start:
            chosen = tier[1]
    if not isinstance(chosen, int):
        raise TypeError(f"a tiered price is [base, [start, price], ...], not {price!r}")
    return chosen


def _bucket_rate(at: Mapping[str, int], choices: Sequence[tuple[str, ...]]) -> int | None:
    for units in choices:
        stated = [at[unit] for unit in units if unit in at]
        if stated:
            return max(stated)
    return None
