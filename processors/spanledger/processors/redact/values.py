"""Attribute values without secrets: texts, bytes, and both in lists and tables. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from spanledger.processors.redact.cuts import Cut, mark
from spanledger.processors.redact.stream import redact_items


class Redactor(Protocol):
    """What cuts secrets out of texts: an `Engine`, or one with more behind it."""

    def __call__(self, text: str, /) -> str:
        """`text` without secrets."""
        ...

    def find(self, text: str, /) -> list[Cut]:
        """Where the secrets are."""
        ...

    def named(self, name: str, /) -> str | None:
        """The class of what is called `name`; None if that is no name of a secret."""
        ...


def redact_value(value: Any, redact: Redactor) -> Any:
    """An attribute's value, or what is in it, without secrets. Numbers stay as they are."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return _redact_bytes(value, redact)
    if isinstance(value, Mapping):
        return {
            redact(str(name)): redact_named(str(name), item, redact) for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return _redact_list(value, redact)
    return value


def redact_named(name: str, value: Any, redact: Redactor) -> Any:
    """The same for what is called `name`: under the name of a secret no text is left."""
    kind = redact.named(name)
    return redact_value(value, redact) if kind is None else _all_texts(value, kind)


def _all_texts(value: Any, kind: str) -> Any:
    if isinstance(value, (str, bytes)) and value:
        return mark(kind)
    if isinstance(value, Mapping):
        return {name: _all_texts(item, kind) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_all_texts(item, kind) for item in value]
    return value


def _redact_bytes(value: bytes, redact: Redactor) -> bytes:
    text = value.decode("utf-8", "surrogateescape")
    clean = redact(text)
    return value if clean == text else clean.encode("utf-8", "surrogateescape")


def _redact_list(values: Sequence[Any], redact: Redactor) -> list[Any]:
    if len(values) > 1 and all(isinstance(value, str) for value in values):
        values = redact_items(_without_flags(values, redact), redact.find)
    return [redact_value(value, redact) for value in values]


def _without_flags(arguments: Sequence[str], redact: Redactor) -> list[str]:
    """Arguments of a command, in which a value follows its flag: ``["--password", "…"]``."""
    return [
        mark(kind)
        if number
        and not argument.startswith("-")
        and (flag := arguments[number - 1]).startswith("-")
        and (kind := redact.named(flag))
        else argument
        for number, argument in enumerate(arguments)
    ]
