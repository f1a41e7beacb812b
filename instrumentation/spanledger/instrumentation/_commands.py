"""What the user said last in a request: the command that the call, and what it leads to, serves."""

from collections.abc import Mapping
from typing import Any, Final

from spanledger.instrumentation._call_span import CallSpan
from spanledger.instrumentation._facts import Request
from spanledger.track import note_command, wanting

#: Where the dialects keep what was said.
_PLACES: Final = ("messages", "input", "contents", "prompt")
_PARTS: Final = ("content", "parts")
#: An agent's loop adds results of tools to the end; the user's words are before them.
_MOST_MESSAGES: Final = 200
_NO_COMMANDS: Final = frozenset({"embeddings", "rerank"})


def note(span: CallSpan, request: Request) -> None:
    """Tell whoever wants to know which command a call serves."""
    if request.operation in _NO_COMMANDS or not wanting():
        return
    try:
        if said := last_said(request.body):
            note_command(span.span, said)
    except Exception:  # noqa: BLE001 - a request of an odd shape is sent all the same
        return


def last_said(body: Mapping[str, Any]) -> str:
    """The user's last words in a request; empty if there are none that can be read."""
    messages = body.get("messages")
    if type(messages) is list and messages and type(last := messages[-1]) is dict:
        # What most requests look like, without the five functions below.
        content = last.get("content")
        if last.get("role") == "user" and type(content) is str and content:
            return content
    for place in _PLACES:
        if (found := body.get(place)) is not None:
            return found if isinstance(found, str) else _of_messages(found)
    return ""


def _of_messages(messages: Any) -> str:
    if not isinstance(messages, (list, tuple)):
        return ""
    for message in messages[: -_MOST_MESSAGES - 1 : -1]:
        if isinstance(message, str):
            return message
        if _field(message, "role") in {"user", None} and (text := _text(message)):
            return text
    return ""


def _text(message: Any) -> str:
    """The text of a message of the user. Results of tools, which come in their name, are none."""
    for name in _PARTS:
        content = _field(message, name)
        if isinstance(content, str):
            return content
        if isinstance(content, (list, tuple)):
            found = (_field(part, "text") for part in content if not isinstance(part, str))
            texts = [text for text in found if isinstance(text, str)]
            return "\n".join([part for part in content if isinstance(part, str)] + texts)
    return ""


def _field(value: Any, name: str) -> Any:
    # Nearly always a dict, and to ask whether something is a `Mapping` takes longer.
    if type(value) is dict or isinstance(value, Mapping):
        return value.get(name)
    return getattr(value, name, None)
