"""The error that `docs/errors.md` shows is one that was collected."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from spanledger import track
from spanledger.testing.spans import SpanCapture
from tests.config._pages import REWRITE_ENV
from tests.processors import _page_agent
from tests.processors._errors import collecting, contexts, spans

__all__ = ["collecting", "spans"]

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
BEGIN, END = "<!-- context -->\n", "<!-- /context -->\n"
PARTS = ("chain", "frames", "locals", "path", "resources", "snapshots")
#: What is never the same twice.
DURATION = re.compile(r'"(duration|age)_s": [\d.e-]+')
READING = {
    "rss_bytes": 48_234_496,
    "cpu_s": 0.41,
    "threads": 1,
    "open_files": 9,
    "since_session_began": {"rss_bytes": 262_144, "cpu_s": 0.02, "threads": 0, "open_files": 0},
}


def shown(found: dict[str, Any]) -> str:
    """The parts of a context as blocks of JSON."""
    blocks = []
    assert found["resources"].keys() == READING.keys()
    for part, value in (found | {"resources": READING}).items():
        if part not in PARTS:
            continue
        text = json.dumps(value, indent=2, ensure_ascii=False)
        text = DURATION.sub(r'"\1_s": 0.0021', text)
        blocks.append(f"`spanledger.error.{part}`\n\n```json\n{text}\n```\n")
    return "\n" + "\n".join(blocks) + "\n"


def test_the_page_shows_an_error_as_it_is(
    spans: SpanCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``REWRITE_DOCS=1`` writes it anew."""
    monkeypatch.chdir(Path(__file__).parents[2])
    with suppress(LookupError), track.session("ticket-4711"):
        _page_agent.run(api_key="-".join(["not", "a", "real", "key"]))
    [found] = contexts(spans.named("execute_tool search")[0])
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    present, tail = rest.split(END)
    if os.environ.get(REWRITE_ENV):
        PAGE.write_text(head + BEGIN + shown(found) + END + tail, encoding="utf-8")
        return
    assert present == shown(found)
    assert "not-a-real-key" not in present
