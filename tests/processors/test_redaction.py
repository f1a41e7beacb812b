"""What may leave the process, and what never does."""

import pytest

from spanledger import semconv
from spanledger.processors.redaction import CONTENT, AllowList

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
    missing = {name for name in attributes if not allow.passes(name, content_free=False)}
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
    """Actions are commands, and the arguments and results of tools."""
    actions, full = AllowList(content="actions"), AllowList(content="full")
    for name in CONTENT:
        is_action = name in {semconv.COMMAND, semconv.TOOL_ARGUMENTS, semconv.TOOL_RESULT}
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


def test_what_is_denied_never_passes() -> None:
    """Whatever else is said, and whatever kind of attribute it is."""
    allow = AllowList(content="full", extra=["my.*"], deny=["my.own", "gen_ai.request.*"])
    assert not allow.passes("my.own", content_free=False)
    assert not allow.passes(semconv.REQUEST_MODEL, content_free=False)
    assert allow.passes("my.other", content_free=False)
    assert allow.passes(semconv.TOOL_ARGUMENTS, content_free=False)
