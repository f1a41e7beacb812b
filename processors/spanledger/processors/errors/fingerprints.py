"""One short text for all errors of the same kind from the same functions. Pure."""

import hashlib
from collections.abc import Iterable, Sequence

#: A recursion's length says nothing, nor does what lies far away from the failure.
_MOST_FUNCTIONS = 12


def fingerprint(types: Sequence[str], functions: Sequence[tuple[str, str]]) -> str:
    """16 hexadecimal digits of the types of a chain and the functions (module, name) it went
    through, without line numbers: an edit elsewhere in the file changes nothing."""
    inner = list(_without_repeats(functions))[-_MOST_FUNCTIONS:]
    parts = [*types, "", *(f"{module}:{name}" for module, name in inner)]
    text = "\n".join(parts).encode("utf-8", "replace")
    return hashlib.blake2b(text, digest_size=8).hexdigest()


def _without_repeats(functions: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    last = None
    for function in functions:
        if function != last:
            yield function
        last = function
