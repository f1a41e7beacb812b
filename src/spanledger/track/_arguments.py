"""Arguments of a tool as one short text that is the same for the same arguments. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any


def arguments_hash(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """128 bits that are the same for the same arguments, whatever the order of the names.

    What JSON can't hold counts by its type only: a default ``repr`` holds a memory address and
    would make every call look different.
    """
    try:
        canonical = _canonical([list(args), dict(kwargs)])
    except (TypeError, ValueError, RecursionError):
        # Names of several types, a circle, a nesting deeper than the stack: the tool must run.
        canonical = _canonical(
            [[_type_name(a) for a in args], {name: _type_name(a) for name, a in kwargs.items()}]
        )
    return hashlib.blake2b(canonical.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), default=_type_name, skipkeys=True
    )


def _type_name(value: object) -> str:
    return f"<{type(value).__qualname__}>"
