"""Which parts there are."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """A module of `benchmarks.micro.parts`, measured in a process of its own."""

    name: str
    title: str


PARTS = (
    Part("guard", "Guard"),
    Part("stores", "Stores of the ledger"),
    Part("users", "Many users"),
    Part("breaker", "Circuit breakers"),
    Part("loops", "Loop rules"),
    Part("pricing", "Usage and prices"),
    Part("redaction", "Redaction"),
    Part("spool", "Queue and spool"),
    Part("errors", "Error context"),
    Part("track", "Token tracking and tools"),
    Part("context", "Context and memory"),
    Part("recovery", "Recovery and health"),
    Part("history", "History"),
    Part("mcp", "MCP verbs"),
    Part("agent_call", "One call of an agent"),
    Part("start", "Start of a process"),
)
BY_NAME = {part.name: part for part in PARTS}


def chosen(names: str | None) -> list[Part]:
    """The parts of those names, separated by commas; all of them without names."""
    if not names:
        return list(PARTS)
    wanted = [name.strip() for name in names.split(",")]
    if unknown := [name for name in wanted if name not in BY_NAME]:
        raise SystemExit(f"No such part: {', '.join(unknown)}. There are: {', '.join(BY_NAME)}")
    return [BY_NAME[name] for name in wanted]
