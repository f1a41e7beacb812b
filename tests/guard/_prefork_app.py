"""A web application whose requests each ask a model: run by gunicorn, or by forked processes.

Where it is imported the guard is installed: in the master with ``--preload``, else in each worker.
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import openai

from spanledger.guard import SpanledgerRefusal
from spanledger.instrumentation import install

PROMPT, MAX_TOKENS = os.environ["PROMPT"], int(os.environ["MAX_TOKENS"])

install()


def ask(model: str = "gpt-4o-mini") -> str:
    """``ok``, or the type of the refusal."""
    client = openai.OpenAI(api_key="none", max_retries=0)
    try:
        client.chat.completions.create(
            model=model, max_tokens=MAX_TOKENS, messages=[{"role": "user", "content": PROMPT}]
        )
    except SpanledgerRefusal as refusal:
        return type(refusal).__name__
    return "ok"


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """``/MODEL`` asks that model. A model named ``slow`` tells first who asks."""
    model = environ["PATH_INFO"].lstrip("/")
    if model == "slow":
        Path(os.environ["BUSY_FILE"]).write_text(str(os.getpid()), encoding="ascii")
    said = ask(model)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{said} {os.getpid()}".encode()]


def until_refused(results: "multiprocessing.SimpleQueue[int]") -> None:
    """Ask until the budget says no; how many calls were let through."""
    calls = 0
    while ask() == "ok":
        calls += 1
    results.put(calls)


def main(method: str) -> None:
    """This process asks once, then five ask until they are refused, of which four are children."""
    context = multiprocessing.get_context(method)
    first = ask()
    results = context.SimpleQueue()
    children = [
        context.Process(target=until_refused, args=(results,))  # type: ignore[attr-defined]  # typeshed lacks it on the base
        for _ in range(4)
    ]
    for child in children:
        child.start()
    until_refused(results)
    for child in children:
        child.join()
    calls = [results.get() for _ in range(5)]
    codes = [child.exitcode for child in children]
    print(json.dumps({"first": first, "calls": calls, "codes": codes}))


if __name__ == "__main__":
    main(sys.argv[1])
