"""A tool that runs inside a conversation."""

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

from spanledger import track
from spanledger.context._entries import Entry, tool_call, tool_result
from spanledger.context._messages import Dialect, Message, view


class Run(NamedTuple):
    """One call of a tool, and the messages that come of it."""

    dialect: Dialect
    function: Callable[..., Any]
    name: str
    arguments: Mapping[str, Any]
    call_id: str

    @classmethod
    def of(
        cls,
        dialect: Dialect,
        function: Callable[..., Any],
        arguments: Mapping[str, Any] | None,
        name: str | None,
        call_id: str | None,
    ) -> Self:
        """A run with all that was left open filled in."""
        name = name or str(getattr(function, "__name__", type(function).__name__))
        return cls(dialect, function, name, arguments or {}, call_id or f"call_{uuid.uuid4().hex}")

    def traced(self) -> Callable[..., Any]:
        """The function as a tool; one that is a tool already stays as it is."""
        return track.tool(name=self.name)(self.function)

    def done(self, entries: Sequence[Entry], value: object) -> Iterator[Message]:
        """The messages of a call that gave a value."""
        yield from self._call(entries)
        yield tool_result(self.dialect, self.call_id, value)

    def failed(self, entries: Sequence[Entry], error: Exception) -> Iterator[Message]:
        """The messages of a call that raised."""
        yield from self._call(entries)
        text = f"error: {type(error).__name__}: {error}"
        yield tool_result(self.dialect, self.call_id, text, failed=True)

    def _call(self, entries: Sequence[Entry]) -> Iterator[Message]:
        """The call itself, unless the model has made it."""
        if not any(self.call_id in view(entry.message).calls for entry in entries):
            yield tool_call(self.dialect, self.call_id, self.name, self.arguments)
