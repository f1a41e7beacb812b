"""Counting tokens without the network."""

import builtins
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanledger.usage import tokens
from spanledger.usage.tokens import TokenCount, count_text, encoding_name, is_loaded, load

TEXT = st.text(alphabet=st.characters(codec="utf-8"), max_size=300)


@pytest.fixture
def _unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_encodings", {})


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a token count went to the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    # An empty cache, so that tiktoken would have to download.
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    yield
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o", "o200k_base"),
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("GPT-4.1-nano", "o200k_base"),
        ("gpt-5.2-codex", "o200k_base"),
        ("o3", "o200k_base"),
        ("o4-mini", "o200k_base"),
        ("openai/gpt-oss-120b", "o200k_base"),
        ("ft:gpt-4o:org::id", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo", "cl100k_base"),
        ("gpt-3.5-turbo-16k", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("gpt-6-luna", None),
        ("gpt-4.9", None),
        ("claude-haiku-4-5", None),
        ("o1x", None),
        ("", None),
    ],
)
def test_only_published_encodings_are_used(model: str, encoding: str | None) -> None:
    assert encoding_name(model) == encoding


@pytest.mark.usefixtures("_unloaded", "_no_network")
@pytest.mark.parametrize(
    ("model", "ids"),
    [("gpt-4o", [24912, 2375]), ("gpt-4", [15339, 1917])],
)
def test_the_packaged_vocabularies_are_tiktokens_own(model: str, ids: list[int]) -> None:
    """Known ids of ``hello world``; the sha256 is compared while loading."""
    assert load(model)
    encoding = tokens._encodings[encoding_name(model)]  # type: ignore[index]  # is a known model
    assert encoding is not None
    assert encoding.encode_ordinary("hello world") == ids
    assert count_text("hello world", model).tokens == 2


@pytest.mark.usefixtures("_unloaded", "_no_network")
def test_nothing_is_loaded_when_loading_is_not_allowed() -> None:
    assert not is_loaded("gpt-4")
    assert count_text("hello world", "gpt-4", load=False) == TokenCount(11, "bytes")
    assert not is_loaded("gpt-4")
    assert load("gpt-4")
    assert is_loaded("gpt-4")
    assert count_text("hello world", "gpt-4", load=False).method == "tiktoken:cl100k_base"


def test_a_model_of_another_maker_is_counted_in_bytes() -> None:
    assert is_loaded("claude-haiku-4-5")
    assert not load("claude-haiku-4-5")
    assert count_text("größe", "claude-haiku-4-5") == TokenCount(7, "bytes")


@settings(max_examples=200, deadline=None)
@given(text=TEXT, model=st.sampled_from(["gpt-4o", "gpt-4"]))
def test_bytes_are_an_upper_bound_of_tokens(text: str, model: str) -> None:
    counted = count_text(text, model)
    assert counted.method != "bytes"
    assert counted.tokens <= count_text(text, "another").tokens


@pytest.mark.parametrize(
    "text", ["", "<|endoftext|>", "\ud800 lone surrogate", "\x00", "a" * 200_000]
)
def test_no_text_makes_counting_fail(text: str) -> None:
    assert count_text(text, "gpt-4o").method == "tiktoken:o200k_base"
    assert count_text(text, "unknown").tokens >= count_text(text, "gpt-4o").tokens


def test_a_run_of_blanks_that_makes_tiktoken_panic_is_counted() -> None:
    """In one piece this ends in a panic that is no ``Exception``."""
    counted = count_text(" " * 1_000_000, "gpt-4o")
    assert counted.method == "tiktoken:o200k_base"
    assert 0 < counted.tokens < 100_000


def test_cutting_a_long_text_hardly_changes_its_count() -> None:
    load("gpt-4o")
    encoding = tokens._encodings["o200k_base"]
    assert encoding is not None
    text = "The quick brown fox jumps over 13 lazy dogs; größer als je.\n" * 5000
    whole = len(encoding.encode_ordinary(text))
    assert whole <= count_text(text, "gpt-4o").tokens <= whole + 10


@pytest.mark.usefixtures("_unloaded")
def test_a_panic_ends_in_a_count_of_bytes_and_an_interrupt_does_not() -> None:
    class PanicException(BaseException):
        pass

    tokens._encodings["o200k_base"] = _Raising(PanicException)  # type: ignore[assignment]
    assert count_text("abc", "gpt-4o") == TokenCount(3, "bytes")
    tokens._encodings["o200k_base"] = _Raising(ValueError)  # type: ignore[assignment]
    assert count_text("abc", "gpt-4o") == TokenCount(3, "bytes")
    tokens._encodings["o200k_base"] = _Raising(KeyboardInterrupt)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        count_text("abc", "gpt-4o")


class _Raising:
    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def encode_ordinary(self, _: str) -> list[int]:
        raise self.error


@pytest.mark.usefixtures("_unloaded", "_no_network")
def test_without_tiktoken_bytes_are_counted_and_loading_is_tried_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "tiktoken":
            raise ImportError("tiktoken is not here")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert count_text("abc", "gpt-4o") == TokenCount(3, "bytes")
    assert count_text("abc", "gpt-4o") == TokenCount(3, "bytes")
    assert not load("gpt-4o")
    assert len(caplog.records) == 1
    assert is_loaded("gpt-4o")


@pytest.mark.usefixtures("_unloaded", "_no_network")
def test_a_vocabulary_with_another_hash_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tiktoken_ext import openai_public  # type: ignore[import-untyped]  # has no py.typed

    def changed() -> dict[str, Any]:
        return load_tiktoken_bpe("https://x.invalid/o200k_base.tiktoken", expected_hash="0" * 64)

    monkeypatch.setitem(openai_public.ENCODING_CONSTRUCTORS, "o200k_base", changed)
    assert count_text("abc", "gpt-4o") == TokenCount(3, "bytes")
    assert "sha256 differs" in caplog.text


def load_tiktoken_bpe(url: str, expected_hash: str) -> dict[str, Any]:
    raise AssertionError(f"the loader was not replaced: {url} {expected_hash}")


@pytest.mark.usefixtures("_unloaded", "_no_network")
def test_a_tiktoken_that_defines_encodings_otherwise_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tiktoken_ext import openai_public

    monkeypatch.setitem(openai_public.ENCODING_CONSTRUCTORS, "o200k_base", lambda: {})
    assert count_text("abc", "gpt-4o") == TokenCount(3, "bytes")
    assert "in a way not known here" in caplog.text


@pytest.mark.usefixtures("_unloaded")
def test_many_threads_load_an_encoding_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    build = tokens._build

    def counting(name: tokens.EncodingName) -> Any:
        built.append(name)
        return build(name)

    monkeypatch.setattr(tokens, "_build", counting)
    counts: list[TokenCount] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        counts.append(count_text("hello world", "gpt-4"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert built == ["cl100k_base"]
    assert set(counts) == {TokenCount(2, "tiktoken:cl100k_base")}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_forked_during_loading_can_count() -> None:
    program = """
import os, threading
from spanledger.usage import tokens
held = threading.Event()
def hold():
    with tokens._lock:
        held.set()
        threading.Event().wait(30)
threading.Thread(target=hold, daemon=True).start()
held.wait()
child = os.fork()
if child == 0:
    os._exit(0 if tokens.count_text("hello world", "gpt-4").tokens == 2 else 1)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=20)
