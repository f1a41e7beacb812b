"""What a strategy gives. Pure."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Compression:
    """A conversation that fits, and what it took to make it so."""

    strategy: str
    messages: tuple[dict[str, Any], ...]
    """To be sent: valid by the provider's rules."""
    kept: tuple[int, ...]
    """Indexes of the messages given that stay."""
    dropped: tuple[int, ...]
    """Indexes of those that do not."""
    tokens_before: int
    tokens_after: int
    limit_tokens: int
    summary: str | None = None
    summary_at: int | None = None
    """The index given before which the summary stands."""

    @property
    def saved_tokens(self) -> int:
        return self.tokens_before - self.tokens_after

    @property
    def changed(self) -> bool:
        return bool(self.dropped)
