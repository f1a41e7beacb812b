"""A bounded copy of any value, made without running its code."""

import datetime
import decimal
import enum
import json
import pathlib
import threading
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.track.plain import Limits, cut_text, plain, shape_of
from spanledger.track.secret_names import secrecy_of

Pair = namedtuple("Pair", "left right")


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


@dataclass
class Inner:
    words: list[str] = field(default_factory=lambda: ["a"])
    api_token: str = "hidden"


@dataclass(slots=True)
class Slotted:
    word: str = "a"


class Lazy:
    """What a proxy looks like: asking for its class would load it."""

    @property
    def __class__(self) -> Any:
        raise RuntimeError("__class__ was read")

    @__class__.setter
    def __class__(self, value: Any) -> None:
        raise RuntimeError("__class__ was set")


class OwnDict:
    """An object whose table is its own code."""

    __dataclass_fields__ = ()

    @property
    def __dict__(self) -> Any:  # type: ignore[override]  # the point
        raise RuntimeError("__dict__ was read")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=60,
)


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        (None, None),
        (True, True),
        (Level.HIGH, 3),
        (2**80, "<int, 81 bits>"),
        (float("nan"), "nan"),
        (1 + 2j, "(1+2j)"),
        (b"secret", "<bytes, 6 bytes>"),
        (Colour.RED, "Colour.RED"),
        (Pair(1, "b"), [1, "b"]),
        ({3, 1, 2}, [1, 2, 3]),
        (deque([1]), [1]),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        (Counter("aab"), {"a": 2, "b": 1}),
        ({1: "a", (2, "x"): None}, {"1": "a", "[2, 'x']": None}),
        (range(3), "range(0, 3)"),
        (decimal.Decimal("1.50"), "1.50"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (Inner(), {"$type": "Inner", "words": ["a"], "api_token": "[redacted]"}),
        (Slotted(), "<Slotted>"),
        (object(), "<object>"),
        (len, "<builtin_function_or_method>"),
    ],
)
def test_every_kind_of_value_has_its_copy(value: object, copy: object) -> None:
    assert plain(value, str) == copy


def test_a_proxy_is_not_loaded_and_no_property_is_read() -> None:
    assert plain([Lazy(), OwnDict()], str) == ["<Lazy>", "<OwnDict>"]


@given(JSON)
def test_a_copy_is_json_and_bounded(value: object) -> None:
    """Whatever the value is."""
    limits = Limits(depth=3, items=4, text_chars=20, values=50, chars=300)
    text = json.dumps(plain(value, str, limits), allow_nan=False)
    assert len(text) < 12_000


@given(JSON.filter(lambda v: "\ud800" not in repr(v)))
def test_a_secret_is_in_no_copy(value: object) -> None:
    """Wherever it stands, in texts and in names."""
    secret = "sesame-" + "open"
    found = plain(
        {"a": [value, f"x{secret}y"], secret: {"b": f"{secret}{secret}"}},
        lambda text: text.replace(secret, "[gone]"),
    )
    assert secret not in json.dumps(found)


def test_a_secret_that_lies_across_the_cut_is_hidden() -> None:
    """Half of it would not be recognised any more."""
    secret = "s" * 40
    for before in range(0, 130):
        text = "x" * before + secret + "y" * 5000
        shown = cut_text(text, lambda t: t.replace(secret, "[gone]"), 100)
        assert "sssss" not in shown, before


def test_a_secret_at_the_end_of_what_is_looked_at_is_hidden() -> None:
    """Redaction shortens the text, and what lay far beyond the limit moves into it."""
    secret = "s" * 300
    text = ("k" * 40) * 7 + secret
    shown = cut_text(text + "y" * 5000, lambda t: t.replace("k" * 40, "").replace(secret, ""), 100)
    assert "ss" not in shown


def test_many_values_are_not_all_looked_at() -> None:
    wide = {f"k{i}": [{"a": i}] * 50 for i in range(50)}
    copy = plain(wide, str, Limits(values=100))
    assert json.dumps(copy).count('"a"') <= 100


def test_a_circle_ends() -> None:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    assert "dict, 1 items" in json.dumps(plain(circle, str))


def test_what_changes_while_it_is_read_is_said_to() -> None:
    """By a thread; here by the redaction, which is sure to hit the moment."""
    table = {"a": "x", "b": "y"}

    def changes(text: str) -> str:
        table[f"new {len(table)}"] = "z"
        return text

    assert plain(table, changes, Limits()) == "<dict, changing>"


def test_a_value_that_threads_change_never_raises() -> None:
    table: dict[int, list[int]] = {}
    done = threading.Event()

    def change() -> None:
        i = 0
        while not done.is_set():
            table[i % 97] = [i]
            table.pop((i * 31) % 97, None)
            i += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(2000):
            plain(table, str)
    finally:
        done.set()
        thread.join()


def test_shapes_are_told_by_kind_and_size() -> None:
    assert shape_of("abc") == "<str, 3 characters>"
    assert shape_of(Pair(1, 2)) == "<Pair, 2 items>"
    assert shape_of(object()) == "<object>"
    copy = plain({"prompt": "hello", "n": 1}, str, shapes=lambda name: name == "prompt")
    assert copy == {"prompt": "<str, 5 characters>", "n": 1}


@pytest.mark.parametrize(
    "name",
    ["password", "user_password", "dbPassword", "DB_PASSWD", "client_secret", "Set-Cookie",
     "credentials", "Authorization", "proxy-authorization", "otp"],
)  # fmt: skip
def test_these_names_hide_all(name: str) -> None:
    assert secrecy_of(name) == "all"


@pytest.mark.parametrize(
    "name",
    ["token", "api_key", "apiKey", "OPENAI_API_KEY", "key", "accessToken", "access_tokens",
     "x-api-key", "--api-key", "bearer", "SIGNATURE", "openaiapikey", "auth"],
)  # fmt: skip
def test_these_names_hide_texts(name: str) -> None:
    assert secrecy_of(name) == "texts"


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "tokens", "tokenizer", "keyboard", "monkey", "keys", "author", "authors",
     "secretary", "passenger", "task", "input_tokens", "cookiecutter"],
)  # fmt: skip
def test_these_names_hide_nothing(name: str) -> None:
    assert secrecy_of(name) == "open"


def test_numbers_under_a_soft_name_are_shown() -> None:
    """`token_usage` is what people need to see."""
    copy = plain({"token_usage": {"input": 3, "label": "x"}, "key": None}, str)
    assert copy == {"token_usage": {"input": 3, "label": "[redacted]"}, "key": None}
