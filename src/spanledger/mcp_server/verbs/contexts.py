"""What an agent's context holds, and how it gets smaller. No model is asked."""

from typing import Annotated, Any

from pydantic import Field

from spanledger.context import verbs
from spanledger.mcp_server.answers import Answer, plain
from spanledger.mcp_server.arguments import Name, Tokens
from spanledger.mcp_server.place import Place

Messages = Annotated[
    list[dict[str, Any]],
    Field(description="As they would be sent: OpenAI's or Anthropic's.", max_length=5_000),
]
System = Annotated[
    str | list[dict[str, Any]] | None,
    Field(description="Anthropic's system prompt, which is no message."),
]
MostTokens = Annotated[int, Field(ge=1, description="So many tokens may be left.")]
KeepLast = Annotated[int, Field(ge=0, description="So many of the last messages stay.")]
Pinned = Annotated[
    list[int] | None, Field(description="Messages that stay, by their index from 0.")
]


class Contexts:
    """The verbs."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def context_analyze(
        self,
        messages: Messages,
        model: Name,
        system: System = None,
        provider: Name = "",
        expected_output_tokens: Tokens = 0,
    ) -> Answer:
        """Tokens and importance of each message, what the next call costs, what could be done."""
        return _answer(
            verbs.context_analyze(messages, model, system, provider, expected_output_tokens)
        )

    def context_optimize(
        self,
        messages: Messages,
        model: Name,
        limit_tokens: MostTokens,
        system: System = None,
        provider: Name = "",
        keep_last: KeepLast = 4,
        pinned: Pinned = None,
    ) -> Answer:
        """The messages that matter most, within a limit of tokens."""
        return _answer(
            verbs.context_optimize(
                messages, model, limit_tokens, system, provider, keep_last, pinned or ()
            )
        )

    def context_summarize(
        self,
        messages: Messages,
        model: Name,
        limit_tokens: MostTokens,
        system: System = None,
        provider: Name = "",
        keep_last: KeepLast = 4,
        pinned: Pinned = None,
    ) -> Answer:
        """The newest messages, and a summary of the rest out of its own sentences."""
        return _answer(
            verbs.context_summarize(
                messages, model, limit_tokens, system, provider, keep_last, pinned or ()
            )
        )

    def context_truncate(
        self,
        messages: Messages,
        model: Name,
        limit_tokens: MostTokens,
        system: System = None,
        provider: Name = "",
        keep_last: KeepLast = 1,
        pinned: Pinned = None,
    ) -> Answer:
        """The newest messages, within a limit of tokens."""
        return _answer(
            verbs.context_truncate(
                messages, model, limit_tokens, system, provider, keep_last, pinned or ()
            )
        )

    def context_estimate_tokens(
        self,
        model: Name,
        text: str | None = None,
        messages: Messages | None = None,
        system: System = None,
        provider: Name = "",
    ) -> Answer:
        """How many tokens a text, or a request with these messages, has for a model, and how
        exact that is."""
        return _answer(verbs.context_estimate_tokens(model, text, messages, system, provider))


def _answer(found: dict[str, Any]) -> Answer:
    answer: Answer = plain(found)
    return answer
