"""Amounts for people's eyes. Pure."""

import re
from decimal import Decimal

_CENT = Decimal("0.01")
_MICRO = Decimal("0.000001")
_LONGEST_WORD = 200
_LONGEST_TEXT = 900


def show_usd(amount: Decimal | None) -> str:
    """``$0.0012``: every digit, at least cents; ``unpriced`` where it is not known."""
    if amount is None:
        return "unpriced"
    whole, _, fraction = format(amount, "f").partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def show_about(amount: Decimal | None) -> str:
    """``$12.35`` or ``$0.001235``: cents from a dollar on, else millionths."""
    if amount is None:
        return show_usd(None)
    small = abs(amount) < 1 and amount != 0
    return show_usd(amount.quantize(_MICRO if small else _CENT))


def show_cost(amount: Decimal | None, unpriced_calls: int) -> str:
    """The known cost, and how many calls are not in it."""
    if amount is None or not unpriced_calls:
        return show_usd(amount)
    return f"{show_usd(amount)} + {unpriced_calls} unpriced"


def show_count(number: int) -> str:
    """``12,345``; nothing for 0, so that tables stay readable."""
    return f"{number:,}" if number else "–"


def show_duration(seconds: float) -> str:
    """``850 µs``, ``12.3 ms``, ``4.56 s``, ``3 min 07 s``."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def counted(number: int, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def harmless(text: str) -> str:
    """`text` on one line and without control characters: names come from anywhere, and a
    terminal obeys escape sequences."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def shortened(text: str) -> str:
    """`text` as an error may be: harmless line by line, no word and nothing at all too long.

    Errors quote what they were given, and that may be a page, or tell a terminal to clear itself.
    """
    lines = "\n".join(map(harmless, text.splitlines()))
    words = re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda found: _ends(found[0], _LONGEST_WORD), lines)
    return _ends(words, _LONGEST_TEXT)


def _ends(text: str, longest: int) -> str:
    """Both ends of a text: the beginning names it, the end says what to do."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]}…{text[-longest // 2 + 1 :]}"
