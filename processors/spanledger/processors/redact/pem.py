"""Private keys between their BEGIN and END lines. Pure.

Found by plain search: a pattern that spans from BEGIN to END is quadratic in texts that hold
many BEGINs and no END.
"""

from collections.abc import Iterator

from spanledger.processors.redact.cuts import Cut
from spanledger.processors.redact.view import View

KIND = "private-key"

_BEGIN = b"-----BEGIN "
_PRIVATE = b"PRIVATE KEY"
_END = b"-----END "
_DASHES = b"-----"
#: "-----BEGIN ENCRYPTED PRIVATE KEY-----", "… PGP PRIVATE KEY BLOCK-----"
_HEADER = 60


def find_private_keys(view: View) -> Iterator[Cut]:
    """Each private key; one whose end is missing reaches to the end of the text."""
    data = view.data
    at = data.find(_BEGIN)
    while at >= 0:
        header = data.find(_PRIVATE, at, at + _HEADER)
        if header < 0:
            at = data.find(_BEGIN, at + len(_BEGIN))
            continue
        end = _end_of(data, header)
        yield Cut(at, end, KIND)
        at = data.find(_BEGIN, end)


def _end_of(data: bytes, header: int) -> int:
    footer = data.find(_END, header)
    if footer < 0:
        return len(data)
    dashes = data.find(_DASHES, footer + len(_END), footer + _HEADER)
    return len(data) if dashes < 0 else dashes + len(_DASHES)
