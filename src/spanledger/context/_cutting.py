"""Texts cut to a number of tokens. Pure, given a way to count."""

from collections.abc import Callable, Iterable

CountText = Callable[[str], int]
_MORE = " …"


def cut(text: str, max_tokens: int, count: CountText) -> str:
    """The longest beginning of a text (to a few characters) that has at most so many tokens."""
    if count(text) <= max_tokens:
        return text
    low, high = 0, len(text)
    while high - low > 4:
        middle = (low + high) // 2
        if count(text[:middle] + _MORE) <= max_tokens:
            low = middle
        else:
            high = middle
    return text[:low].rstrip() + _MORE if low else ""


def chunks(pieces: Iterable[str], chunk_tokens: int, count: CountText) -> list[str]:
    """The pieces put together to texts of at most so many tokens; too long a piece is divided."""
    found: list[str] = []
    current: list[str] = []
    filled = 0
    for piece in _divided(pieces, chunk_tokens, count):
        # One more, for the line break that joins them.
        size = count(piece) + 1
        if current and filled + size > chunk_tokens:
            found.append("\n".join(current))
            current, filled = [], 0
        current.append(piece)
        filled += size
    return [*found, "\n".join(current)] if current else found


def _divided(pieces: Iterable[str], chunk_tokens: int, count: CountText) -> Iterable[str]:
    for piece in pieces:
        parts = -(-count(piece) // max(1, chunk_tokens - 1)) if piece else 0
        while parts > 1:
            size = -(-len(piece) // parts)
            divided = [piece[i : i + size] for i in range(0, len(piece), size)]
            if size == 1 or all(count(part) < chunk_tokens for part in divided):
                yield from divided
                break
            parts *= 2
        else:
            yield piece
