"""How long a file is that is about to be sent, without reading it."""

import io
from pathlib import Path
from typing import Any

import pytest

from spanledger.instrumentation._openai_media import Images, Transcriptions
from spanledger.instrumentation._uploads import size_of, uploads_of
from spanledger.usage.media import Media


class _Unmeasured:
    def read(self) -> bytes:
        raise AssertionError("it must not be read")


@pytest.mark.parametrize(
    ("file", "size"),
    [
        (b"12345", 5),
        (bytearray(b"12345"), 5),
        ("five\u00e9", 6),
        (("a.wav", b"12345"), 5),
        (("a.wav", b"12345", "audio/wav", {"x": "y"}), 5),
        (("a.wav",), 0),
        (io.BytesIO(b"12345"), 5),
        (_Unmeasured(), 0),
        (None, 0),
    ],
)
def test_a_file_is_measured_whatever_holds_it(file: Any, size: int) -> None:
    assert size_of(file) == size


def test_an_open_file_stays_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"0123456789")
    with (tmp_path / "a.wav").open("rb") as file:
        file.seek(4)
        assert size_of(file) == 6
        assert file.tell() == 4


@pytest.mark.parametrize("files", [{"file": b"123456"}, [("file", b"123456")]])
def test_both_shapes_that_httpx_takes_are_read(files: Any) -> None:
    assert uploads_of(Transcriptions(), files) == (Media("audio", 8),)


def test_each_picture_counts() -> None:
    files = [("image[]", b"123"), ("image[]", b"123"), ("mask", b"123")]
    assert [media.kind for media in uploads_of(Images(), files)] == ["image"] * 3
