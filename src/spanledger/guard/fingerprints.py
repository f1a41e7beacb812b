"""Tool calls and their results as short hashes that can be compared. Pure.

Arguments are hashed as canonical JSON, in full. Of a result, what every answer of a server has
anew (timestamps, UUIDs, hexadecimal ids) becomes a placeholder; the work is bounded: that is
done at its head and its tail only, and what is between them is hashed as it stands.
"""

import json
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

HEAD_CHARS = TAIL_CHARS = 8 * 1024
#: Longer results are not compared.
LONGEST_RESULT_CHARS = 1024 * 1024
#: Longer argument texts are hashed as they are written.
LONGEST_CANONICAL_CHARS = 64 * 1024

_DIGEST_BYTES = 16

#: A moment or an id, and nothing that may be progress: a bare time may be "00:05:00 left", a bare
#: number of ten digits a count of bytes; those are numbers, for `near` only.
#: Each alternative can match in one way only, so that no text takes more than linear time.
_VOLATILE = re.compile(
    r"\b(?:"
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|(?:\d{1,2} [A-Z][a-z]{2} \d{4}|[A-Z][a-z]{2} {1,2}\d{1,2}) \d\d:\d\d:\d\d"
    r"|1[5-9]\d{8}(?:\.\d{1,9}|\d{3}(?:\d{3}){0,2})"
    r"|0x[0-9a-fA-F]{6,}"
    r"|(?=\d*[a-fA-F])(?=[a-fA-F]*\d)[0-9a-fA-F]{8,}"
    r")\b"
)
_NUMBER = re.compile(r"\d+")
_DIGIT = re.compile(r"\d")


class Fingerprint(NamedTuple):
    """A call of a tool. `comparable` is False if an argument's content could not be read."""

    tool: str
    digest: bytes
    comparable: bool = True


class ResultPrint(NamedTuple):
    """A result, with timestamps and ids as placeholders (`exact`) and numbers too (`near`).

    `exact` is None if the content could not be read or is too long: then it is like no other.
    """

    exact: bytes | None
    near: bytes


def fingerprint(tool: str, arguments: object) -> Fingerprint:
    """The fingerprint of a call: the same for the same arguments in any order of their names.

    `arguments` is what the tool is called with, or the JSON text that a model wrote.
    """
    text, comparable = _canonical(_parsed(arguments))
    return Fingerprint(tool, _digest(tool, "\0", text), comparable)


def result_print(result: object) -> ResultPrint:
    """The fingerprint of what a tool returned, or of the exception that it raised."""
    text, comparable = _result_text(result)
    comparable = comparable and len(text) <= LONGEST_RESULT_CHARS
    head, middle, tail = _cut(text)
    ends = f"{_normalised(head)}\0{_normalised(tail)}"
    near = _digest(_NUMBER.sub("#", ends))
    return ResultPrint(_digest(ends, "\0", middle) if comparable else None, near)


def _cut(text: str) -> tuple[str, str, str]:
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return text, "", ""
    return text[:HEAD_CHARS], text[HEAD_CHARS:-TAIL_CHARS], text[-TAIL_CHARS:]


def _normalised(text: str) -> str:
    return _VOLATILE.sub("?", text) if _DIGIT.search(text) else text


def _digest(*parts: str) -> bytes:
    import hashlib  # OpenSSL comes with it, and not every agent has tools

    state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    for part in parts:
        state.update(part.encode("utf-8", "surrogatepass"))
    return state.digest()


def _parsed(arguments: object) -> object:
    """The value of a JSON text that holds an object or a list; anything else as it is."""
    if not isinstance(arguments, str) or len(arguments) > LONGEST_CANONICAL_CHARS:
        return arguments
    if arguments[:1] not in ("{", "["):
        return arguments
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments


def _result_text(result: object) -> tuple[str, bool]:
    if isinstance(result, str):
        return result, True
    if isinstance(result, (bytes, bytearray)):
        return bytes(result[: LONGEST_RESULT_CHARS + 1]).decode("latin-1"), True
    if isinstance(result, BaseException):
        return _error_text(result)
    return _canonical(result)


def _error_text(error: BaseException) -> tuple[str, bool]:
    try:
        return f"{type(error).__qualname__}: {error}", True
    except Exception:  # noqa: BLE001 - `__str__` is foreign code; the tool's caller must go on
        return type(error).__qualname__, False


def _canonical(value: object) -> tuple[str, bool]:
    """Canonical JSON, and whether it holds the whole content of `value`."""
    if isinstance(value, str):
        return value, True
    try:
        return _PLAIN.encode(value), True
    except (TypeError, ValueError, RecursionError):
        return _canonical_of_any(value)


def _canonical_of_any(value: object) -> tuple[str, bool]:
    opaque = _Opaque()
    try:
        return _encoder(opaque).encode(value), opaque.count == 0
    except Exception:  # noqa: BLE001 - names of several types, circles, depth, foreign `model_dump`
        return f"<{type(value).__qualname__}>", False


def _encoder(default: Callable[[Any], object] | None = None) -> json.JSONEncoder:
    # A circle is noticed by its depth as well; looking for it costs a fifth of the time.
    return json.JSONEncoder(
        sort_keys=True, separators=(",", ":"), check_circular=False, default=default
    )


_PLAIN = _encoder()


class _Opaque:
    """What JSON can't hold: its content if it has one, else its type, and a note of that.

    A `repr` won't do: the default one holds an address, others leave out the middle.
    """

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, value: Any) -> object:
        if is_dataclass(value) and not isinstance(value, type):
            return {f.name: getattr(value, f.name) for f in fields(value)}
        if isinstance(value, (bytes, bytearray)):
            return bytes(value).hex()
        if isinstance(value, (set, frozenset)):
            return sorted(_encoder(self).encode(item) for item in value)
        dump = getattr(value, "model_dump", None)
        if callable(dump):
            return dump(mode="json")
        self.count += 1
        return f"<{type(value).__qualname__}>"
