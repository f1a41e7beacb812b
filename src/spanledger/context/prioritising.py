"""Which blocks of a context fit a budget, and which go first."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from spanledger import pricing
from spanledger.context._ranking import drop_order
from spanledger.context.errors import ContextError, ContextTooSmall, ModelUnknown
from spanledger.pricing import Price
from spanledger.usage import Usage

__all__ = ["Block", "Prioritised", "affordable_tokens", "prioritise"]

_MOST_TOKENS = 1 << 31


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a context: a document, a message, the schema of a tool."""

    name: str
    tokens: int
    importance: float = 0.5
    """From 0 to 1."""
    pinned: bool = False
    """It stays in any case."""


@dataclass(frozen=True, slots=True)
class Prioritised:
    """Which blocks stay."""

    kept: tuple[Block, ...]
    """In the order in which they were given."""
    dropped: tuple[Block, ...]
    """First to go first."""
    tokens: int
    """Of those that stay."""
    budget_tokens: int


def prioritise(
    blocks: Sequence[Block],
    *,
    budget_tokens: int | None = None,
    budget_usd: Decimal | str | float | None = None,
    model: str = "",
    provider: str = "",
    expected_output_tokens: int = 0,
    at_s: float | None = None,
) -> Prioritised:
    """Choose the blocks that fit a budget, by what they matter for what they take.

    Blocks are ranked by ``importance ÷ (1 + tokens ÷ budget)``. The lowest go first, until the
    rest fits; then those come back that still fit, the highest first.

    Args:
        blocks: All that might be sent.
        budget_tokens: The most tokens of all together.
        budget_usd: Instead: what the call may cost, with its expected output.
        model: For a budget in money: which model.
        provider: As in the price data; empty: guessed from the model.
        expected_output_tokens: For a budget in money: tokens of the answer.
        at_s: When, in seconds since 1970; None: now.

    Raises:
        ContextError: there is not exactly one budget, or it can't be read.
        ContextTooSmall: what is pinned is larger than the budget.
        ModelUnknown: a budget in money, and the model has no known price.
    """
    if (budget_tokens is None) == (budget_usd is None):
        raise ContextError("give either `budget_tokens` or `budget_usd`")
    budget = budget_tokens
    if budget is None:
        at = time.time() if at_s is None else at_s
        budget = affordable_tokens(
            _nano_usd(budget_usd), _price(provider, model, at), expected_output_tokens
        )
    return _chosen(blocks, budget)


def affordable_tokens(budget_nano_usd: int, price: Price, output_tokens: int = 0) -> int:
    """The most input tokens of a call that costs at most so much, with its output. Pure."""
    low, high = 0, _MOST_TOKENS
    while low < high:
        middle = (low + high + 1) // 2
        cost = price.cost(Usage(middle, output_tokens))
        if cost is not None and cost <= budget_nano_usd:
            low = middle
        else:
            high = middle - 1
    return low


def _chosen(blocks: Sequence[Block], budget: int) -> Prioritised:
    pinned = sum(block.tokens for block in blocks if block.pinned)
    if pinned > budget:
        raise ContextTooSmall(pinned, budget)
    importances = [block.importance for block in blocks]
    order = drop_order(importances, [block.tokens for block in blocks], budget)
    tokens, gone = sum(block.tokens for block in blocks), []
    for place in order:
        if tokens <= budget:
            break
        if not blocks[place].pinned:
            gone.append(place)
            tokens -= blocks[place].tokens
    for place in reversed(list(gone)):
        if tokens + blocks[place].tokens <= budget:
            gone.remove(place)
            tokens += blocks[place].tokens
    out = set(gone)
    return Prioritised(
        tuple(block for place, block in enumerate(blocks) if place not in out),
        tuple(blocks[place] for place in gone),
        tokens,
        budget,
    )


def _nano_usd(amount: Decimal | str | float | None) -> int:
    try:
        nano = int(Decimal(str(amount)) * 10**9)
    except (InvalidOperation, ValueError, OverflowError) as error:
        raise ContextError(
            f"{amount!r} is no amount of US dollars; write it like '0.05'"
        ) from error
    if nano < 0:
        raise ContextError(f"a budget can't be below zero, and {amount} is")
    return nano


def _price(provider: str, model: str, at_s: float) -> Price:
    found = pricing.find(provider, model, at=at_s)
    if found is None:
        raise ModelUnknown(
            f"no price is known for {model or 'a call without a model'!r}; name a model that has "
            "one, give your prices (SPANLEDGER_PRICES), or a budget in tokens"
        )
    return found
