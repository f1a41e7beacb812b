"""The files of a multipart request: how long they are. Reads no byte of them."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from spanledger.instrumentation._facts import Dialect
from spanledger.usage.media import Media


def uploads_of(dialect: Dialect, files: Any) -> tuple[Media, ...]:
    """What the model reads of the files of a request; `files` as httpx takes them."""
    found = (dialect.uploaded(name, _as_base64(size_of(file))) for name, file in _entries(files))
    return tuple(media for media in found if media is not None)


def size_of(file: Any) -> int:
    """Bytes of a file that is about to be sent; 0 if it can't be told without reading it."""
    if isinstance(file, (tuple, list)):
        # A name, the content, and sometimes its type and headers.
        return size_of(file[1]) if len(file) > 1 else 0
    if isinstance(file, str):
        return len(file.encode("utf-8", "surrogatepass"))
    if isinstance(file, (bytes, bytearray, memoryview)):
        return len(file)
    return _rest_of(file)


def _entries(files: Any) -> Iterator[tuple[str, Any]]:
    pairs: Iterable[Any] = files.items() if isinstance(files, Mapping) else files or ()
    for name, file in pairs:
        yield str(name), file


def _rest_of(file: Any) -> int:
    """Of an open file what is behind its present place."""
    try:
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
        return max(0, int(end) - int(here))
    except Exception:  # noqa: BLE001 - not everything that can be sent can be measured
        return 0


def _as_base64(size: int) -> int:
    """The measure of `Media`: other parts of requests are sent like that."""
    return size * 4 // 3
