"""How `litellm` is called and what it answers, whatever the provider. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from spanledger.instrumentation._facts import Reply, get, text, whole
from spanledger.instrumentation._openai_chat import ChatCompletions
from spanledger.usage import MISSING
from spanledger.usage import litellm as usage_of
from spanledger.usage.dialect_table import PROVIDERS

_Body = Mapping[str, Any]

#: LiteLLM's own words for providers that the conventions name otherwise.
_OWN_WORDS = {
    "azure_ai": "azure.ai.inference",
    "azure_text": "azure.ai.openai",
    "codestral": "mistral_ai",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "ollama_chat": "ollama",
    "text-completion-codestral": "mistral_ai",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex_ai_beta": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
}
#: With one of these nothing is sent: LiteLLM makes up the answer.
_MOCKS = ("mock_response", "mock_tool_calls", "mock_timeout")


def provider_of(word: str) -> str:
    """The provider behind LiteLLM's word for it."""
    return _OWN_WORDS.get(word) or PROVIDERS.get(word) or word


def is_sent(body: _Body) -> bool:
    """Whether this call sends a request itself: no mock, and no calls of its own behind it."""
    return not (any(body.get(name) for name in _MOCKS) or body.get("fallbacks"))


class Completion:
    """``litellm.completion`` and all that ends in it."""

    operation = "chat"

    def max_output_tokens(self, body: _Body) -> int | None:
        """The output limit, for each choice."""
        return whole(body.get("max_completion_tokens")) or whole(body.get("max_tokens"))

    def with_output_limit(self, body: _Body, limit: int) -> dict[str, Any]:
        """What to add for a call without an output limit."""
        return {} if self.max_output_tokens(body) else {"max_tokens": limit}

    def with_usage(self, body: _Body) -> dict[str, Any]:
        """What to add for a stream that does not ask for its usage."""
        asked = body.get("stream_options")
        if not body.get("stream") or (isinstance(asked, Mapping) and asked.get("include_usage")):
            return {}
        return {"stream_options": {**(asked or {}), "include_usage": True}}

    def read_reply(self, reply: Any) -> Reply:
        found = _CHAT.read_reply(reply)
        tier = text(get(reply, "service_tier"))
        return found._replace(usage=usage_of.from_chat(get(reply, "usage"), service_tier=tier))

    def stream_reader(self) -> "Stream":
        return Stream(self, ())


_CHAT = ChatCompletions()


class Stream:
    """Its last chunk carries the usage, which LiteLLM counts by itself if the provider said none.

    `collected`: the chunks as LiteLLM keeps them, of which one has the usage of the provider.
    """

    __slots__ = ("_answers", "_collected", "_inner", "_usage", "text")

    def __init__(self, answers: Completion, collected: Sequence[Any]) -> None:
        self._answers = answers
        self._collected = collected
        self._inner = _CHAT.stream_reader()
        self._usage: Any = None
        self.text: list[str] = self._inner.text

    def chunk(self, chunk: Any) -> bool:
        self._inner.chunk(chunk)
        if self.hidden(chunk):
            self._usage = chunk
        return self._usage is not None

    def hidden(self, chunk: Any) -> bool:
        return get(chunk, "usage") is not None

    def reply(self) -> Reply:
        known = self._inner.reply()._replace(usage=MISSING)
        if self._usage is None or not any(get(c, "usage") for c in self._collected):
            return known
        return known._replace(usage=self._answers.read_reply(self._usage).usage)


class Embedding(Completion):
    """``litellm.embedding``."""

    operation = "embeddings"

    def max_output_tokens(self, body: _Body) -> int | None:
        return None

    def with_output_limit(self, body: _Body, limit: int) -> dict[str, Any]:
        return {}

    def with_usage(self, body: _Body) -> dict[str, Any]:
        return {}

    def read_reply(self, reply: Any) -> Reply:
        return Reply(usage_of.from_embeddings(get(reply, "usage")), text(get(reply, "model")))


FUNCTIONS: dict[str, Completion] = {"completion": Completion(), "embedding": Embedding()}
