"""What came of a tool, and of a chain of them."""

from typing import Any, NamedTuple


class ToolResult(NamedTuple):
    """What came of one call of a tool."""

    tool: str
    success: bool
    value: Any = None
    error: str = ""
    """``ValueError: no such page``; empty if it went well."""
    duration_s: float = 0.0
    tokens: int = 0
    """What model calls and tracked operations inside of it used."""
    exception: Exception | None = None

    def unwrap(self) -> Any:
        """The value. Raises the exception that the call ended in."""
        if self.exception is not None:
            raise self.exception
        return self.value

    def as_dict(self) -> dict[str, Any]:
        """For JSON and for the model: without the exception itself."""
        found = self._asdict()
        del found["exception"]
        return found


class ChainResult(NamedTuple):
    """What came of a chain: its last value, or the error at which it ended."""

    steps: tuple[ToolResult, ...]
    """Those that were called."""
    success: bool
    value: Any
    error: str
    duration_s: float
    tokens: int

    @classmethod
    def of(cls, steps: list[ToolResult], duration_s: float) -> "ChainResult":
        """The sum of its steps."""
        last = steps[-1]
        tokens = sum(step.tokens for step in steps)
        return cls(tuple(steps), last.success, last.value, last.error, duration_s, tokens)

    def unwrap(self) -> Any:
        """The value of the last step. Raises the exception at which it ended."""
        return self.steps[-1].unwrap()
