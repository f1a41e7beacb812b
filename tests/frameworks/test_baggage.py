"""What a provider is told: nobody's name, unless a setting says so.

The anthropic client sends W3C baggage by itself.
"""

from urllib.parse import unquote

import anthropic
import pytest

from spanledger import track
from spanledger.instrumentation import install, uninstall
from spanledger.testing.providers import MockProvider
from spanledger.testing.spans import capture_spans


@pytest.mark.parametrize("wanted", [False, True])
def test_names_go_to_a_provider_only_where_baggage_is_wanted(wanted: bool) -> None:
    with MockProvider() as provider, capture_spans(as_global=True):
        install(
            environ={},
            overrides={"export.mode": "off", "guard.store": "memory", "export.baggage": wanted},
        )
        try:
            client = anthropic.Anthropic(base_url=provider.url, api_key="none")
            with track.session("s-1", user="ada@example.org"), track.agent("librarian"):
                client.messages.create(
                    model="claude-haiku-4-5",
                    max_tokens=16,
                    messages=[{"role": "user", "content": "x"}],
                )
        finally:
            uninstall()
        [request] = provider.requests
    sent = unquote("\n".join(f"{name}: {value}" for name, value in request.headers.items()))
    named = [name for name in ("s-1", "ada@example.org", "librarian") if name in sent]
    assert named == (["s-1", "ada@example.org", "librarian"] if wanted else [])
