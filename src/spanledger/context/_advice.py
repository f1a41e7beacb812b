"""What to do about a context, in words. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from spanledger.context._messages import SYSTEM_ROLES, View


class Facts(NamedTuple):
    """What advice is given on."""

    seen: Sequence[View]
    tokens: Sequence[int]
    total_tokens: int
    window_tokens: int | None
    exact: bool
    priced: bool
    problems: Sequence[str]


def advice(facts: Facts) -> list[str]:
    """The recommendations, the most pressing first."""
    return [
        *(f"{problem}; leave it out, or use a strategy, which does" for problem in facts.problems),
        *_window(facts),
        *_results(facts),
        *_largest(facts),
        *_repeated(facts),
        *_system(facts),
        *_unsure(facts),
    ]


def _window(facts: Facts) -> list[str]:
    if not facts.window_tokens:
        return ["the window of this model is not known; give `window_tokens`"]
    share = facts.total_tokens / facts.window_tokens
    if share > 1:
        return [f"the context is {share:.0%} of the window and will be refused; compress it now"]
    if share > 0.9:
        return [f"the context fills {share:.0%} of the window; compress it before the next call"]
    if share > 0.7:
        return [f"the context fills {share:.0%} of the window; compress it soon"]
    return []


def _results(facts: Facts) -> list[str]:
    results = sum(t for t, m in zip(facts.tokens, facts.seen, strict=True) if m.answers)
    if results > 500 and results > facts.total_tokens / 2:
        share = results / facts.total_tokens
        return [f"results of tools are {share:.0%} of the context; shorten them or drop old ones"]
    return []


def _largest(facts: Facts) -> list[str]:
    if len(facts.tokens) < 4:
        return []
    index = max(range(len(facts.tokens)), key=facts.tokens.__getitem__)
    tokens = facts.tokens[index]
    if tokens > 200 and tokens > facts.total_tokens / 4:
        share = tokens / facts.total_tokens
        return [f"message {index} alone is {share:.0%} of the context; shorten or summarise it"]
    return []


def _repeated(facts: Facts) -> list[str]:
    first: dict[tuple[str, ...], int] = {}
    found = []
    for index, message in enumerate(facts.seen):
        if facts.tokens[index] < 50:
            continue
        earlier = first.setdefault(message.texts, index)
        if earlier != index:
            found.append(
                f"message {index} says what message {earlier} says ({facts.tokens[index]} tokens)"
            )
    return found[:5]


def _system(facts: Facts) -> list[str]:
    pairs = zip(facts.tokens, facts.seen, strict=True)
    system = sum(tokens for tokens, message in pairs if message.role in SYSTEM_ROLES)
    if len(facts.seen) > 4 and system > 500 and system > facts.total_tokens * 0.3:
        share = system / facts.total_tokens
        return [f"the system prompt is {share:.0%} of the context and is paid with each call"]
    return []


def _unsure(facts: Facts) -> list[str]:
    found = []
    if not facts.exact:
        found.append("tokens are estimated: this model's encoding is not public; leave some room")
    if not facts.priced:
        found.append("this model has no known price; give one in your prices file")
    return found
