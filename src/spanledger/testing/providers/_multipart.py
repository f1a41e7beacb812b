"""Multipart bodies, read as far as a mock needs them. Pure."""

import email.policy
import json
from collections.abc import Mapping
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from typing import Any


def parse_multipart(content_type: str, raw: bytes) -> dict[str, Any] | None:
    """Fields by their names; a file as its length in bytes. None for what is no multipart body.

    A form has texts only: those that are JSON (numbers, booleans) are read as such.
    """
    if not content_type.startswith("multipart/form-data"):
        return None
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(EmailMessage, policy=email.policy.HTTP).parsebytes(head + raw)
    return dict(map(_field, message.iter_parts()))


def _field(part: MIMEPart) -> tuple[str, Any]:
    name = str(part.get_param("name", header="content-disposition"))
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    return name, len(data) if part.get_filename() is not None else _value(data.decode())


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return text if isinstance(value, (str, Mapping)) else value
