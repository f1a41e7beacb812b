"""A chain of actions as a document: Markdown, Mermaid, HTML or PDF."""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, get_args

from spanledger.history.action import Action
from spanledger.history.chain import Link, chains
from spanledger.history.documents._html import html
from spanledger.history.documents._markdown import markdown
from spanledger.history.documents._mermaid import mermaid
from spanledger.history.documents._pdf import NoBrowser, find_browser, print_pdf
from spanledger.history.texts import Texts

__all__ = ["FORMS", "Form", "NoBrowser", "export", "find_browser"]

Form = Literal["markdown", "mermaid", "html", "pdf"]
FORMS: tuple[Form, ...] = get_args(Form)

_WRITERS: Mapping[str, Callable[[list[Link], Texts], str]] = {
    "markdown": markdown,
    "mermaid": mermaid,
    "html": html,
}


def export(actions: Iterable[Action], form: Form, texts: Texts) -> bytes:
    """The document with these actions: UTF-8 text, or a PDF printed from the HTML by a browser.

    Raises:
        ValueError: there is no such form.
        NoBrowser: for PDF: no Chromium is installed, or it printed nothing.
    """
    if form not in FORMS:
        raise ValueError(f"there is no form {str(form)[:64]!r}; choose one of {', '.join(FORMS)}")
    roots = chains(actions)
    if form == "pdf":
        return print_pdf(html(roots, texts))
    return _WRITERS[form](roots, texts).encode()
