"""The schema and the telemetry contract use the same names."""

import re

from spanledger import semconv
from spanledger.warehouse import available

_ATTRIBUTE = re.compile(
    r"'((?:gen_ai|spanledger|anthropic|openai|session|user|error)\.[a-z0-9_.]+)'"
)

#: What holds prompts and answers in the conventions and elsewhere; the contract never writes it.
CONTENT = {
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.prompt",
    "gen_ai.completion",
}

#: What coding agents say in log records of their own, by their own names.
OF_CODING_AGENTS = {
    "error.message",
    "user.account_id",
    "user.account_uuid",
    "user.email",
}


def test_every_attribute_that_the_schema_reads_is_in_the_contract() -> None:
    known = {value for value in vars(semconv).values() if isinstance(value, str)}
    read = {name for migration in available() for name in _ATTRIBUTE.findall(migration.sql)}
    assert len(read) > 30
    prefixes = {name for name in read if name.endswith(".")}
    assert read - CONTENT - OF_CODING_AGENTS - prefixes <= known


def test_the_schema_takes_exactly_the_contracts_operations_for_calls() -> None:
    calls = next(migration.sql for migration in available() if migration.name == "calls")
    listed = re.search(r"\['gen_ai\.operation\.name'\] IN \(([^)]*)\)", calls)
    assert listed is not None
    assert set(re.findall(r"'(\w+)'", listed[1])) == (semconv.INFERENCE_OPERATIONS | {"rerank"})
    assert f"['gen_ai.operation.name'] = '{semconv.TOOL_OPERATION}'" in calls
    assert f"EventName = '{semconv.GUARD_EVENT_NAME}'" in calls
