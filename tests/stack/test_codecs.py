"""Compressed bodies: whole or an error, never a part."""

import gzip
import zlib

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.stack._codecs import BodyError, BodyTooLarge, choose_encoding, decode, encoder

LIMIT = 1 << 20
COMPRESS = {"gzip": gzip.compress, "lz4": lz4.frame.compress, "deflate": zlib.compress}


@pytest.mark.parametrize("encoding", ["gzip", "lz4"])
@given(parts=st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_every_frame_of_a_body_is_decoded(encoding: str, parts: list[bytes]) -> None:
    body = b"".join(COMPRESS[encoding](part) for part in parts)
    assert decode(encoding, body, LIMIT) == b"".join(parts)


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "deflate"])
def test_a_body_that_ends_early_is_an_error(encoding: str) -> None:
    body = COMPRESS[encoding](bytes(range(256)) * 40)
    with pytest.raises(BodyError):
        decode(encoding, body[:-3], LIMIT)
    with pytest.raises(BodyError):
        decode(encoding, body + body[: len(body) // 2], LIMIT)


def test_a_body_that_unpacks_beyond_the_limit_is_refused() -> None:
    bomb = gzip.compress(bytes(LIMIT + 1))
    with pytest.raises(BodyTooLarge):
        decode("gzip", bomb, LIMIT)
    assert len(decode("gzip", gzip.compress(bytes(LIMIT)), LIMIT)) == LIMIT
    two = gzip.compress(bytes(LIMIT // 2 + 1)) * 2
    with pytest.raises(BodyTooLarge):
        decode("gzip", two, LIMIT)


@pytest.mark.parametrize("encoding", ["br", "snappy"])
def test_an_unknown_encoding_is_an_error_that_names_what_works(encoding: str) -> None:
    with pytest.raises(BodyError, match="gzip, lz4"):
        decode(encoding, b"x", LIMIT)


def test_no_encoding_passes_through() -> None:
    assert decode("", b"x", 0) == b"x"
    assert decode("identity", b"x", 0) == b"x"


@pytest.mark.parametrize("encoding", ["gzip", "lz4", "zstd", None])
@given(pieces=st.lists(st.binary(max_size=300), max_size=5))
def test_what_we_encode_piece_by_piece_decodes_to_the_same(
    encoding: str | None, pieces: list[bytes]
) -> None:
    if encoding == "zstd" and choose_encoding("zstd") is None:
        pytest.skip("no zstd on this Python")
    packer = encoder(encoding)
    body = b"".join(packer.add(piece) for piece in pieces) + packer.finish()
    assert decode(encoding or "", body, LIMIT) == b"".join(pieces)


def test_the_client_s_first_encoding_that_we_have_is_chosen() -> None:
    assert choose_encoding("br, lz4;q=0.9, gzip") == "lz4"
    assert choose_encoding("br") is None
    assert choose_encoding("") is None
