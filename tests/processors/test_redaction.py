"""What may leave the process, and what never does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanledger import semconv
from spanledger.processors.redaction import (
    CONTENT,
    REDACTED,
    AllowList,
    redact_value,
    redactor,
    secrets_of,
)

OLDER_CONTENT = (
    "gen_ai.prompt.0.content",
    "gen_ai.completion.0.content",
    "gen_ai.event.content",
    "gen_ai.content.prompt",
    "gen_ai.tool.message",
    "llm.input_messages.0.message.content",
    "input.value",
    "output.value",
    "traceloop.entity.input",
    "mcp.request.argument",
    "mcp.response.value",
    "rpc.request.metadata.authorization",
    "http.request.header.authorization",
    "db.statement",
    "url.full",
    "process.command_args",
    "anything.else",
)
USEFUL = (
    semconv.OPERATION_NAME,
    semconv.PROVIDER_NAME,
    semconv.REQUEST_MODEL,
    semconv.REQUEST_MAX_TOKENS,
    semconv.RESPONSE_FINISH_REASONS,
    semconv.USAGE_INPUT_TOKENS,
    semconv.USAGE_CACHE_READ_TOKENS,
    semconv.COST_AMOUNT,
    semconv.AGENT_NAME,
    semconv.TOOL_NAME,
    semconv.TOOL_CALL_ID,
    semconv.TOOL_DESCRIPTION,
    semconv.CONVERSATION_ID,
    semconv.SESSION_ID,
    semconv.USER_ID,
    semconv.ERROR_TYPE,
    semconv.COST_NANO_USD,
    semconv.TOOL_ARGUMENTS_HASH,
    semconv.ANTHROPIC_CACHE_WRITE_1H_TOKENS,
    semconv.OPENAI_RESPONSE_SERVICE_TIER,
    "exception.message",
    "service.name",
    "server.address",
    "http.response.status_code",
    "mcp.method.name",
    "rpc.method",
    "openinference.span.kind",
    "llm.token_count.prompt",
)


def test_every_name_that_we_write_ourselves_passes_unless_it_is_content() -> None:
    """Else a column of the warehouse would stay empty."""
    allow = AllowList()
    names = {
        value
        for name, value in vars(semconv).items()
        if name.isupper() and isinstance(value, str) and not name.startswith("METRIC_")
    }
    attributes = {name for name in names if "." in name}
    missing = {name for name in attributes if not allow.passes(name, content_free=True)}
    assert missing <= CONTENT


@pytest.mark.parametrize("name", USEFUL)
def test_what_describes_a_call_passes(name: str) -> None:
    """In any mode."""
    for content in ("off", "actions", "full"):
        assert AllowList(content=content).passes(name, content_free=True)


@pytest.mark.parametrize("name", sorted(CONTENT) + list(OLDER_CONTENT))
def test_content_does_not_pass_by_default(name: str) -> None:
    """Under the conventions' names, older ones, and any that nobody has heard of."""
    assert not AllowList().passes(name, content_free=False)


def test_content_passes_as_far_as_it_is_wanted() -> None:
    """Actions are the arguments and results of tools."""
    actions, full = AllowList(content="actions"), AllowList(content="full")
    for name in CONTENT:
        is_action = name in {semconv.TOOL_ARGUMENTS, semconv.TOOL_RESULT}
        assert actions.passes(name, content_free=False) is is_action
        assert full.passes(name, content_free=False)


@pytest.mark.parametrize("content", ["off", "actions", "full"])
def test_no_setting_lets_content_of_unsampled_spans_pass(content: str) -> None:
    """Nor does a name on the user's own list."""
    allow = AllowList(content=content, extra=["gen_ai.*", "*", *CONTENT])
    assert not any(allow.passes(name, content_free=True) for name in CONTENT)
    assert not allow.passes("gen_ai.prompt.0.content", content_free=True)


def test_the_user_can_let_more_pass() -> None:
    """Names, and prefixes that end in a star."""
    allow = AllowList(extra=["db.statement", "my.*"])
    assert allow.passes("db.statement", content_free=False)
    assert allow.passes("my.own", content_free=False)
    assert not allow.passes("mine", content_free=False)
    assert not allow.passes("db.statements", content_free=False)


def test_names_that_a_program_makes_up_take_bounded_memory() -> None:
    """The answers are remembered, but not without end."""
    allow = AllowList()
    for number in range(10_000):
        assert not allow.passes(f"made.up.{number}", content_free=False)
    assert len(allow._known) <= 4096


ENVIRON = {
    "OPENAI_API_KEY": "key-0123456789",
    "DB_PASSWORD": "correct horse battery",
    "my_token": "tok.0123+456",
    "SHORT_SECRET": "true",
    "HOME": "/home/somebody",
    "LONGER_KEY": "key-0123456789-and-more",
}


def test_secrets_are_known_by_the_names_of_their_variables() -> None:
    """Short values are no secrets, and the longest is cut first."""
    assert secrets_of(ENVIRON) == [
        "key-0123456789-and-more",
        "correct horse battery",
        "key-0123456789",
        "tok.0123+456",
    ]


def test_a_secret_is_cut_out_wherever_it_stands() -> None:
    """And nothing else is; the longer of two is cut as a whole."""
    redact = redactor(secrets_of(ENVIRON))
    assert redact("a key-0123456789 b") == f"a {REDACTED} b"
    assert redact("xkey-0123456789-and-morey") == f"x{REDACTED}y"
    assert redact("tokX0123+456 key-012345678") == "tokX0123+456 key-012345678"


@given(
    st.lists(st.text(min_size=8, max_size=20), min_size=1, max_size=5),
    st.lists(st.text(max_size=20), min_size=2, max_size=5),
)
def test_no_secret_survives_in_any_text(secrets: list[str], pieces: list[str]) -> None:
    """Unless the mark itself is the secret."""
    cut = redactor(secrets_of({f"KEY_{i}": s for i, s in enumerate(secrets)}))
    for secret in secrets:
        left = cut(secret.join(pieces)).replace(REDACTED, "\0")
        assert secret not in left or secret in "\0"


def test_a_secret_is_cut_out_of_lists_and_tables() -> None:
    """At any depth; numbers stay numbers."""
    cut = redactor(["key-0123456789"])
    value = {"a": ["x key-0123456789", 5, {"key-0123456789": True}], "b": ("key-0123456789",)}
    assert redact_value(value, cut) == {
        "a": [f"x {REDACTED}", 5, {REDACTED: True}],
        "b": [REDACTED],
    }
    assert redactor([])("unchanged") == "unchanged"
