"""Markdown: a table, actions indented below what they were a part of. Pure."""

import re

from spanledger.history.chain import Link
from spanledger.history.documents._rows import COLUMNS, commands, headings, rows
from spanledger.history.texts import Texts

#: What Markdown or the HTML in it would read as more than text.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_INDENT = "\N{EM SPACE}\N{EM SPACE}"
_ACTION = COLUMNS.index("action")


def markdown(roots: list[Link], texts: Texts) -> str:
    """The document."""
    lines = [f"# {texts.say('title')}", ""]
    for command in commands(roots):
        lines += [f"> **{texts.say('command_title')}:** {plain(command)}", ""]
    if not roots:
        return "\n".join([*lines, texts.say("no_actions"), ""])
    lines.append(_line(headings(texts)))
    lines.append(_line(["---"] * len(COLUMNS)))
    for row in rows(roots, texts):
        cells = [plain(cell) for cell in row.cells]
        cells[_ACTION] = _INDENT * row.depth + cells[_ACTION]
        lines.append(_line(cells))
    return "\n".join([*lines, ""])


def plain(text: str) -> str:
    """`text` on one line, as Markdown that shows just that."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
