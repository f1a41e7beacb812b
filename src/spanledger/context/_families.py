"""How the messages of a model family are counted. Pure.

Exact where the family's encoding is public (`spanledger.usage.tokens` knows which and carries
them). Everywhere else the text is counted in a public encoding and multiplied: tokenizers differ
by a factor that depends little on the text, while characters per token depend on it a lot (prose
4, JSON 2 to 3, Chinese below 1). The factors are set to err high, so that a context that fits by
our count fits by the provider's.

The framing (tokens around each message and each request) is what OpenAI has published for its
chat models; for the others it is the same with one more.
"""

import re
from typing import Final, NamedTuple


class Family(NamedTuple):
    """One way of counting."""

    name: str
    provider: str
    """As the price data calls it; empty: it depends on who serves the model."""
    models: re.Pattern[str]
    proxy: str
    """A model whose encoding stands in for the family's own."""
    percent: int
    """What the proxy's count is multiplied with, in hundredths."""
    message_tokens: int
    """Around each message."""
    request_tokens: int
    """Around all of them."""
    call_tokens: int
    """Around each tool call, and each result."""


def _family(
    name: str, provider: str, models: str, percent: int, *, proxy: str = "gpt-4o", framing: int = 4
) -> Family:
    return Family(name, provider, re.compile(models), proxy, percent, framing, 3, 8)


#: The first that fits the lower-case name without its vendor's prefix.
FAMILIES: Final = (
    _family("openai", "openai", r"(gpt-|chatgpt-|o\d|text-embedding|davinci|babbage)", 100),
    # Its tokenizer since Opus 4.7 makes up to 1.35 times as many tokens as the one before.
    _family("claude", "anthropic", r"claude-(opus-4-[789]|(opus|sonnet|haiku|\w+)-[5-9])", 170),
    _family("claude", "anthropic", r".*claude", 125),
    _family("gemini", "gcp.gemini", r"(gemini|gemma)", 110),
    _family("llama", "", r"(meta-)?llama", 110, proxy="gpt-4"),
    _family("mistral", "", r"(mistral|ministral|mixtral|codestral|magistral|pixtral)", 125),
    _family("qwen", "", r"(qwen|qwq)", 115),
    _family("deepseek", "", r"deepseek", 115),
)
OTHER: Final = _family("other", "", r"", 130)
#: OpenAI's own models, with a published encoding: 3 tokens a message, not 4.
EXACT: Final = Family("openai", "openai", re.compile(""), "", 100, 3, 3, 8)


def family_of(model: str) -> Family:
    """The family of a model, by its name; `OTHER` if it is not known."""
    name = model.strip().lower().rpartition("/")[2].removeprefix("ft:")
    return next((family for family in FAMILIES if family.models.match(name)), OTHER)
