"""Usage of Ollama."""

import pytest

from spanledger.usage import MISSING, Usage
from spanledger.usage.ollama import from_answer


def test_both_counts_are_read() -> None:
    found = from_answer({"prompt_eval_count": 10, "eval_count": 4, "done": True})
    assert found == Usage(input_tokens=10, output_tokens=4)


def test_embeddings_have_input_only() -> None:
    assert from_answer({"prompt_eval_count": 10}) == Usage(input_tokens=10)


@pytest.mark.parametrize(
    "answer",
    [None, {"eval_count": 4}, {"prompt_eval_count": 1, "eval_count": "x"}, {"done": False}],
)
def test_an_answer_without_its_prompt_is_missing(answer: object) -> None:
    assert from_answer(answer) == MISSING
