"""Calls and results are compared by their content, within bounds."""

import time
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.guard.fingerprints import (
    LONGEST_RESULT_CHARS,
    fingerprint,
    result_print,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@dataclass
class _Point:
    x: int
    y: int


class _Model:
    """Like a pydantic model."""

    def __init__(self, value: object) -> None:
        self.value = value

    def model_dump(self, mode: str) -> dict[str, Any]:
        return {"value": self.value, "mode": mode}


class _Broken:
    def model_dump(self, mode: str) -> Any:
        raise RuntimeError("foreign code")


class _Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("foreign code")


@given(arguments=st.dictionaries(st.text(), JSON))
def test_the_order_of_arguments_does_not_matter(arguments: dict[str, Any]) -> None:
    turned = dict(reversed(arguments.items()))
    assert fingerprint("t", arguments) == fingerprint("t", turned)


def test_the_text_that_a_model_wrote_is_the_value_that_it_holds() -> None:
    spaced = '{ "b": 2, "a": [1, 2] }'
    assert fingerprint("t", spaced) == fingerprint("t", {"a": [1, 2], "b": 2})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"page": 1}, {"page": 2}),
        ({"q": "a"}, {"q": "b"}),
        ({"a": 1}, {"b": 1}),
        ([1, 2], [2, 1]),
        ("{broken 1", "{broken 2"),
        ("1e999", "2e999"),
        ({"x": None}, {}),
        (_Point(1, 2), _Point(2, 1)),
        (b"a", b"b"),
        ({1, 2}, {1, 3}),
    ],
)
def test_other_arguments_are_another_call(one: object, other: object) -> None:
    assert fingerprint("t", one).digest != fingerprint("t", other).digest
    assert fingerprint("t", one).comparable


def test_the_tool_is_part_of_the_call() -> None:
    assert fingerprint("a", {}).digest != fingerprint("b", {}).digest


@pytest.mark.parametrize("value", [object(), [object()], _Broken(), {1: 2, "a": 3}])
def test_what_can_not_be_read_is_not_comparable(value: object) -> None:
    assert not fingerprint("t", value).comparable
    assert result_print(value).exact is None


def test_a_circle_and_a_deep_nest_do_not_hurt() -> None:
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (circle, deep):
        assert not fingerprint("t", value).comparable
    assert fingerprint("t", "[" * 100_000).comparable
    while deep:
        deep = deep.pop()  # the interpreter would free it recursively


def test_half_a_surrogate_pair_does_not_hurt() -> None:
    assert fingerprint("t", "\ud83d") != fingerprint("t", "\ud83e")
    assert result_print("\ud83d").exact is not None


SAME = (
    ("at 2026-11-20T10:00:01Z", "at 2026-11-20T10:00:02Z"),
    ("at 2026-11-20 10:00:01,123", "at 2026-11-21 11:00:01,999"),
    ("at 2026-11-20T10:00:01.123456+01:00", "at 2026-11-20T10:00:02.1+02:00"),
    ("Fri, 20 Nov 2026 10:00:01 GMT", "Fri, 20 Nov 2026 10:00:09 GMT"),
    ("Nov 20 10:00:01 host", "Nov 20 10:00:02 host"),
    ("id 550e8400-e29b-41d4-a716-446655440000", "id 650E8400-E29B-41D4-A716-446655440001"),
    ("commit 3fa9c1d2", "commit 4fa9c1d2e5"),
    ("<Thing at 0x7f12ab34cd>", "<Thing at 0x7f12ab34ff>"),
    ('{"ts": 1763672400123}', '{"ts": 1763672400999}'),
    ("1763672400.25 ok", "1763672401.5 ok"),
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_moments_and_ids_are_no_difference(one: str, other: str) -> None:
    assert result_print(one) == result_print(other)


PROGRESS = (
    ("37 %", "38 %"),
    ("00:05:00 left", "00:04:00 left"),
    ("1523456789 bytes", "1623456789 bytes"),
    ("12345678 rows", "12345679 rows"),
    ("v1.2.3", "v1.2.4"),
    ("due 2026-11-20", "due 2026-11-21"),
)


@pytest.mark.parametrize(("one", "other"), PROGRESS)
def test_numbers_are_a_difference_that_may_be_progress(one: str, other: str) -> None:
    assert result_print(one).exact != result_print(other).exact
    assert result_print(one).near == result_print(other).near


@pytest.mark.parametrize(
    ("one", "other"),
    [("queued", "running"), ("deadbeef", "feedface"), (None, ""), (_Model(1), _Model("a"))],
)
def test_words_are_a_difference(one: object, other: object) -> None:
    assert result_print(one).exact != result_print(other).exact
    assert result_print(one).near != result_print(other).near


def test_an_exception_is_a_result() -> None:
    assert result_print(ValueError("no")) == result_print(ValueError("no"))
    assert result_print(ValueError("no")) != result_print(KeyError("no"))
    assert result_print(_Unprintable()).exact is None


def test_a_change_in_the_middle_of_a_long_result_is_seen() -> None:
    """Only head and tail are cleaned; what is between them still counts."""
    long = "x" * 200_000
    changed = f"{long[:100_000]}y{long[100_001:]}"
    assert result_print(long).exact != result_print(changed).exact


@pytest.mark.parametrize("make", [lambda n: "x" * n, lambda n: b"x" * n])
def test_a_result_that_is_too_long_is_like_no_other(make: Any) -> None:
    assert result_print(make(LONGEST_RESULT_CHARS)).exact is not None
    assert result_print(make(LONGEST_RESULT_CHARS + 1)).exact is None


@pytest.mark.parametrize(
    "unit", ["a", "1", "a1", "1-", "12:", "0x", "1234-", "12345678-1234-", "Nov 1 ", "1.", "é"]
)
def test_no_text_takes_more_than_linear_time(unit: str) -> None:
    """The cleaned part is bounded, and no pattern tries its matches in two ways."""
    text = unit * (LONGEST_RESULT_CHARS // len(unit))
    began = time.process_time()
    result_print(text)
    assert time.process_time() - began < 0.5
