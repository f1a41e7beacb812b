"""The rules that docs/memory.md states: fading, moving, near-duplicates."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger.context.memory import Item
from spanledger.context.memory._item import TIERS
from spanledger.context.memory._rules import (
    HALF_LIFE_S,
    first_tier,
    item_strength,
    next_tier,
    strength,
)
from spanledger.context.memory._similar import groups, jaccard, merged, shingles, similar
from spanledger.context.memory._weakest import Weakest

ITEM = Item("a", "ada", "parcel 17 is late", 0.5, ("parcel",), 100.0, 100.0, tier="medium")
TEXTS = st.text("abcde no1 ", max_size=40)


@pytest.mark.parametrize("tier", TIERS)
@given(importance=st.floats(0, 1), uses=st.integers(0, 50))
def test_a_memory_has_half_its_strength_after_a_half_life(
    tier: str, importance: float, uses: int
) -> None:
    life = HALF_LIFE_S[tier] * (1 + uses)  # type: ignore[index]  # one of TIERS

    assert strength(importance, 0, uses, tier) == importance  # type: ignore[arg-type]  # as above
    half = strength(importance, life, uses, tier)  # type: ignore[arg-type]  # as above
    assert half == pytest.approx(importance / 2)


@given(
    first=st.floats(0, 1e9),
    second=st.floats(0, 1e9),
    uses=st.integers(0, 9),
    more=st.integers(0, 9),
)
def test_a_memory_only_fades_and_use_makes_it_last(
    first: float, second: float, uses: int, more: int
) -> None:
    sooner, later = sorted((first, second))
    assert strength(0.7, sooner, uses, "short") >= strength(0.7, later, uses, "short") >= 0
    assert strength(0.7, later, uses + more, "short") >= strength(0.7, later, uses, "short")


@pytest.mark.parametrize(
    ("changes", "tier"),
    [
        ({"tier": "short", "importance": 0.29}, "short"),
        ({"tier": "short", "importance": 0.3}, "medium"),
        ({"tier": "short", "importance": 0.1, "uses": 2}, "medium"),
        ({"tier": "short", "importance": 0.1, "count": 2}, "medium"),
        ({}, "medium"),
        ({"importance": 0.8}, "long"),
        ({"uses": 5}, "long"),
        ({"count": 3}, "long"),
        ({"tier": "long", "importance": 0.0}, "long"),
    ],
)
def test_a_memory_moves_by_importance_use_and_repetition(
    changes: dict[str, object], tier: str
) -> None:
    assert next_tier(replace(ITEM, **changes)) == tier  # type: ignore[arg-type]  # fields of an item


def test_a_new_memory_never_waits_for_the_network() -> None:
    assert [first_tier(importance) for importance in (0.0, 0.3, 1.0)] == [
        "short",
        "medium",
        "medium",
    ]


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("The parcel of Ada is late.", "the parcel of ada is late", True),
        ("The parcel of Ada is late again", "The parcel of Ada is late", True),
        ("order 4711 is late", "order 4712 is late", False),
        ("the user wants emails every morning", "the user never wants emails every morning", False),
        ("she doesn't like the colour blue", "she does like the colour blue", False),
        ("the harbour is closed", "lunch is at noon", False),
    ],
)
def test_near_duplicates_are_texts_alike_with_the_same_numbers_and_negations(
    first: str, second: str, alike: bool
) -> None:
    assert similar(first, second) is alike
    assert (len(groups([first, second])) == 1) is alike


@given(texts=st.lists(TEXTS, max_size=20))
def test_every_text_is_in_one_group_with_texts_that_are_like_its_first(texts: list[str]) -> None:
    found = groups(texts)

    assert sorted(place for group in found for place in group) == list(range(len(texts)))
    for head, *others in found:
        assert all(similar(texts[head], texts[place]) for place in others)


@given(text=st.text("abcdefgh ", min_size=60, max_size=200), at=st.integers(0, 59))
def test_a_text_that_differs_in_one_letter_is_found(text: str, at: int) -> None:
    other = f"{text[:at]}x{text[at + 1 :]}"
    if jaccard(shingles(text), shingles(other)) >= 0.8:
        assert len(groups([text, other])) == 1


def test_merging_counts_and_keeps_the_newest_words_and_the_oldest_id() -> None:
    newer = replace(
        ITEM, id="b", content="Parcel 17 is late!", importance=0.9, tags=("late",),
        created_s=200.0, used_s=300.0, uses=2, count=3, tier="long",
    )  # fmt: skip

    whole = merged([newer, ITEM])

    assert (whole.id, whole.created_s) == ("a", 100.0)
    assert whole.content == "Parcel 17 is late!"
    assert (whole.importance, whole.uses, whole.count, whole.tier) == (0.9, 2, 4, "long")
    assert (whole.tags, whole.used_s) == (("late", "parcel"), 300.0)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "use", "drop", "pop"]),
        st.integers(0, 30),
        st.floats(0, 1),
        st.integers(0, 9000),
    ),
    max_size=120,
)


@given(_STEPS)
def test_the_weakest_memory_is_found_without_looking_at_all(
    steps: list[tuple[str, int, float, int]],
) -> None:
    kept: dict[str, Item] = {}
    weakest = Weakest(lambda item: kept.get(item.id) is item)
    now_s = 1.8e9
    for step, number, importance, pause_s in steps:
        now_s += pause_s
        name = str(number)
        if step == "add":
            kept[name] = Item(name, "", "x", importance, (), now_s, now_s)
            weakest.add(kept[name], len(kept))
        elif step == "use" and name in kept:
            kept[name] = replace(kept[name], used_s=now_s, uses=kept[name].uses + 1)
            weakest.add(kept[name], len(kept))
        elif step == "drop":
            kept.pop(name, None)
        elif step == "pop" and kept:
            gone = kept.pop(weakest.pop(now_s).id)
            left = (item_strength(item, now_s) for item in kept.values())
            assert item_strength(gone, now_s) <= min(left, default=1.0) * (1 + 1e-6)


def test_what_is_no_longer_kept_does_not_pile_up() -> None:
    kept = ITEM
    weakest = Weakest(lambda item: item is kept)
    for number in range(10_000):
        kept = replace(ITEM, used_s=float(number), uses=number % 7)
        weakest.add(kept, 1)

    assert sum(map(len, weakest._heaps.values())) < 100
    assert weakest.pop(1e4) is kept
