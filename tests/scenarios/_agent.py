"""An agent that knows nothing of Spanledger. Run by the tests: `_agent.py TASK ARGUMENTS`.

Prints one JSON object at its end. Tasks that begin together print ``ready`` and wait for a line.
"""

import json
import os
import sys
from typing import Any

import openai

CLIENT = openai.OpenAI(max_retries=0)


def _ask(max_tokens: int) -> str:
    """``ok``, or the kind of the error."""
    try:
        CLIENT.chat.completions.create(
            model=os.environ.get("AGENT_MODEL", "demo"),
            messages=[{"role": "user", "content": "count these four words"}],
            max_tokens=max_tokens,
        )
    except Exception as error:  # noqa: BLE001 - its kind is the result
        return f"{type(error).__name__}: {getattr(error, 'reason', '')}"
    return "ok"


def _wait_for_the_others() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def ask(max_tokens: str, number: str = "1") -> Any:
    """So many calls, one after the other."""
    return [_ask(int(max_tokens)) for _ in range(int(number))]


def ask_together(max_tokens: str, number: str) -> Any:
    """The same, begun together with others."""
    _wait_for_the_others()
    return ask(max_tokens, number)


def spend(max_tokens: str) -> Any:
    """Calls until one is refused."""
    _wait_for_the_others()
    outcomes: list[str] = []
    # Not for ever, should nothing refuse.
    while len(outcomes) < 500:
        outcomes.append(_ask(int(max_tokens)))
        if outcomes[-1] != "ok":
            break
    return outcomes


def fork_in_flight(max_tokens: str) -> Any:
    """The process forks while its request is on the way; the child makes a call of its own."""
    from spanledger.testing.providers import http_library

    children: list[int] = []

    def fork(_request: object) -> None:
        if children:
            return
        children.append(os.fork())
        if children[0] == 0:
            global CLIENT
            CLIENT = openai.OpenAI(max_retries=0)
            outcome = _ask(int(max_tokens))
            # As a worker ends: with everything that runs at an orderly exit.
            sys.exit(0 if outcome == "ok" else 3)

    global CLIENT
    http_client = http_library("openai").Client(event_hooks={"request": [fork]})
    CLIENT = openai.OpenAI(max_retries=0, http_client=http_client)
    outcome = _ask(int(max_tokens))
    _pid, status = os.waitpid(children[0], 0)
    return {"parent": outcome, "child": os.waitstatus_to_exitcode(status)}


if __name__ == "__main__":
    print(json.dumps({"outcomes": globals()[sys.argv[1]](*sys.argv[2:])}))
