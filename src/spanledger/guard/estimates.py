"""What a request may use at the most, before it is sent."""

from spanledger import pricing
from spanledger.guard.decision import Estimate

#: Output reserved for a model of which neither the request nor the catalogue gives a limit.
#: Not a bound: such a stream is watched, and cut when what it holds can't grow.
ASSUMED_OUTPUT_TOKENS = 4096

UNBOUNDED = "assumed"

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
) -> Estimate:
    """An upper bound on tokens and cost of one attempt.

    Input: one token is at least one byte in every byte-level BPE, so the UTF-8 length of all
    texts, plus the framing that the caller added, can't be too low for text. Output: what the
    request allows for each choice, else the model's own limit, else `ASSUMED_OUTPUT_TOKENS`.
    """
    # What makes no sense is the provider's to refuse; reserving less than nothing for it would
    # make room for other calls meanwhile.
    if max_output_tokens is not None and max_output_tokens < 0:
        max_output_tokens = None
    choices = max(1, choices)
    output_tokens, method = _output(provider, model, operation, max_output_tokens, choices)
    cost = pricing.ceiling(provider, model, input_bytes, output_tokens, at=at, text_only=True)
    return Estimate(input_bytes, output_tokens, cost, f"input:bytes output:{method}")


def _output(
    provider: str, model: str, operation: str, requested: int | None, choices: int
) -> tuple[int, str]:
    if operation in _NO_OUTPUT:
        return 0, "none"
    known = pricing.limits(provider, model)
    ceiling = known.max_output_tokens or known.context_window_tokens
    if requested is not None:
        # A request may ask for more than the model can give: nobody pays for the difference.
        return (min(requested, ceiling) if ceiling else requested) * choices, "request"
    if ceiling is not None:
        return ceiling * choices, "ceiling"
    return ASSUMED_OUTPUT_TOKENS * choices, UNBOUNDED
