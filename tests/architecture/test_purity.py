"""Tables and arithmetic know no clock, no lock, no I/O and no OpenTelemetry."""

import ast
from pathlib import Path

import pytest

from tests.architecture._imports import REPOSITORY, imported

PURE = (
    "src/spanledger/guard/_amounts.py",
    "src/spanledger/guard/_finding.py",
    "src/spanledger/guard/_refusals.py",
    "src/spanledger/guard/_rule_tables.py",
    "src/spanledger/guard/_tables.py",
    "src/spanledger/guard/breaker.py",
    "src/spanledger/guard/breaker_rule.py",
    "src/spanledger/guard/ceilings.py",
    "src/spanledger/guard/decision.py",
    "src/spanledger/guard/drift.py",
    "src/spanledger/guard/fingerprints.py",
    "src/spanledger/guard/loops.py",
    "src/spanledger/guard/outcomes.py",
    "src/spanledger/guard/rolling.py",
    "src/spanledger/guard/rulebook.py",
    "src/spanledger/guard/rules.py",
    "src/spanledger/guard/standing.py",
    "src/spanledger/guard/ledger.py",
    "src/spanledger/guard/policy.py",
    "src/spanledger/guard/windows.py",
    "src/spanledger/usage/bedrock.py",
    "src/spanledger/usage/dialect_table.py",
    "src/spanledger/usage/dialects.py",
    "src/spanledger/usage/google.py",
    "src/spanledger/pricing/_match.py",
    "src/spanledger/pricing/_table.py",
    "instrumentation/spanledger/instrumentation/_bedrock_dialect.py",
    "instrumentation/spanledger/instrumentation/_clients.py",
    "instrumentation/spanledger/instrumentation/_facts.py",
    "instrumentation/spanledger/instrumentation/_failures.py",
    "instrumentation/spanledger/instrumentation/_google_dialect.py",
    "instrumentation/spanledger/instrumentation/anthropic.py",
    "instrumentation/spanledger/instrumentation/openai.py",
    "processors/spanledger/processors/endpoint.py",
    "processors/spanledger/processors/redact/base64_text.py",
    "processors/spanledger/processors/redact/cards.py",
    "processors/spanledger/processors/redact/cuts.py",
    "processors/spanledger/processors/redact/engine.py",
    "processors/spanledger/processors/redact/exact.py",
    "processors/spanledger/processors/redact/extra.py",
    "processors/spanledger/processors/redact/names.py",
    "processors/spanledger/processors/redact/pairs.py",
    "processors/spanledger/processors/redact/pem.py",
    "processors/spanledger/processors/redact/stream.py",
    "processors/spanledger/processors/redact/tokens.py",
    "processors/spanledger/processors/redact/unfolding.py",
    "processors/spanledger/processors/redact/urls.py",
    "processors/spanledger/processors/redact/values.py",
    "processors/spanledger/processors/redact/view.py",
    "processors/spanledger/processors/redaction.py",
)
FORBIDDEN = frozenset(
    {
        "asyncio",
        "io",
        "logging",
        "opentelemetry",
        "os",
        "pathlib",
        "random",
        "secrets",
        "socket",
        "subprocess",
        "sys",
        "threading",
        "time",
        "uuid",
    }
)
#: Names of environment variables, whose values come in as arguments, and who reads such a value.
ALLOWED = ("opentelemetry.sdk.environment_variables.", "opentelemetry.util.re.")
#: Calls that read a clock or a file without any import of their own.
READS = frozenset({"now", "utcnow", "today", "open"})


@pytest.mark.parametrize("name", PURE)
def test_a_pure_file_imports_nothing_that_has_side_effects(name: str) -> None:
    """What it needs of the world is an argument."""
    wrong = [
        f"{name}:{line} imports {module}"
        for line, module in imported(REPOSITORY / name)
        if module.split(".")[0] in FORBIDDEN and not module.startswith(ALLOWED)
    ]
    assert wrong == []


@pytest.mark.parametrize("name", PURE)
def test_a_pure_file_reads_no_clock_and_no_file(name: str) -> None:
    """`datetime.now()` would be a clock that no test can set."""
    tree = ast.parse(Path(REPOSITORY / name).read_text(encoding="utf-8"))
    called = [
        node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]
    assert not READS & set(called)
