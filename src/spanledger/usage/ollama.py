"""Usage of Ollama's dialect: two counts in the answer itself, or in the last line of its stream.

Some releases leave ``prompt_eval_count`` out if the prompt was still in their cache; such a usage,
and one without any tokens, is ``MISSING``.
"""

from spanledger.usage._read import UNREADABLE, count, view
from spanledger.usage._usage import MISSING, Usage

__all__ = ["from_answer"]


def from_answer(answer: object) -> Usage:
    """The usage of an answer to chat, generate or embed."""
    seen = view(answer)
    into, out = count(seen, "prompt_eval_count"), count(seen, "eval_count")
    if not into or UNREADABLE in (into, out):
        return MISSING
    return Usage(input_tokens=into, output_tokens=out or 0)
