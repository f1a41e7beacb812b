"""What the gate knows of a request and of its answer, whatever the client library. Pure."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

from spanledger.usage import MISSING, Usage
from spanledger.usage.media import Media

Output = Literal["text", "image", "audio"]
"""What a model makes. The length of a picture or of speech follows from the request."""


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
    output: Output = "text"


class ReportedFailure(Exception):
    """A failure that came as an answer, with status 200: nobody raises it.

    `code` is the provider's word for it.
    """

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


class Reply(NamedTuple):
    """What came back, as far as it could be read."""

    usage: Usage = MISSING
    model: str | None = None
    response_id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    text: str = ""
    """Text of the answer; filled only if the usage is missing and must be estimated."""
    failure: ReportedFailure | None = None
    """What the provider said went wrong, where it did not say so by an HTTP status."""
    unfinished: bool = False
    """The answer only says that the provider works on; a later one has the usage."""


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


class Answers(Protocol):
    """How the answers of one endpoint are read."""

    def read_reply(self, reply: Any) -> Reply:
        """A whole answer."""
        ...

    def stream_reader(self) -> StreamReader:
        """A reader for one stream."""
        ...


class Asked(NamedTuple):
    """What a request asks for. The output limit is for each of its choices."""

    model: str
    max_output_tokens: int | None = None
    choices: int = 1
    output: Output = "text"


class Dialect(Answers, Protocol):
    """How one endpoint of one client library is read, requests and answers.

    A change of a body is None where nothing need change.
    """

    operation: str

    def read_request(self, body: Mapping[str, Any]) -> Asked:
        """What is asked for."""
        ...

    def with_usage(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """The body of a stream, changed to ask for its usage."""
        return None

    def with_output_limit(self, body: Mapping[str, Any], limit: int) -> dict[str, Any] | None:
        """The body with an output limit, if it has none and may have one."""
        return None

    def uploaded(self, name: str, size: int) -> Media | None:
        """What a file counts as that is sent under a name; None if the model does not read it."""
        return Media("file", size)


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
