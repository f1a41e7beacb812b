"""An agent whose tool and whose model call fail, with secrets in its variables; prints JSON."""

import json
import os
from typing import Any

import openai

from spanledger import track


@track.tool
def look_up(word: str, api_key: str) -> str:
    database = f"postgres at db.local as app with {os.environ['DB_PASSWORD']}"
    headers = {"Authorization": api_key, "Accept": "application/json"}
    rows: list[str] = []
    if not rows:
        raise LookupError(f"no rows for {word} from {database} ({len(headers)} headers)")
    return rows[0]


def ask() -> Any:
    client = openai.OpenAI(base_url=f"{os.environ['MOCK_URL']}/v1", api_key="none", max_retries=0)
    prompt = "what is my diagnosis"
    messages: Any = [{"role": "user", "content": prompt}]
    return client.chat.completions.create(model="gpt-4o-mini", messages=messages)


def main() -> None:
    found = {}
    with track.session("ticket-1"), track.agent("helper"):
        track.snapshot("plan", {"next": "look up", "token": os.environ["DB_PASSWORD"]})
        try:
            look_up("bern", os.environ["DB_PASSWORD"])
        except LookupError as error:
            found["tool"] = track.error(error, step=1)
        track.snapshot("plan", {"next": "ask", "token": os.environ["DB_PASSWORD"]})
        try:
            ask()
        except openai.APIStatusError as error:
            found["call"] = track.error(error)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
