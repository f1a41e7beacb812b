"""Arguments that several verbs take, with what an assistant is told about them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import Field

from spanledger.analytics import Scope, ScopeKind

_SPAN = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FORMS = "30m, 24h, 7d or 2w ago, an ISO 8601 date or time (UTC unless it has a zone), or all"

Since = Annotated[str, Field(description=f"From then on: {_FORMS}.", max_length=64)]
Until = Annotated[
    str, Field(description=f"Before then, in the same forms: {_FORMS} for now.", max_length=64)
]
Limit = Annotated[int, Field(ge=1, le=200, description="At most so many rows in one answer.")]
Offset = Annotated[
    int, Field(ge=0, le=100_000, description="Rows to skip: next_offset of the answer before.")
]
Name = Annotated[str, Field(max_length=1000)]
RuleName = Annotated[
    str, Field(min_length=1, max_length=200, description="Name of the rule, as the list shows it.")
]
Agent = Annotated[str, Field(max_length=1000, description="Only this agent; empty: all.")]
Session = Annotated[str, Field(max_length=1000, description="Only this session; empty: all.")]
User = Annotated[str, Field(max_length=1000, description="Only this user; empty: all.")]
Model = Annotated[str, Field(max_length=1000, description="Only this model; empty: all.")]
Service = Annotated[str, Field(max_length=1000, description="Only this service; empty: all.")]
Tokens = Annotated[int, Field(ge=0, le=2**32 - 1)]


def moment(text: str, now: datetime | None = None) -> datetime | None:
    """The time that `text` means, in UTC; None for ``all``.

    Raises:
        ValueError: it is none of the forms.
    """
    word = text.strip().lower()
    if word == "all":
        return None
    if match := _SPAN.fullmatch(word):
        return (now or datetime.now(UTC)) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no time; give {_FORMS}") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def scopes(**names: str) -> list[Scope]:
    """One for each name that is given: ``agent="planner"``."""
    kinds: dict[ScopeKind, str] = {kind: name for kind, name in names.items() if name}  # type: ignore[misc]  # the names are those of kinds
    return [Scope(kind, name) for kind, name in kinds.items()]
