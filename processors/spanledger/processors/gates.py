"""Which client libraries have a gate in this process: their calls are admitted and billed there.

The gates say so themselves; processors, which may not look up to them, ask here.
"""

_gated: set[str] = set()


def opened(client: str) -> None:
    """From now on every call of `client` (its name on PyPI) goes through a gate."""
    _gated.add(client)


def closed(client: str) -> None:
    """The gate of `client` was taken out."""
    _gated.discard(client)


def is_gated(client: str) -> bool:
    """Whether calls of `client` go through a gate."""
    return client in _gated
