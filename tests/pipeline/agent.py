"""Calls a model again and again; says after each call what telemetry was accepted and delivered.

arguments: what its sessions' names begin with, number of calls, pause between them in seconds.
"""

import sys
import time

import openai

from spanledger.instrumentation import installation
from spanledger.track import agent, session


def main(prefix: str, calls: int, pause_s: float) -> None:
    client = openai.OpenAI()
    made = installation()
    assert made is not None
    assert made.exporter is not None
    for number in range(calls):
        with session(f"{prefix}-{number}"), agent("worker"):
            client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": f"call {number}"}]
            )
        books = made.exporter.books()
        print(books.accepted, books.delivered, flush=True)
        time.sleep(pause_s)


main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
