"""The last operations one by one, in columns: some 120 bytes for each. Pure."""

from array import array
from typing import NamedTuple

from spanledger.track.tokens._book import Key


class Operation(NamedTuple):
    """One operation, as it was tracked."""

    at_s: float
    """Seconds since 1970."""
    session: str
    tool: str
    operation: str
    source: str
    """``tracked`` by the program, or a model ``call`` that was billed."""
    input_tokens: int
    output_tokens: int
    duration_s: float


class Details:
    """A ring of at most `capacity` operations. It grows as it fills."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"the capacity must be at least 1 operation, not {capacity}")
        self._capacity, self._next = capacity, 0
        self._keys: list[Key] = []
        self._numbers = array("q")
        self._times = array("d")

    def __len__(self) -> int:
        return len(self._keys)

    def empty(self) -> "Details":
        """Another one of the same capacity."""
        return Details(self._capacity)

    def add(
        self, key: Key, input_tokens: int, output_tokens: int, duration_s: float, at_s: float
    ) -> None:
        """Note one; the oldest goes when there is no room."""
        if len(self._keys) < self._capacity:
            self._keys.append(key)
            self._numbers.extend((input_tokens, output_tokens))
            self._times.extend((at_s, duration_s))
            return
        place = self._next
        self._next = (place + 1) % self._capacity
        self._keys[place] = key
        self._numbers[2 * place], self._numbers[2 * place + 1] = input_tokens, output_tokens
        self._times[2 * place], self._times[2 * place + 1] = at_s, duration_s

    def last(self, most: int) -> list[Operation]:
        """The last ones, oldest first."""
        held = len(self._keys)
        return [self._at((self._next + place) % held) for place in range(max(0, held - most), held)]

    def rate(self, window_s: float, now_s: float) -> float:
        """Tokens per minute within the last `window_s` seconds, as far as the ring goes back."""
        since = now_s - window_s
        tokens = sum(
            self._numbers[2 * place] + self._numbers[2 * place + 1]
            for place in range(len(self._keys))
            if self._times[2 * place] > since
        )
        return tokens * 60.0 / window_s

    def _at(self, place: int) -> Operation:
        session, tool, operation, source = self._keys[place]
        input_tokens, output_tokens = self._numbers[2 * place : 2 * place + 2]
        at_s, duration_s = self._times[2 * place : 2 * place + 2]
        return Operation(
            at_s, session, tool, operation, source, input_tokens, output_tokens, duration_s
        )
