"""Calls a model again and again, whether it is let through or not, and says when that changes.

It goes on until its input ends.
"""

import select
import sys

import openai

from spanledger.guard import SpanledgerRefusal

_PAUSE_S = 0.05


def _ask(client: openai.OpenAI) -> str:
    try:
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}], max_tokens=5
        )
    except SpanledgerRefusal as refusal:
        return refusal.reason
    return "answered"


def main() -> None:
    client, before = openai.OpenAI(), ""
    while not select.select([sys.stdin], [], [], _PAUSE_S)[0]:
        if (said := _ask(client)) != before:
            print("says", said, flush=True)
            before = said


main()
