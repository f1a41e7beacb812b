"""An agent that makes four calls and says what became of each. Run by the tests in a process."""

import json
import os
import sys


def outcomes(asked: int = 4) -> list[str]:
    import openai

    client = openai.OpenAI(base_url=f"{os.environ['MOCK_URL']}/v1", api_key="none", max_retries=0)
    return [_outcome(client) for _ in range(asked)]


def _outcome(client: object) -> str:
    try:
        client.chat.completions.create(  # type: ignore[attr-defined]  # imported late, on purpose
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "top secret question"}],
            max_tokens=16,
        )
    except Exception as error:  # noqa: BLE001 - its type is the result
        return type(error).__name__
    return "ok"


def main() -> None:
    found = outcomes()
    loaded = sorted(sys.modules.keys() & {"openai", "anthropic", "chdb", "click", "rich"})
    print(json.dumps({"outcomes": found, "loaded": loaded}))


if __name__ == "__main__":
    main()
