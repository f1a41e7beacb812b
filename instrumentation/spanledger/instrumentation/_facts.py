"""What the gate knows of a request and of its answer, whatever the client library. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from spanledger.usage import MISSING, Usage

#: Tokens that providers add around each message and tool (role markers, separators).
FRAMING_TOKENS = 16


class Request(NamedTuple):
    """A request that is about to be sent."""

    operation: str
    provider: str
    model: str
    body: Mapping[str, Any]
    stream: bool = False
    max_output_tokens: int | None = None
    choices: int = 1
    server_address: str = ""


class Reply(NamedTuple):
    """What came back, as far as it could be read."""

    usage: Usage = MISSING
    model: str | None = None
    response_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    text: str = ""
    """Text of the answer; filled only if the usage is missing and must be estimated."""


class StreamReader(Protocol):
    """Collects one stream. `text` holds what was streamed, to estimate a stream that is left."""

    text: list[str]

    def chunk(self, chunk: Any) -> bool:
        """Take one chunk; True if it is the last word on usage."""
        ...

    def hidden(self, chunk: Any) -> bool:
        """Whether the chunk exists only because the gate asked for the usage."""
        ...

    def reply(self) -> Reply:
        """What is known up to now."""
        ...


class Dialect(Protocol):
    """How one endpoint of one client library is read."""

    operation: str

    def read_request(self, body: Mapping[str, Any]) -> tuple[str, int | None, int]:
        """Model, output limit for each choice, number of choices."""
        ...

    def read_reply(self, reply: Any) -> Reply: ...

    def stream_reader(self) -> StreamReader: ...


#: Keys of request bodies that hold what the model reads.
_CONTENT_KEYS = frozenset(
    {"messages", "input", "prompt", "system", "instructions", "tools", "functions",
     "response_format", "text", "tool_choice"}
)  # fmt: skip


def request_text(body: Mapping[str, Any]) -> str:
    """All texts of a request, one below the other."""
    return "\n".join(_texts([body[key] for key in _CONTENT_KEYS & body.keys()]))


def input_bytes(body: Mapping[str, Any]) -> int:
    """Upper bound of the input's tokens: bytes of all texts and numbers, plus framing."""
    return sum([_size(body[key]) + FRAMING_TOKENS for key in body if key in _CONTENT_KEYS])


def _size(value: Any) -> int:
    # Exact types first: asking whether a dict is a `Mapping` costs more than adding its sizes.
    kind = type(value)
    if kind is str:
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if kind is list:
        return sum(map(_size, value))
    if kind is dict:
        size = FRAMING_TOKENS
        for key, item in value.items():
            # Most of a request is plain text in dicts: said here, it saves two calls a field.
            size += len(key) if type(key) is str and key.isascii() else _size(key)
            size += len(item) if type(item) is str and item.isascii() else _size(item)
        return size
    return _size_of_other(value)


def _size_of_other(value: Any) -> int:
    if value is None or isinstance(value, bool):
        return 5
    if isinstance(value, (int, float)):
        return len(repr(value))
    if isinstance(value, str):
        return _size(str(value))
    if isinstance(value, Mapping):
        return _size(dict(value))
    if isinstance(value, (tuple, set, frozenset)):
        return _size(list(value))
    # A client's own model object: its fields are what is sent.
    return _size(vars(value)) if hasattr(value, "__dict__") else FRAMING_TOKENS


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
    elif hasattr(value, "__dict__"):
        yield from _texts(vars(value))


def get(value: Any, name: str) -> Any:
    """A field of a client's object or of parsed JSON; None if it is not there."""
    if type(value) is dict:
        return value.get(name)
    return getattr(value, name, None)


def whole(value: Any) -> int | None:
    """A whole number greater than 0, else None."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        return None
    return value


def text(value: Any) -> str | None:
    """A text that is not empty, else None."""
    return value if isinstance(value, str) and value else None
