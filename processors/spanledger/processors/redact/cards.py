"""Numbers of payment cards: 13 to 19 digits with a right check digit. Pure."""

import re
from collections.abc import Iterator

from spanledger.processors.redact.cuts import Cut
from spanledger.processors.redact.view import View

KIND = "credit-card"

_DIGITS = re.compile(rb"(?<![0-9A-Za-z.-])[2-6](?:[ -]?[0-9]){12,18}+(?![0-9A-Za-z-])")


def find_cards(view: View) -> Iterator[Cut]:
    """Each run of digits, in groups or not, that may be the number of a card."""
    for found in _DIGITS.finditer(view.data):
        digits = [byte - 48 for byte in found.group() if 48 <= byte <= 57]
        if passes_luhn(digits):
            yield Cut(found.start(), found.end(), KIND)


def passes_luhn(digits: list[int]) -> bool:
    """Whether the last digit is the check digit of those before it (ISO/IEC 7812-1)."""
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
