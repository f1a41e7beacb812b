"""How many tokens texts and messages have, for any model, without the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from spanledger.context._families import EXACT, Family, family_of
from spanledger.context._messages import Message, View, system_texts, view
from spanledger.usage.media import media_bound
from spanledger.usage.tokens import count_text, encoding_name

__all__ = ["Count", "Counter", "count_messages", "count_tokens"]

#: Counts that are remembered, by a digest of the text: the texts themselves are not kept.
_MOST_REMEMBERED: Final = 16_384
_remembered: dict[tuple[str, bytes], int] = {}


class Count(NamedTuple):
    """A number of tokens and how sure it is."""

    tokens: int
    method: str
    """``tiktoken:…`` is exact for text; ``estimate:…`` names what was counted instead;
    ``bytes`` is an upper bound."""
    exact: bool


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts for one model. Make it with `Counter.of`.

    Texts are exact where the model's encoding is public, else an estimate that errs high; images,
    recordings and files count as the most that they can be.
    """

    model: str
    provider: str
    family: Family
    exact: bool
    method: str

    @classmethod
    def of(cls, model: str, provider: str = "") -> "Counter":
        """The counter of a model; any name will do."""
        encoding = encoding_name(model)
        if encoding is not None:
            family = EXACT._replace(proxy=model)
            return cls(model, provider or family.provider, family, True, f"tiktoken:{encoding}")
        family = family_of(model)
        factor = f"{family.percent // 100}.{family.percent % 100:02}"
        method = f"estimate:{encoding_name(family.proxy)}*{factor}"
        return cls(model, provider or family.provider, family, False, method)

    def text(self, text: str) -> int:
        """The tokens of a text."""
        if not text:
            return 0
        return -(-_proxy_tokens(text, self.family.proxy) * self.family.percent // 100)

    def seen(self, message: View) -> int:
        """The tokens of a message that was read, with what stands around it."""
        family = self.family
        pieces = len(message.calls) + len(message.answers)
        tokens = family.message_tokens + pieces * family.call_tokens
        tokens += sum(self.text(text) for text in message.texts)
        return tokens + sum(
            media_bound(part, self.provider, self.model).tokens for part in message.media
        )

    def message(self, message: Message) -> int:
        """The tokens of a message, with what stands around it. Raises `InvalidMessage`."""
        return self.seen(view(message))

    def base(self, system: str | Sequence[Mapping[str, Any]] | None = None) -> int:
        """The tokens around all messages, and of a system prompt that is sent beside them."""
        texts = system_texts(system)
        framing = self.family.message_tokens if texts else 0
        return self.family.request_tokens + framing + sum(self.text(text) for text in texts)


def count_tokens(text: str, model: str) -> Count:
    """The tokens of a text for a model. Never raises, never uses the network.

    >>> count_tokens("Hello, world!", "gpt-4o")
    Count(tokens=4, method='tiktoken:o200k_base', exact=True)
    """
    counter = Counter.of(model)
    return Count(counter.text(text), counter.method, counter.exact)


def count_messages(
    messages: Sequence[Message],
    model: str,
    *,
    system: str | Sequence[Mapping[str, Any]] | None = None,
    provider: str = "",
) -> Count:
    """The input tokens of a call with these messages. Not counted: the schemas of tools.

    Raises:
        InvalidMessage: a message is of no known kind.
    """
    counter = Counter.of(model, provider)
    tokens = counter.base(system) + sum(
        counter.seen(view(message, index)) for index, message in enumerate(messages)
    )
    return Count(tokens, counter.method, counter.exact)


def _proxy_tokens(text: str, model: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    key = (encoding_name(model) or "", blake2b(data, digest_size=16).digest())
    known = _remembered.get(key)
    if known is None:
        known = count_text(text, model).tokens
        if len(_remembered) >= _MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key] = known
    return known
