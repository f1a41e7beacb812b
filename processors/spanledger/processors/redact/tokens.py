"""Keys and tokens that are known by how they begin. Pure.

Every pattern is linear: a head that is found is followed by one possessive run, and what a
match takes is not looked at again.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from spanledger.processors.redact.cuts import Cut
from spanledger.processors.redact.view import View

_WORD = rb"[A-Za-z0-9_-]"
_ALNUM = rb"[A-Za-z0-9]"

#: Class, head, and the whole of what is cut out.
_TOKENS: tuple[tuple[str, bytes, bytes], ...] = (
    ("anthropic-key", b"sk-ant-", rb"sk-ant-" + _WORD + rb"{16,}+"),
    ("openai-key", b"sk-", rb"sk-(?!ant-)" + _WORD + rb"{20,}+"),
    ("aws-access-key", b"AKIA", rb"AKIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
    ("aws-access-key", b"ASIA", rb"ASIA[0-9A-Z]{16}(?![0-9A-Za-z])"),
    ("github-token", b"github_pat_", rb"github_pat_[A-Za-z0-9_]{22,}+"),
    *(
        ("github-token", b"gh" + kind + b"_", b"gh" + kind + rb"_" + _ALNUM + rb"{36,}+")
        for kind in (b"p", b"o", b"u", b"s", b"r")
    ),
    ("gitlab-token", b"glpat-", rb"glpat-" + _WORD + rb"{20,}+"),
    ("slack-token", b"xox", rb"xox[abeposr]-[A-Za-z0-9-]{11,}+"),
    ("slack-token", b"xapp-", rb"xapp-[A-Za-z0-9-]{16,}+"),
    ("google-api-key", b"AIza", rb"AIza" + _WORD + rb"{35}"),
    ("google-oauth-token", b"ya29.", rb"ya29\." + _WORD + rb"{20,}+"),
    ("huggingface-token", b"hf_", rb"hf_" + _ALNUM + rb"{30,}+"),
    ("groq-key", b"gsk_", rb"gsk_" + _ALNUM + rb"{30,}+"),
    ("xai-key", b"xai-", rb"xai-" + _ALNUM + rb"{30,}+"),
    ("perplexity-key", b"pplx-", rb"pplx-" + _ALNUM + rb"{30,}+"),
    ("replicate-token", b"r8_", rb"r8_" + _ALNUM + rb"{30,}+"),
    ("langsmith-key", b"lsv2_", rb"lsv2_(?:pt|sk)_[A-Za-z0-9_]{30,}+"),
    ("tavily-key", b"tvly-", rb"tvly-" + _WORD + rb"{20,}+"),
    ("nvidia-key", b"nvapi-", rb"nvapi-" + _WORD + rb"{30,}+"),
    ("stripe-key", b"sk_", rb"sk_(?:live|test)_" + _ALNUM + rb"{16,}+"),
    ("stripe-key", b"rk_", rb"rk_(?:live|test)_" + _ALNUM + rb"{16,}+"),
    ("stripe-key", b"whsec_", rb"whsec_[A-Za-z0-9+/]{16,}+"),
    ("npm-token", b"npm_", rb"npm_" + _ALNUM + rb"{36,}+"),
    ("pypi-token", b"pypi-", rb"pypi-AgE" + _WORD + rb"{40,}+"),
    ("sendgrid-key", b"SG.", rb"SG\." + _WORD + rb"{16,}+\." + _WORD + rb"{16,}+"),
    ("databricks-token", b"dapi", rb"dapi[0-9a-f]{32}(?![0-9A-Za-z])"),
    ("vault-token", b"hvs.", rb"hvs\." + _WORD + rb"{20,}+"),
    ("digitalocean-token", b"dop_v1_", rb"dop_v1_[0-9a-f]{32,}+"),
    # A head and a payload that both begin like JSON, or any three parts.
    (
        "jwt",
        b"eyJ",
        rb"(?<!-)eyJ"
        + _WORD
        + rb"{10,}+\.(?:(?=eyJ)"
        + _WORD
        + rb"++(?:\."
        + _WORD
        + rb"*+){0,3}+|"
        + _WORD
        + rb"{10,}+(?:\."
        + _WORD
        + rb"++){1,3}+)",
    ),
)  # fmt: skip

KINDS = frozenset(kind for kind, _, _ in _TOKENS)

#: What begins so may be words with hyphens between them; a key has digits or capitals.
_LIKE_WORDS = frozenset({b"sk-", b"tvly-"})
_NO_WORDS = re.compile(rb"[0-9A-Z]")
#: Heads that end with a dot stand in front of their run.
_DOTTED = tuple(head for _, head, _ in _TOKENS if head.endswith(b"."))
_BEFORE = (b"\\", b".")
#: Behind the backslash of an escaped line break, its letter stands in front of the word.
_ESCAPED = re.compile(rb"(?<=\\)[nrtbf]")


class Tokens:
    """Finds tokens of the classes in `kinds`."""

    def __init__(self, kinds: Iterable[str] = KINDS) -> None:
        wanted = frozenset(kinds)
        tokens = [token for token in _TOKENS if token[0] in wanted]
        self._bodies = {head: (kind, re.compile(body)) for kind, head, body in tokens}
        # The longer of two that begin alike comes first.
        heads = sorted(self._bodies, key=lambda head: (-len(head), head))
        either = b"|".join(map(re.escape, heads)) or rb"(?!)"
        self._head = re.compile(either)
        self._head_behind_hyphen = re.compile(rb"-(?=(" + either + rb"))")

    def find(self, view: View, runs: Sequence[tuple[int, int]]) -> Iterator[Cut]:
        """The tokens of `view` that are in one of its `runs`.

        A token begins where a word does: where a run begins, or behind a hyphen.
        """
        if not runs:
            return
        data, head_at = view.data, self._head.match
        for start, _end in runs:
            if head := head_at(data, start):
                yield from self._token(data, start, head.group())
            elif data[start - 1 : start] in _BEFORE:
                for at in _beginnings(data, start):
                    if head := head_at(data, at):
                        yield from self._token(data, at, head.group())
        yield from self._behind_hyphens(view.data)

    def _behind_hyphens(self, data: bytes) -> Iterator[Cut]:
        done = 0
        for hyphen in self._head_behind_hyphen.finditer(data):
            if hyphen.end() >= done and (found := self._body(data, hyphen.end(), hyphen.group(1))):
                done = found.end()
                yield from self._cut(found, hyphen.group(1))

    def _token(self, data: bytes, start: int, head: bytes) -> Iterator[Cut]:
        if found := self._body(data, start, head):
            yield from self._cut(found, head)

    def _body(self, data: bytes, start: int, head: bytes) -> re.Match[bytes] | None:
        return self._bodies[head][1].match(data, start)

    def _cut(self, found: re.Match[bytes], head: bytes) -> Iterator[Cut]:
        if head not in _LIKE_WORDS or _NO_WORDS.search(found.string, found.start(), found.end()):
            yield Cut(found.start(), found.end(), self._bodies[head][0])


def _beginnings(data: bytes, start: int) -> Iterator[int]:
    """Where else the first word of a run may begin."""
    if _ESCAPED.match(data, start):
        yield start + 1
    for head in _DOTTED:
        if data.endswith(head, 0, start):
            yield start - len(head)
