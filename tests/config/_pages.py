"""Pages of the documentation that are printed by the code they describe."""

import os
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
#: Set it to write the pages anew instead of comparing them.
REWRITE_ENV = "REWRITE_DOCS"


def hold_current(name: str, printed: str) -> None:
    """Fail unless the page ``docs/name`` is what the code prints now."""
    page = DOCS / name
    if os.environ.get(REWRITE_ENV):
        page.parent.mkdir(exist_ok=True)
        page.write_text(printed, encoding="utf-8")
    present = page.read_text(encoding="utf-8") if page.exists() else ""
    assert present == printed, f"docs/{name} is out of date: run `{REWRITE_ENV}=1 pytest tests`"
