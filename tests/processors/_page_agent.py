"""The agent of the page on errors: its second tool fails."""

from typing import Any

from spanledger import track


@track.tool
def plan(task: str) -> list[str]:
    return [f"search {task}", "write"]


@track.tool
def search(query: str, *, api_key: str, top: int = 3) -> list[str]:
    request = {"query": query, "top": top, "authorization": f"Bearer {api_key}"}
    try:
        return _index(request)[query]
    except KeyError as problem:
        raise LookupError(f"the index has no entry for {query!r}") from problem


def _index(request: dict[str, Any]) -> dict[str, list[str]]:
    return {"llm": ["Attention is all you need"][: request["top"]]}


def run(api_key: str) -> None:
    """Plan, then search for what is not there."""
    with track.agent("researcher"):
        steps = plan("agents")
        track.snapshot("progress", {"steps": steps, "done": 0})
        track.snapshot("progress", {"steps": steps, "done": 1})
        search("agents", api_key=api_key)
