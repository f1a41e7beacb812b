"""What goes first when not everything fits. Pure.

    rank = importance ÷ (1 + tokens ÷ budget)

A block that fills the whole budget counts for half its importance, a small one for nearly all of
it: of two that matter alike, the dearer goes first. Blocks go from the lowest rank up (of equal
rank: the oldest first) until the rest fits; then those that were dropped come back, from the
highest rank down, wherever they still fit.
"""

from collections.abc import Sequence


def rank(importance: float, tokens: int, budget_tokens: int) -> float:
    """How much a block is worth for what it takes."""
    return importance / (1 + tokens / max(1, budget_tokens))


def drop_order(
    importances: Sequence[float], tokens: Sequence[int], budget_tokens: int
) -> list[int]:
    """The places of all blocks, first to go first."""
    return sorted(
        range(len(tokens)), key=lambda i: (rank(importances[i], tokens[i], budget_tokens), i)
    )
