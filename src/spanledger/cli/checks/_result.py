"""What a check found. Pure."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Result:
    """One finding: a sentence, and for anything but ``ok`` how to mend it."""

    name: str
    status: Status
    detail: str
    mend: str = ""


def ok(name: str, detail: str) -> Result:
    return Result(name, "ok", detail)


def warn(name: str, detail: str, mend: str) -> Result:
    return Result(name, "warn", detail, mend)


def fail(name: str, detail: str, mend: str) -> Result:
    return Result(name, "fail", detail, mend)
