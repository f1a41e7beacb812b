"""The four endpoints that are gated, called alike: the same code for plain and async clients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import anthropic
import openai

from spanledger.testing.providers import MockProvider

#: A word is a token to the mock provider: four in.
PROMPT = "count these four words"

#: Dollars for a million tokens, input and output, as the providers publish them.
PRICES_USD_PER_MTOK = {
    "gpt-4o-mini": (0.15, 0.60),
    "claude-haiku-4-5": (1.00, 5.00),
    "text-embedding-3-small": (0.02, 0.0),
}


def cost_nano_usd(model: str, input_tokens: int, output_tokens: int) -> int:
    """What a call costs, worked out by hand: a dollar a million tokens is 1000 nano-USD each."""
    inside, outside = PRICES_USD_PER_MTOK[model]
    return round(input_tokens * inside * 1000 + output_tokens * outside * 1000)


@dataclass(frozen=True)
class Api:
    """One endpoint: how it is called, and how text is found in its answers and chunks."""

    name: str
    library: Literal["openai", "anthropic"]
    model: str
    operation: str
    endpoint: Callable[[Any], Any]
    body: dict[str, Any]

    def create(self, client: Any, **extra: Any) -> Any:
        """The call; something to await if the client is async."""
        return self.endpoint(client).create(**{**self.body, **extra})

    def stream(self, client: Any, **extra: Any) -> Any:
        return self.create(client, stream=True, **extra)

    def client(self, provider: MockProvider, **options: Any) -> Any:
        cls = openai.OpenAI if self.library == "openai" else anthropic.Anthropic
        return _make(cls, self.library, provider, options)

    def async_client(self, provider: MockProvider, **options: Any) -> Any:
        cls = openai.AsyncOpenAI if self.library == "openai" else anthropic.AsyncAnthropic
        return _make(cls, self.library, provider, options)


def _make(cls: Any, library: str, provider: MockProvider, options: dict[str, Any]) -> Any:
    url = provider.openai_base_url if library == "openai" else provider.anthropic_base_url
    return cls(**{"base_url": url, "api_key": "none", "max_retries": 0, **options})


_MESSAGES = [{"role": "user", "content": PROMPT}]

CHAT = Api(
    "chat",
    "openai",
    "gpt-4o-mini",
    "chat",
    lambda client: client.chat.completions,
    {"model": "gpt-4o-mini", "messages": _MESSAGES, "max_tokens": 64},
)
RESPONSES = Api(
    "responses",
    "openai",
    "gpt-4o-mini",
    "chat",
    lambda client: client.responses,
    {"model": "gpt-4o-mini", "input": PROMPT, "max_output_tokens": 64},
)
MESSAGES = Api(
    "messages",
    "anthropic",
    "claude-haiku-4-5",
    "chat",
    lambda client: client.messages,
    {"model": "claude-haiku-4-5", "messages": _MESSAGES, "max_tokens": 64},
)
EMBEDDINGS = Api(
    "embeddings",
    "openai",
    "text-embedding-3-small",
    "embeddings",
    lambda client: client.embeddings,
    {"model": "text-embedding-3-small", "input": PROMPT},
)

STREAMING = (CHAT, RESPONSES, MESSAGES)
ALL = (*STREAMING, EMBEDDINGS)


def error_of(library: str, name: str) -> type[Exception]:
    """An exception class that both libraries have under the same name."""
    module = openai if library == "openai" else anthropic
    cls: type[Exception] = getattr(module, name)
    return cls
