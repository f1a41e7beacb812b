"""Asks for every golden case once, on the day of the case, under the case's provider.

stdin: the cases as JSON. The mock provider replies in the order of the cases.
"""

import json
import sys
import time
from datetime import datetime
from typing import Any

import anthropic
import openai

from spanledger.instrumentation import _exchange
from spanledger.track import session


class _Calendar:
    """`time` for the exchange, set to the day of a case: prices depend on it."""

    at_ns = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def time_ns(self) -> int:
        return self.at_ns


def main() -> None:
    calendar = _Calendar()
    vars(_exchange)["time"] = calendar  # a clock for the prices only
    openai_client, anthropic_client = openai.OpenAI(), anthropic.Anthropic()
    for number, case in enumerate(json.load(sys.stdin)):
        at = datetime.fromisoformat(case["at"].replace("Z", "+00:00"))
        calendar.at_ns = int(at.timestamp()) * 1_000_000_000
        client: Any = anthropic_client if case["provider"] == "anthropic" else openai_client
        # The provider is told by the client's address, which is the mock's for all of them.
        client._spanledger_target = (client._base_url, case["provider"], "127.0.0.1")
        messages: Any = [{"role": "user", "content": "hello"}]
        with session(f"golden-{number}"):
            if client is anthropic_client:
                client.messages.create(model=case["model"], max_tokens=64, messages=messages)
            else:
                client.chat.completions.create(model=case["model"], messages=messages)


main()
