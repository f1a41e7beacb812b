"""A text as the finders look at it: one byte for each character. Pure.

Bytes are searched several times faster than texts, and what secrets are made of is ASCII. A
character beyond it is a ``?``, so that every position is the same in text and bytes.
"""

from collections.abc import Iterator

#: Of what tokens are made, and nearly all of base64: of a text it holds a plus or a slash only
#: for ``?``, ``>`` and ``~``. With the slash every path would be a run.
_TOKEN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
_SHAPE = bytes(97 if byte in _TOKEN else 32 for byte in range(256))
#: No token that is looked for is shorter.
RUN_LENGTH = 16
_RUN = b"a" * RUN_LENGTH


class View:
    """A text, its bytes, and its bytes in lower case."""

    __slots__ = ("data", "lower", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.data = text.encode("ascii", "replace")
        self.lower = self.data.lower()

    def runs(self) -> Iterator[tuple[int, int]]:
        """Start and end of each run of at least `RUN_LENGTH` characters that tokens are made of.

        Prose has none: looking for them first spares it the search for each kind of token.
        """
        shape = self.data.translate(_SHAPE)
        start = shape.find(_RUN)
        while start >= 0:
            end = shape.find(b" ", start + RUN_LENGTH)
            end = len(shape) if end < 0 else end
            yield start, end
            start = shape.find(_RUN, end)
