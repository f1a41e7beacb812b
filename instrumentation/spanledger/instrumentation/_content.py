"""What of a request the model reads, and how much of it there is. Pure.

The first look is cheap and is taken at every call: one token is at least one byte. The second one
counts with the model's own encoding and is only taken when the first does not fit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from spanledger.lean import make
from spanledger.usage.media import Media, MediaKind

#: Tokens that providers add around each message and tool (role markers, separators).
FRAMING_TOKENS = 16

#: Under which key the files of a request stand, each as a `Media`.
UPLOADS = "spanledger.uploads"

#: Keys of request bodies that hold what the model reads.
_CONTENT_KEYS = frozenset(
    {"messages", "input", "prompt", "suffix", "system", "instructions", "tools", "functions",
     "response_format", "text", "tool_choice"}
)  # fmt: skip

#: Keys that name something which the model reads and the request does not hold.
_REFERENCES = frozenset(
    {"previous_response_id", "conversation", "container", "mcp_servers", "cachedContent"}
)

#: Parts of messages that are no text, by their ``type``.
_PARTS: Mapping[str, MediaKind] = {
    "image_url": "image",
    "input_image": "image",
    "image": "image",
    "computer_screenshot": "image",
    "input_audio": "audio",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "document_url": "file",
    "video": "file",
    "item_reference": "unseen",
}
#: Tools that the provider runs, and whose results the model reads: what their ``type`` begins with.
_HOSTED = (
    "web_search", "web_fetch", "file_search", "code_interpreter", "code_execution", "mcp",
    "image_generation", "tool_search", "document_library",
)  # fmt: skip
#: A text that is shorter can't be much fewer tokens than bytes.
_WORTH_COUNTING = 16

_Found = list[Media]


class Content(NamedTuple):
    """How much there is to read: bytes of all texts with framing, and what is no text."""

    text_bytes: int
    media: tuple[Media, ...] = ()


def measure(body: Mapping[str, Any]) -> Content:
    """Bytes of all texts and numbers, plus framing: an upper bound of their tokens."""
    found: _Found = []
    size = 0
    for key in body:
        if key in _CONTENT_KEYS:
            size += _size(body[key], found) + FRAMING_TOKENS
    found += body.get(UPLOADS, ())
    if tools := body.get("tools"):
        found += _hosted(tools)
    if not _REFERENCES.isdisjoint(body) and any(body.get(key) for key in _REFERENCES):
        found.append(Media("unseen"))
    return make(Content, (size, tuple(found)))


def text_of(body: Mapping[str, Any]) -> str:
    """All texts of a request, one below the other."""
    return "\n".join(_texts([body[key] for key in _CONTENT_KEYS & body.keys()]))


def recount(body: Mapping[str, Any], content: Content, count: Callable[[str], int]) -> int:
    """The same with texts counted by `count`: tokens of the texts, bytes of all the rest.

    Still nearly a bound: keys, numbers and framing are taken at their bytes, as before.
    """
    texts = [t for key in _CONTENT_KEYS & body.keys() for t in _texts(body[key])]
    worth = [t for t in texts if len(t) >= _WORTH_COUNTING]
    return content.text_bytes - sum(map(_bytes, worth)) + sum(map(count, worth))


def _hosted(tools: Any) -> Iterator[Media]:
    if not isinstance(tools, (list, tuple)):
        return
    for tool in tools:
        kind = tool.get("type") if isinstance(tool, Mapping) else getattr(tool, "type", None)
        if isinstance(kind, str) and kind.startswith(_HOSTED):
            yield Media("unseen")


def _bytes(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))


def _size(value: Any, found: _Found) -> int:
    # Exact types first: asking whether a dict is a `Mapping` costs more than adding its sizes.
    kind = type(value)
    if kind is str:
        return _bytes(value)
    if kind is list:
        size = 0
        for item in value:
            size += _size(item, found)
        return size
    if kind is dict:
        # In a JSON schema a type may be a list.
        if type(part := value.get("type")) is str and part in _PARTS:
            return _part(value, part, found)
        size = FRAMING_TOKENS
        for key, item in value.items():
            # Most of a request is plain text in dicts: said here, it saves two calls a field.
            size += len(key) if type(key) is str and key.isascii() else _size(key, found)
            size += len(item) if type(item) is str and item.isascii() else _size(item, found)
        return size
    return _size_of_other(value, found)


def _size_of_other(value: Any, found: _Found) -> int:
    if value is None or isinstance(value, bool):
        return 5
    if isinstance(value, (int, float)):
        return len(repr(value))
    if isinstance(value, str):
        return _bytes(str(value))
    if isinstance(value, Mapping):
        return _size(dict(value), found)
    if isinstance(value, (tuple, set, frozenset)):
        return _size(list(value), found)
    if isinstance(value, (bytes, bytearray, memoryview)):
        found.append(Media("file", len(value)))
    # A client's own model object: its fields are what is sent.
    return _size(vars(value), found) if hasattr(value, "__dict__") else FRAMING_TOKENS


def _part(part: Mapping[str, Any], kind: str, found: _Found) -> int:
    """Note a part that is no text; the bytes of what is text in it all the same."""
    values = [t for key, item in part.items() if key != "type" for t in _texts(item)]
    data = [] if _plain_document(part) else [t for t in values if _is_data(t)]
    if not _plain_document(part):
        found.append(Media(_PARTS[kind], sum(map(len, data)) + _raw_size(part)))
    texts = [t for t in values if t not in data and not _is_label(t)]
    return sum(map(_bytes, texts)) + FRAMING_TOKENS * (len(texts) + 1)


def _raw_size(part: Mapping[str, Any]) -> int:
    """Length of bytes that stand in a part as such, as if they were sent as base64."""
    return sum(len(v) * 4 // 3 for v in part.values() if isinstance(v, (bytes, bytearray)))


def _is_part(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    return isinstance(kind, str) and kind in _PARTS


def _plain_document(part: Mapping[str, Any]) -> bool:
    """Anthropic's documents may hold plain text, or blocks of it."""
    source = part.get("source")
    return isinstance(source, Mapping) and source.get("type") in {"text", "content"}


#: Longest that a file's id, its name or a kind of media is.
_LABEL = 128


def _is_label(value: str) -> bool:
    """A link or a name: what is behind it is longer than it."""
    return len(value) <= _LABEL or value.startswith(("http://", "https://", "gs://", "s3://"))


def _is_data(value: str) -> bool:
    """Base64, as such or as a ``data:`` address: text has a blank somewhere near its beginning."""
    return not _is_label(value) and not any(blank in value[:512] for blank in (" ", "\n"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        if not _is_part(value) or _plain_document(value):
            yield from _all_texts(value.values())
    elif isinstance(value, (list, tuple)):
        yield from _all_texts(value)
    elif hasattr(value, "__dict__"):
        yield from _texts(vars(value))


def _all_texts(values: Iterable[Any]) -> Iterator[str]:
    for value in values:
        yield from _texts(value)
