"""Compression of HTTP bodies. Bodies of several frames or members are decoded whole: clients
compress block by block, and stopping after the first would lose rows without a word. Pure."""

import zlib
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol

_GZIP_BITS: Final = 31


class BodyError(ValueError):
    """A body that can't be decoded."""


class BodyTooLarge(ValueError):
    """A body that unpacks to more than the limit."""


class Encoder(Protocol):
    """Compresses a stream of pieces."""

    def add(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


def decode(encoding: str, body: bytes, limit_bytes: int) -> bytes:
    """*body* without its Content-Encoding.

    Raises:
        BodyError: if the encoding is unknown, the body damaged or cut off.
        BodyTooLarge: if it unpacks to more than *limit_bytes*.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    try:
        return _join_frames(name, body, limit_bytes)
    except BodyTooLarge:
        raise
    except Exception as error:  # each library has its own error types
        raise BodyError(f"The {name} body can't be decoded: {error}") from error


def choose_encoding(accept_encoding: str) -> str | None:
    """The first encoding of *accept_encoding* that we can produce."""
    for item in accept_encoding.split(","):
        name = item.split(";")[0].strip().lower()
        if name == "gzip" or (name == "lz4" and find_spec("lz4")) or (name == "zstd" and _zstd()):
            return name
    return None


def encoder(encoding: str | None) -> Encoder:
    """A fresh encoder for *encoding*; None passes pieces through."""
    if encoding == "gzip":
        return _Compressor(zlib.compressobj(1, zlib.DEFLATED, _GZIP_BITS))
    if encoding == "zstd":
        return _Compressor(_zstd().ZstdCompressor(level=1))
    if encoding == "lz4":
        return _Lz4()
    return _Plain()


class _Plain:
    def add(self, data: bytes) -> bytes:
        return data

    def finish(self) -> bytes:
        return b""


class _Compressor:
    def __init__(self, compressor: Any) -> None:
        self._compressor = compressor

    def add(self, data: bytes) -> bytes:
        return bytes(self._compressor.compress(data))

    def finish(self) -> bytes:
        return bytes(self._compressor.flush())


class _Lz4:
    def __init__(self) -> None:
        self._compressor = import_module("lz4.frame").LZ4FrameCompressor()
        self._head = self._compressor.begin()

    def add(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return bytes(head + self._compressor.compress(data))

    def finish(self) -> bytes:
        head, self._head = self._head, b""
        return bytes(head + self._compressor.flush())


def _join_frames(name: str, body: bytes, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    left, rest = limit_bytes, body
    while rest:
        part, rest = _one_frame(name, rest, left)
        left -= len(part)
        parts.append(part)
    return b"".join(parts)


def _one_frame(name: str, body: bytes, limit_bytes: int) -> tuple[bytes, bytes]:
    decompressor = _decompressor(name)
    # One byte above the limit is enough to know, and keeps a small bomb small.
    data = decompressor.decompress(body, limit_bytes + 1)
    if len(data) > limit_bytes:
        raise BodyTooLarge
    if not decompressor.eof:
        raise BodyError("it ends early")
    return data, decompressor.unused_data


def _decompressor(name: str) -> Any:
    if name in ("gzip", "deflate"):
        return zlib.decompressobj(_GZIP_BITS if name == "gzip" else zlib.MAX_WBITS)
    if name == "lz4" and find_spec("lz4"):
        return import_module("lz4.frame").LZ4FrameDecompressor()
    if name == "zstd" and (zstd := _zstd()):
        return zstd.ZstdDecompressor()
    raise BodyError("this Content-Encoding is not supported; use gzip, lz4 or none")


def _zstd() -> Any:
    for module in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(module)
        except ImportError:
            continue
    return None
