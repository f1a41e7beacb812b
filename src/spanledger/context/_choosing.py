"""Which units of a draft stay: the strategies' arithmetic. Pure."""

from collections.abc import Sequence

from spanledger.context._draft import Draft, Kept, required
from spanledger.context._ranking import drop_order


def fits(draft: Draft, limit_tokens: int) -> bool:
    """Whether everything may stay. A part can be larger than the whole, for markers stand in it."""
    return Kept(draft, draft.sound).tokens <= limit_tokens


def newest(draft: Draft, limit_tokens: int) -> list[int]:
    """What must stay, and the newest units without a hole, as many as fit.

    Raises:
        ContextTooSmall: what must stay is larger than the limit.
    """
    if fits(draft, limit_tokens):
        return draft.sound
    kept = required(draft, limit_tokens)
    for place in reversed(draft.sound):
        if place in draft.must:
            continue
        if kept.with_(place) > limit_tokens:
            break
        kept.add(place)
    return kept.places


def most_important(draft: Draft, importances: Sequence[float], limit_tokens: int) -> list[int]:
    """What must stay, and of the rest what ranks highest (`_ranking`). One importance a message.

    Raises:
        ContextTooSmall: what must stay is larger than the limit.
    """
    if fits(draft, limit_tokens):
        return draft.sound
    required(draft, limit_tokens)
    kept = Kept(draft, draft.sound)
    dropped: list[int] = []
    for place in _order(draft, importances, limit_tokens):
        if kept.tokens <= limit_tokens:
            break
        kept.drop(place)
        dropped.append(place)
    for place in reversed(dropped):
        if kept.with_(place) <= limit_tokens:
            kept.add(place)
    return kept.places


def _order(draft: Draft, importances: Sequence[float], limit_tokens: int) -> list[int]:
    """The units that may go, first to go first; one matters as much as its best message."""
    places = [place for place in draft.sound if place not in draft.must]
    worth = [max(importances[index] for index in draft.units[place].indexes) for place in places]
    tokens = [draft.tokens[place] for place in places]
    return [places[i] for i in drop_order(worth, tokens, limit_tokens)]
