"""What is used inside a block, wherever in it: carried by OpenTelemetry's context, like scopes."""

from opentelemetry.context import Context, create_key, get_current

_KEY = create_key("spanledger-tally")


class Tally:
    """A sum of tokens. Every one is part of the one around it. The tracker's lock guards it."""

    __slots__ = ("around", "input_tokens", "operations", "output_tokens")

    def __init__(self) -> None:
        self.around: Tally | None = None
        self.operations = self.input_tokens = self.output_tokens = 0

    @property
    def total_tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens

    def count(self, input_tokens: int, output_tokens: int) -> None:
        """Add one operation to this one and all around it."""
        tally: Tally | None = self
        while tally is not None:
            tally.operations += 1
            tally.input_tokens += input_tokens
            tally.output_tokens += output_tokens
            tally = tally.around


def current_tally(context: Context | None = None) -> Tally | None:
    """The innermost one that is open in `context`, or in the current one."""
    found = (get_current() if context is None else context).get(_KEY)
    return found if isinstance(found, Tally) else None


def tally_key() -> str:
    """Under which it lies in the context."""
    return _KEY
