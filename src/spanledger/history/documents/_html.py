"""HTML: one page that needs nothing else, for a browser or a printer. Pure."""

from html import escape

from spanledger.history.chain import Link
from spanledger.history.documents._rows import COLUMNS, Row, commands, headings, rows
from spanledger.history.texts import Texts

_STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
blockquote { border-left: 4px solid #1a73e8; margin: 1rem 0; padding: .2rem 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
td.when, td.took, td.cost_column { white-space: nowrap; font-variant-numeric: tabular-nums; }
.error { color: #c5221f; } .partial, .incomplete { color: #b06000; }
@media (prefers-color-scheme: dark) { .error { color: #f28b82; }
  .partial, .incomplete { color: #fdd663; } }
@media print { body { margin: 0; max-width: none; font-size: 10px; } tr { break-inside: avoid; } }
"""
#: Nothing is loaded and nothing runs, whatever stands in a name.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html(roots: list[Link], texts: Texts) -> str:
    """The page."""
    title = escape(texts.say("title"))
    said = escape(texts.say("command_title"))
    quotes = "".join(
        f"<blockquote><b>{said}:</b> {escape(command)}</blockquote>\n"
        for command in commands(roots)
    )
    body = _table(roots, texts) if roots else f"<p>{escape(texts.say('no_actions'))}</p>"
    return (
        f'<!doctype html>\n<html><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{title}</h1>\n{quotes}{body}\n</body></html>\n"
    )


def _table(roots: list[Link], texts: Texts) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in headings(texts))
    lines = "\n".join(_line(row) for row in rows(roots, texts))
    return f"<table><thead><tr>{heads}</tr></thead>\n<tbody>{lines}</tbody></table>"


def _line(row: Row) -> str:
    cells = []
    for name, cell in zip(COLUMNS, row.cells, strict=True):
        kind = f"{name} {row.action.status}" if name == "status" else name
        indent = f' style="padding-left:{0.6 + 1.2 * row.depth:.1f}rem"' if name == "action" else ""
        cells.append(f'<td class="{kind}"{indent}>{escape(cell)}</td>')
    return f"<tr>{''.join(cells)}</tr>"
