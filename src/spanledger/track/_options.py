"""What a tool's decorator may say beside its name. Pure."""

import math
import re
from typing import NamedTuple

from spanledger.guard import RateLimit
from spanledger.guard.rules import PERS, Per
from spanledger.track._permissions import LEVELS, Permission

_RATE = re.compile(r"\s*(\d+)\s*(?:/|per)\s*(\w+)\s*")


class Options(NamedTuple):
    """How calls of one tool are made."""

    tags: tuple[str, ...] = ()
    permission: Permission | None = None
    timeout_s: float | None = None
    rate: str | None = None
    """As it was written, ``10/minute``."""
    cache_s: float | None = None
    rates: tuple[RateLimit, ...] = ()
    """What the guard is told."""


NO_OPTIONS = Options()


def options(
    tool: str,
    *,
    tags: tuple[str, ...] = (),
    permission: Permission | None = None,
    timeout_s: float | None = None,
    rate: str | None = None,
    cache_s: float | None = None,
) -> Options:
    """Options of a tool, checked. Raises `ValueError` or `TypeError` for what can't be meant."""
    if isinstance(tags, str) or not all(isinstance(tag, str) and tag for tag in tags):
        raise TypeError(f"tags of the tool {tool!r} are texts in a tuple, not {tags!r}")
    if permission is not None and permission not in LEVELS:
        raise ValueError(f"{permission!r} is no permission; there are {', '.join(LEVELS)}")
    for name, seconds in (("timeout_s", timeout_s), ("cache_s", cache_s)):
        if seconds is not None and not 0 < seconds < math.inf:
            raise ValueError(f"{name} of the tool {tool!r} is above 0 seconds, not {seconds!r}")
    rates = () if rate is None else (_rate_limit(tool, rate),)
    return Options(tuple(tags), permission, timeout_s, rate, cache_s, rates)


def _rate_limit(tool: str, rate: str) -> RateLimit:
    """``10/minute`` as a rule that counts this tool, under a name of its own."""
    found = _RATE.fullmatch(rate)
    limit, per = (int(found[1]), found[2]) if found else (0, "")
    if limit < 1 or per not in PERS:
        allowed = " or ".join(f"'10/{one}'" for one in PERS)
        raise ValueError(f"the rate of the tool {tool!r} is written as {allowed}, not {rate!r}")
    unit: Per = next(one for one in PERS if one == per)
    return RateLimit(f"tool {tool}", "calls", limit, unit, scope="tool")
