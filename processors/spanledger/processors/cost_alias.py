"""The cost under the names that are proposed for the conventions, for tools that read those.

Proposed in semantic-conventions-genai #443; ours (`spanledger.cost.nano_usd`) stays the truth,
because a double can't hold sums of money exactly.
"""

from spanledger import semconv


def cost_alias(nano_usd: int, provenance: str) -> dict[str, float | str]:
    """``gen_ai.usage.cost.{amount,currency,source}`` of an amount in nano-USD."""
    return {
        semconv.COST_AMOUNT: nano_usd / 1_000_000_000,
        semconv.COST_CURRENCY: "USD",
        semconv.COST_SOURCE: "provider" if provenance == "provider" else "local",
    }
