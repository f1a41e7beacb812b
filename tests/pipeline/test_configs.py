"""Every configuration that we ship, and every combination that its comments name, is valid."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from spanledger import semconv
from tests.pipeline import _collector
from tests.pipeline._collector import CONFIGS

#: As the files' own comments say that they are laid over each other.
COMBINATIONS = (
    ("agent.yaml",),
    ("agent.yaml", "tls.yaml"),
    ("agent.yaml", "to-gateway.yaml"),
    ("gateway.yaml",),
    ("gateway.yaml", "tls.yaml"),
    ("gateway.yaml", "auth.yaml"),
    ("gateway.yaml", "tls.yaml", "auth.yaml"),
    ("gateway.yaml", "to-samplers.yaml"),
    ("gateway.yaml", "sampler.yaml"),
    ("gateway.yaml", "tls.yaml", "auth.yaml", "to-samplers.yaml"),
)
_BUILD_ONLY = {"builder.yaml"}
_SHIPPED = sorted(path.name for path in CONFIGS.glob("*.yaml") if path.name not in _BUILD_ONLY)
_FILES = {
    "SPANLEDGER_TLS_CERT_FILE": "cert.pem",
    "SPANLEDGER_TLS_KEY_FILE": "key.pem",
    "SPANLEDGER_OTLP_TOKEN_FILE": "token",
}


@pytest.mark.parametrize("names", COMBINATIONS, ids="+".join)
def test_a_shipped_configuration_is_valid(collector_binary: Path, names: Sequence[str]) -> None:
    assert _collector.validate(*names, environment=_FILES) == ""


def test_validation_does_find_mistakes(collector_binary: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("exporters: {clickhouse: {no_such_key: 1}}")
    assert "no_such_key" in _collector.validate("agent.yaml", str(wrong))


def test_every_shipped_file_is_in_a_combination() -> None:
    assert {name for names in COMBINATIONS for name in names} == set(_SHIPPED)


@pytest.mark.parametrize("name", _SHIPPED)
def test_every_variable_is_explained_at_the_top_of_its_file(name: str) -> None:
    text = (CONFIGS / name).read_text()
    head, _, body = text.partition("\n\n")
    explained = set(re.findall(r"SPANLEDGER_\w+", head))
    explained |= {"SPANLEDGER_HEALTH_PORT"} if "HEALTH_HOST, _PORT" in head else set()
    # How much it says of itself is nobody's business in front of a file.
    assert set(re.findall(r"env:(SPANLEDGER_\w+)", body)) - {"SPANLEDGER_LOG_LEVEL"} <= explained


@pytest.mark.parametrize("name", ["agent.yaml", "gateway.yaml"])
def test_both_tiers_redact_alike(name: str) -> None:
    assert _section(name, "    blocked_values:", "    summary:") == _section(
        "agent.yaml", "    blocked_values:", "    summary:"
    )


@pytest.mark.parametrize("name", ["agent.yaml", "gateway.yaml"])
def test_no_redaction_touches_what_is_billed(name: str) -> None:
    patterns = re.findall(r"- '(.+)'", _section(name, "    blocked_key_patterns:", "    summary:"))
    names = [str(value) for key, value in vars(semconv).items() if key.isupper()]
    assert patterns
    assert not [name for name in names for pattern in patterns if re.fullmatch(pattern, name)]


def test_the_content_that_is_cut_out_is_that_of_the_conventions() -> None:
    text = (CONFIGS / "to-samplers.yaml").read_text()
    [pattern] = re.findall(r'delete_matching_keys\(span\.attributes, "(.+)"\)', text)
    cut = re.compile(pattern.replace("\\\\", "\\"))
    for name in (
        semconv.TOOL_ARGUMENTS, semconv.TOOL_RESULT, "gen_ai.input.messages",
        "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.prompt.0.content",
        "llm.input_messages.0.message.content", "input.value", "traceloop.entity.input",
        "ai.prompt.messages",
    ):  # fmt: skip
        assert cut.fullmatch(name), name
    for name in (
        semconv.USAGE_INPUT_TOKENS, semconv.COST_NANO_USD, semconv.TOOL_ARGUMENTS_HASH,
        "llm.token_count.prompt", "gen_ai.usage.prompt_tokens", "llm.usage.total_tokens",
        "ai.usage.promptTokens", "gen_ai.completion_start_time",
    ):  # fmt: skip
        assert not cut.fullmatch(name), name


def _section(name: str, start: str, end: str) -> str:
    text = (CONFIGS / name).read_text()
    return text[text.index(start) : text.index(end)]
