"""What an attempt is charged: its usage, read or counted by us, and its price.

Pure but for one question: whether this thread runs an event loop, which must not wait until
an encoding is loaded.
"""

import asyncio

from spanledger import pricing
from spanledger.guard import Spending
from spanledger.instrumentation._content import measure, text_of
from spanledger.instrumentation._facts import Reply, Request
from spanledger.instrumentation._failures import Charge
from spanledger.lean import make
from spanledger.usage import MISSING, Usage
from spanledger.usage.media import media_bound
from spanledger.usage.tokens import count_text

#: The usage of an attempt that is not charged for tokens.
NO_USAGE = Usage()


def charged_usage(
    charge: Charge, request: Request, reply: Reply, *, streamed: list[str] | None, answered: bool
) -> Usage:
    """The usage to charge: what the provider says, else our own count of what went over.

    `streamed`: the pieces of a stream; None for what was none. `answered`: a 2xx reply had come.
    """
    if charge == "estimate":
        if reply.usage.source == "provider":
            return reply.usage
        return _estimated(request, reply, streamed, answered=answered)
    return MISSING if charge == "unknown" else NO_USAGE


def _estimated(
    request: Request, reply: Reply, streamed: list[str] | None, *, answered: bool
) -> Usage:
    if request.output != "text" and request.operation == "generate_content":
        return _made(request)
    model, load = request.model, not _on_event_loop()
    text = reply.text or "".join(streamed or ())
    output = count_text(text, model, load=load).tokens if text else 0
    known = reply.usage
    if known.source == "estimated":
        # The provider named the input; only the output was still open.
        return Usage(
            input_tokens=known.input_tokens,
            output_tokens=max(output, known.output_tokens),
            cache_read_tokens=known.cache_read_tokens,
            cache_write_tokens=known.cache_write_tokens,
            cache_write_1h_tokens=known.cache_write_1h_tokens,
            source="estimated",
        )
    if answered and streamed is None and not text and request.operation != "embeddings":
        return MISSING
    return Usage(input_tokens=_sent(request), output_tokens=output, source="estimated")


def _made(request: Request) -> Usage:
    """The usage of a picture or of speech: no answer shows its tokens, the request does."""
    if request.max_output_tokens is None:
        return MISSING
    tokens = request.max_output_tokens * request.choices
    return Usage(
        input_tokens=_sent(request),
        output_tokens=tokens,
        output_audio_tokens=tokens if request.output == "audio" else 0,
        output_image_tokens=tokens if request.output == "image" else 0,
        source="estimated",
    )


def _sent(request: Request) -> int:
    """What went in, counted by us."""
    body, model, load = request.body, request.model, not _on_event_loop()
    media = (media_bound(part, request.provider, model) for part in measure(body).media)
    return count_text(text_of(body), model, load=load).tokens + sum(m.tokens for m in media)


def price(request: Request, model: str | None, usage: Usage, at_s: float) -> pricing.Cost:
    """The price of a usage under the name that answered, else under the one that was asked."""
    if usage is NO_USAGE:
        return pricing.Cost(0, "computed", "")
    cost = pricing.price(request.provider, model or request.model, usage, at=at_s)
    if cost.nano_usd is None and model and model != request.model:
        # Providers answer with names that no catalogue knows yet; the name that was asked
        # for is the one they bill.
        cost = pricing.price(request.provider, request.model, usage, at=at_s)
    return cost


def spending(usage: Usage, cost: pricing.Cost) -> Spending:
    """What the ledger is told."""
    source = usage.source
    tokens = None if source == "missing" else usage.input_tokens + usage.output_tokens
    return make(Spending, (tokens, cost.nano_usd, 1, source != "provider"))


def _on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
