"""The process's price book: read at the first look-up, not at import."""

import json
import logging
import os
import threading
from pathlib import Path

from spanledger.pricing import overrides
from spanledger.pricing._book import PriceBook

PRICES_ENV = "SPANLEDGER_PRICES"
"""The environment variable that names a file with the user's own prices."""

_DATA = Path(__file__).with_name("data") / "prices.json"
_logger = logging.getLogger(__name__)
_lock = threading.Lock()
_book: PriceBook | None = None


def book() -> PriceBook:
    """The price book of this process; made on first use."""
    return _book or _first()


def configure(path: str | Path | None = None) -> PriceBook:
    """Read the prices anew, with the user's own from ``path`` (default: ``SPANLEDGER_PRICES``).

    Raises ``PricesFileError`` for a file that cannot be used; the prices in use stay.
    """
    global _book
    fresh = _read(path or os.environ.get(PRICES_ENV))
    with _lock:
        _book = fresh
    return fresh


def _first() -> PriceBook:
    global _book
    with _lock:
        if _book is None:
            _book = _tolerant()
        return _book


def _tolerant() -> PriceBook:
    """A call that is being priced must not fail for a broken file; ``configure`` says it aloud."""
    try:
        return _read(os.environ.get(PRICES_ENV))
    except overrides.PricesFileError as error:
        _logger.error("%s The built-in prices are used.", error)
        return _read(None)


def _read(path: str | Path | None) -> PriceBook:
    own = overrides.load(path) if path else None
    return PriceBook(json.loads(_DATA.read_bytes()), own)


def _after_fork() -> None:
    """The lock of the parent may have been held by a thread that the child does not have."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
