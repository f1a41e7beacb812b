"""The driver's errors as ours, by ClickHouse's error code. Pure."""

import re

from spanledger.warehouse._url import Address
from spanledger.warehouse.errors import (
    AccessDenied,
    NotMigrated,
    QueryFailed,
    WarehouseError,
    WarehouseUnreachable,
)

_CODE = re.compile(r"\b[Cc]ode:\s*(\d+)")
_NOISE = re.compile(
    r"""
      ^.*?DB::Exception:\s*                              # what the driver puts before
    | \s*\(version\ [^()]*(?:\([^()]*\)[^()]*)?\)       # what the server puts after
    | \s*\(for\ url\ [^)]*\)                            # what the driver puts after
    """,
    re.DOTALL | re.VERBOSE,
)
_WRONG_CREDENTIALS = {192, 193, 194, 516}
_NOT_ALLOWED = {497}
_NOT_THERE = {60, 81}


def translate(error: Exception, address: Address) -> WarehouseError:
    """Our error for one of the driver's (or of the network's)."""
    code, text = _code(error), _text(error)
    if code is None:
        return WarehouseUnreachable(
            f"no ClickHouse answers at {address} ({text}); start it (`spanledger up` for the local "
            "stack) or correct SPANLEDGER_CLICKHOUSE_URL"
        )
    if code in _WRONG_CREDENTIALS:
        return AccessDenied(
            f"ClickHouse at {address} refuses user {address.user!r}; correct the user and password "
            "in SPANLEDGER_CLICKHOUSE_URL"
        )
    if code in _NOT_ALLOWED:
        return AccessDenied(f"user {address.user!r} may not do this on {address}: {text}")
    if code in _NOT_THERE:
        return NotMigrated(f"{address} has no such table ({text}); run `spanledger migrate`")
    return QueryFailed(f"ClickHouse at {address} could not run a statement: {text}", code)


def _code(error: Exception) -> int | None:
    """Newer drivers tell the code; older ones only quote it."""
    told = getattr(error, "code", None)
    if isinstance(told, int):
        return told
    match = _CODE.search(str(error))
    return int(match[1]) if match else None


def _text(error: Exception, limit: int = 500) -> str:
    text = " ".join(_NOISE.sub("", str(error)).split()).rstrip(". ")
    return text[:limit] or type(error).__name__
