"""What a request may use at the most, before it is sent."""

from collections.abc import Sequence

from spanledger import pricing
from spanledger.guard.decision import Estimate
from spanledger.lean import make
from spanledger.usage.media import Media, media_bound

#: Output reserved for a model of which neither the request nor the catalogue gives a limit.
#: Not a bound: such a stream is watched, and cut when what it holds can't grow.
ASSUMED_OUTPUT_TOKENS = 4096

UNBOUNDED = "assumed"

#: Kinds of input that may have a price of their own.
_DEARER = frozenset({"image", "audio"})
#: Operations whose answer has no tokens.
_NO_OUTPUT = frozenset({"embeddings"})


def estimate(
    *,
    provider: str,
    model: str,
    operation: str,
    input_bytes: int,
    max_output_tokens: int | None,
    choices: int,
    at: float,
    media: Sequence[Media] = (),
    service_tier: str | None = None,
    counted: str = "bytes",
    output: str = "text",
) -> Estimate:
    """An upper bound on tokens and cost of one attempt.

    Input: one token is at least one byte in every byte-level BPE, so the UTF-8 length of all
    texts, plus the framing that the caller added, can't be too low for text. `counted` says how
    `input_bytes` was found, if it was counted in tokens instead. `media` have bounds of their
    own; where there is none, the estimate is `soft`. Output: what the request allows for each
    choice, else the model's own limit, else `ASSUMED_OUTPUT_TOKENS`. `output` other than
    ``text`` (pictures, speech) may have a price of its own.
    """
    # What makes no sense is the provider's to refuse; reserving less than nothing for it would
    # make room for other calls meanwhile.
    if max_output_tokens is not None and max_output_tokens < 0:
        max_output_tokens = None
    output_tokens, method = _output(
        pricing.book(), provider, model, operation, max_output_tokens, max(1, choices)
    )
    input_tokens, soft = input_bytes, method == UNBOUNDED
    if media:
        bounds = [media_bound(part, provider, model) for part in media]
        input_tokens += sum(bound.tokens for bound in bounds)
        soft = soft or not all(bound.firm for bound in bounds)
        counted = "+".join(dict.fromkeys((counted, *(part.kind for part in media))))
    cost = pricing.ceiling(
        provider,
        model,
        input_tokens,
        output_tokens,
        at=at,
        service_tier=service_tier,
        text_only=output == "text" and not (media and any(m.kind in _DEARER for m in media)),
    )
    how = f"input:{counted} output:{method}"
    return make(Estimate, (input_tokens, output_tokens, cost, how, soft))


def _output(
    prices: pricing.PriceBook,
    provider: str,
    model: str,
    operation: str,
    requested: int | None,
    choices: int,
) -> tuple[int, str]:
    if operation in _NO_OUTPUT:
        return 0, "none"
    known = prices.limits(provider, model)
    ceiling = known.max_output_tokens or known.context_window_tokens
    if requested is not None:
        # A request may ask for more than the model can give: nobody pays for the difference.
        return (min(requested, ceiling) if ceiling else requested) * choices, "request"
    if ceiling is not None:
        return ceiling * choices, "ceiling"
    return ASSUMED_OUTPUT_TOKENS * choices, UNBOUNDED
