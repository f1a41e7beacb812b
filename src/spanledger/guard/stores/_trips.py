"""A trip as a store keeps it: a short text. Pure."""

import json

from spanledger.guard.ledger import Trip


def write_trip(trip: Trip | None) -> str | None:
    """The text of a trip: a JSON list in the order of the fields."""
    return None if trip is None else json.dumps(trip, separators=(",", ":"))


def read_trip(text: str | bytes | None) -> Trip | None:
    """The inverse of `write_trip`; None for an empty text, too."""
    return Trip(*json.loads(text)) if text else None
