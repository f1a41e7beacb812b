"""Chains as Markdown, Mermaid, HTML and PDF."""

import re
from html.parser import HTMLParser

import pytest

from spanledger.history import NoBrowser, export
from spanledger.history.documents import FORMS, find_browser
from spanledger.history.texts import texts_of
from tests.history._actions import ENGLISH, action, container

NASTY = '<script>alert("x")</script> | `rm` *now* "quoted" [a](b)\nline two'
CHAIN = [
    container(1, "agent", "clerk", 9, command="Where is <b>parcel</b> 17?"),
    action(2, "tool", NASTY, "error", inside=1, error_type="Timeout", arguments=NASTY),
    action(3, "call", "gpt-x", inside=1, cost_nano_usd=2_500_000, agent="clerk"),
]


def test_markdown_is_a_table_with_the_command_above() -> None:
    text = export(CHAIN, "markdown", ENGLISH).decode()
    assert "> **Command:** Where is \\<b\\>parcel\\</b\\> 17?" in text
    (line,) = [line for line in text.splitlines() if "gpt-x" in line]
    assert line == (
        "| 2026-03-01 12:00:03 | \N{EM SPACE}\N{EM SPACE}model call gpt-x | success | 500.0 ms "
        "| clerk | $0.0025 |  |  |"
    )


def test_names_cannot_break_out_of_the_markdown_table() -> None:
    text = export(CHAIN, "markdown", ENGLISH).decode()
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 9
    assert "<script>" not in text


def test_mermaid_draws_what_led_to_what() -> None:
    lines = [line.strip() for line in export(CHAIN, "mermaid", ENGLISH).decode().splitlines()]
    assert lines[0] == "flowchart TD"
    assert "n1 --> n2" in lines
    assert "n1 --> n3" in lines
    assert 'n3["model call gpt-x<br/>success"]:::success' in lines
    nodes = [line for line in lines if re.match(r"n\d+\W", line) and "-->" not in line]
    assert len(nodes) == 3
    for node in nodes:
        assert node.count('"') == 2
        assert "<script" not in node


class _Seen(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_one_page_that_loads_and_runs_nothing() -> None:
    seen = _Seen()
    page = export(CHAIN, "html", ENGLISH).decode()
    seen.feed(page)
    assert "script" not in seen.tags
    assert seen.tags.count("tr") == 4
    assert NASTY in seen.text
    assert "default-src 'none'" in page
    assert not re.search(r"https?://", page)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "pdf"])
def test_nothing_done_is_said_in_every_form(form: str) -> None:
    text = export([], form, texts_of("id")).decode()  # type: ignore[arg-type]  # one of them
    assert "Tidak ada tindakan" in text


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no form 'docx'; choose one of markdown"):
        export([], "docx", ENGLISH)  # type: ignore[arg-type]  # what a caller may give


def test_without_a_browser_pdf_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    if find_browser() is not None:
        pytest.skip("a browser is installed outside of PATH")
    with pytest.raises(NoBrowser, match="write the HTML and print it with the browser you have"):
        export(CHAIN, "pdf", ENGLISH)


@pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")
def test_a_browser_prints_the_pdf() -> None:
    assert export(CHAIN, "pdf", ENGLISH).startswith(b"%PDF-")
