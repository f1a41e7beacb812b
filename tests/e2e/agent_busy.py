"""Calls a model again and again and says after each call how much telemetry has arrived.

arguments: number of calls, pause between them in seconds.
"""

import sys
import time

import openai

from spanledger.instrumentation import installation
from spanledger.track import agent, session


def main(calls: int, pause_s: float) -> None:
    client = openai.OpenAI()
    made = installation()
    assert made is not None
    assert made.exporter is not None
    for number in range(calls):
        with session(f"busy-{number}"), agent("worker"):
            client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": f"call {number}"}]
            )
        print(made.exporter.books().delivered, flush=True)
        time.sleep(pause_s)


main(int(sys.argv[1]), float(sys.argv[2]))
