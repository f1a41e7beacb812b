"""What can be wrong with a context; each message says what to do."""


class ContextError(ValueError):
    """Base of every error of this room."""


class InvalidMessage(ContextError):
    """A message is neither an OpenAI chat message nor one of Anthropic's."""


class ContextTooSmall(ContextError):
    """What must stay (system prompt, pins, the last messages) is larger than the limit."""

    def __init__(self, needed_tokens: int, limit_tokens: int) -> None:
        super().__init__(
            f"what must stay takes {needed_tokens} tokens and the limit is {limit_tokens}; "
            "raise the limit, pin less, keep fewer of the last messages, or shorten the system "
            "prompt"
        )
        self.needed_tokens = needed_tokens
        self.limit_tokens = limit_tokens


class SummaryFailed(ContextError):
    """The summariser gave nothing that could stand for the messages."""


class ModelUnknown(ContextError):
    """A model has no known price or window, and the question can't be answered without."""
