"""A call that needs no recovery, timing an operation, and the health of a process.

Wrappers stand around a function that does nothing.
"""

from contextlib import ExitStack

from benchmarks.micro.case import Case, cpu

from spanledger.health import operation_timer, report, vitals
from spanledger.recovery import adaptive, breaker, default_answer, fallback, is_circuit_open, retry


def nothing() -> None:
    """What is called."""


def cases(_stack: ExitStack) -> list[Case]:
    return [
        cpu("retry, first try works", retry("a")(nothing), 20),
        cpu("fallback, first way works", fallback(default_answer(1))(nothing), 5),
        cpu("adaptive, first prompt works", adaptive("a")(nothing), 3),
        cpu("breaker, closed", breaker("a")(nothing), 10),
        cpu("is_circuit_open", lambda: is_circuit_open("openai/gpt-4o"), 5),
        cpu("operation_timer", operation_timer("a")(nothing), 5),
        cpu("vitals of the process", vitals, 500),
        cpu("report with score and advice", report, 100),
    ]
