"""`track_context`: a block whose tokens are added up as they come."""

from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from opentelemetry.context import Context, attach, detach, set_value

from spanledger.track.tokens._tally import Tally, current_tally, tally_key

if TYPE_CHECKING:
    from spanledger.track.tokens._tracker import Tracker


class TokenContext:
    """One block; made by `track_context`, for a ``with`` statement, also in coroutines.

    What is added becomes one operation when the block ends, also if it ends by an exception.
    """

    __slots__ = (
        "_added", "_input", "_operation", "_output", "_session", "_tally", "_token", "_tool",
        "_tracker",
    )  # fmt: skip

    def __init__(
        self, tracker: "Tracker", operation: str, tool: str | None, session: str | None
    ) -> None:
        self._tracker = tracker
        self._operation, self._tool, self._session = operation, tool, session
        self._tally = Tally()
        self._token: Token[Context] | None = None
        self._added = False
        self._input = self._output = 0

    def __enter__(self) -> Self:
        if self._token is not None:
            raise RuntimeError("this block is entered already; make another one for each use")
        self._tally.around = current_tally()
        self._token = attach(set_value(tally_key(), self._tally))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._added:
            added = self._input, self._output
            self._added, self._input, self._output = False, 0, 0
            self._tracker.track_operation(
                self._operation, *added, tool=self._tool, session=self._session
            )
        token: Any = self._token
        self._token = None
        detach(token)

    def add(self, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Add tokens. From one thread at a time. Raises `ValueError` for a negative number."""
        if input_tokens < 0 or output_tokens < 0:
            raise ValueError(f"tokens can't be negative: {input_tokens}, {output_tokens}")
        self._added = True
        self._input += input_tokens
        self._output += output_tokens

    def add_text(self, text: str, *, model: str = "", output: bool = False) -> int:
        """Count the tokens of a text as `track_text` does, and add them; how many they are."""
        tokens = self._tracker.count(text, model)
        self.add(0, tokens) if output else self.add(tokens)
        return tokens

    @property
    def input_tokens(self) -> int:
        """Used inside until now: by what was added, by operations, and by model calls."""
        return self._tally.input_tokens + self._input

    @property
    def output_tokens(self) -> int:
        """As `input_tokens`."""
        return self._tally.output_tokens + self._output

    @property
    def total_tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens
