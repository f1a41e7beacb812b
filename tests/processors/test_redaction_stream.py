"""A text that comes in chunks, and what of it is held back."""

import pytest

from spanledger.processors.redact.cuts import mark
from spanledger.processors.redact.engine import Engine
from spanledger.processors.redact.stream import ENDLESS, HOLD, StreamRedactor
from tests.processors._secrets import LETTERS, PASSWORD, TOKENS, pem

FIND = Engine().find
OPENAI = TOKENS["openai-key"]


def _all(stream: StreamRedactor, text: str, size: int) -> str:
    chunks = [text[at : at + size] for at in range(0, len(text), size)]
    return "".join(map(stream.feed, chunks)) + stream.close()


@pytest.mark.parametrize("size", [1, 2, 7, 255, 256, 257, 5000])
def test_a_secret_that_is_split_over_chunks_is_cut_out(size: int) -> None:
    text = f"{'word ' * 200}{OPENAI} {'more ' * 200}password={PASSWORD} end"
    clean = text.replace(OPENAI, mark("openai-key")).replace(PASSWORD, mark("password"))
    assert _all(StreamRedactor(FIND), text, size) == clean


def test_a_secret_that_is_longer_than_what_is_held_back_waits_for_its_end() -> None:
    key = pem()
    assert len(key) > HOLD
    text = f"{'word ' * 300}{key}{' more' * 300}"
    assert _all(StreamRedactor(FIND), text, 50) == text.replace(key, mark("private-key"))


def test_a_name_and_its_value_are_not_torn_apart() -> None:
    """Also where the name was given long before the value comes."""
    for offset in range(40):
        stream = StreamRedactor(FIND, hold=32)
        text = f"{'x' * (40 + offset)} password={PASSWORD} {'y' * 100}"
        assert PASSWORD not in _all(stream, text, 16)


def test_little_is_held_back() -> None:
    """Text comes out while more comes in."""
    stream = StreamRedactor(FIND)
    given = sum(len(stream.feed("word " * 10)) for _ in range(1000))
    assert 50_000 - given <= 2 * HOLD + 50


def test_a_secret_without_end_takes_bounded_memory_and_is_not_given() -> None:
    """What follows is left out too: nobody knows what it is."""
    stream = StreamRedactor(FIND)
    begin = "before -----BEGIN PRIVATE KEY-----"
    given = stream.feed(begin) + "".join(stream.feed(LETTERS * 10) for _ in range(1000))
    given += stream.close()
    assert given == f"before {ENDLESS}"
    assert _all(stream, "used again", 3) == "used again"


def test_a_chunk_of_any_length_is_given() -> None:
    text = "word " * 40_000
    assert _all(StreamRedactor(FIND), text, len(text)) == text
