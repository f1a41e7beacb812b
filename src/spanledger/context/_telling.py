"""Compressions on the trace."""

from collections.abc import Iterator
from contextlib import contextmanager

from spanledger import track
from spanledger.context._compression import Compression

SPAN_NAME = "compress context"


@contextmanager
def compressing() -> Iterator[None]:
    """The span of a compression: what a summariser asks of a model is below it."""
    with track.operation(SPAN_NAME):
        yield


def told(done: Compression, model: str) -> Compression:
    """Note what was done, in numbers, on the span that is open."""
    track.event(
        "context compressed",
        strategy=done.strategy,
        model=model,
        tokens_before=done.tokens_before,
        tokens_after=done.tokens_after,
        tokens_saved=done.saved_tokens,
        limit_tokens=done.limit_tokens,
        messages_kept=len(done.kept),
        messages_dropped=len(done.dropped),
    )
    return done
