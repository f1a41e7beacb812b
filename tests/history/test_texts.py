"""Sentences in several languages."""

from collections.abc import Iterator

import pytest

from spanledger.history.chain import explain
from spanledger.history.texts import LANGUAGES, money, parts, texts_of, use_texts
from spanledger.history.texts.en import ENGLISH
from spanledger.history.texts.id import INDONESIAN
from tests.history._actions import action


@pytest.fixture(autouse=True)
def _languages() -> Iterator[None]:
    before = dict(LANGUAGES)
    yield
    LANGUAGES.clear()
    LANGUAGES.update(before)


@pytest.mark.parametrize("key", sorted(ENGLISH))
def test_indonesian_says_every_sentence_with_the_same_parts(key: str) -> None:
    assert parts(INDONESIAN[key]) == parts(ENGLISH[key])


def test_indonesian_has_no_sentence_of_its_own() -> None:
    assert INDONESIAN.keys() == ENGLISH.keys()


def test_an_explanation_is_given_in_indonesian() -> None:
    sentences = explain(action(1), [], texts_of("id")).sentences
    assert sentences[0] == "Tindakannya: alat search; status: berhasil, setelah 500.0 ms."


def test_a_language_can_be_added_and_says_the_rest_in_english() -> None:
    use_texts("de", {"status_success": "gelungen"})
    texts = texts_of("de")
    assert texts.status("success") == "gelungen"
    assert texts.status("error") == "error"


def test_a_table_of_no_use_is_refused() -> None:
    with pytest.raises(ValueError, match="no sentence is called nonsense"):
        use_texts("de", {"nonsense": "x"})
    with pytest.raises(ValueError, match="has other parts"):
        use_texts("de", {"failed": "kaputt: {warum}"})


def test_names_with_braces_are_only_names() -> None:
    assert (
        "{0.__class__}" in explain(action(1, name="{0.__class__}"), [], texts_of("en")).sentences[0]
    )


def test_money_is_exact() -> None:
    assert [money(n) for n in (0, 1, 10**7, 1_234_500_000_000)] == [
        "$0.00",
        "$0.000000001",
        "$0.01",
        "$1,234.50",
    ]
