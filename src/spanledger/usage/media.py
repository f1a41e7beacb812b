"""The most tokens that an image, a recording or a file in a request can count for.

For reservations only: what was really used, the provider says afterwards. The figures are what
the providers publish about how they scale and cut images before they count them; where nothing is
published, a guess is returned and said to be one (`MediaBound.firm` is False).

Sources: OpenAI, "Images and vision" (tiles of 512 px within 2048 × 768 px; patches of 32 px, at
most 1,536 of them, times a factor for each model; 10,000 in the newest models' original detail).
Anthropic, "Vision" (patches of 28 px; at most 4,784 of them at the high resolution of Opus 4.7).
Google, "Media resolution" (at most 2,240 tokens an image in Gemini 3) and "Understand audio"
(32 tokens a second).
"""

import re
from typing import Final, Literal, NamedTuple

__all__ = ["Media", "MediaBound", "MediaKind", "media_bound"]

MediaKind = Literal["image", "audio", "file", "unseen"]
"""``unseen``: something of which the request holds only a name, such as an earlier answer."""


class Media(NamedTuple):
    """A part of a request that is no text. `size` is its length as sent, 0 if it is elsewhere."""

    kind: MediaKind
    size: int = 0


class MediaBound(NamedTuple):
    """The most tokens it counts for; not `firm`: a guess."""

    tokens: int
    firm: bool


#: The dearest image of a model; the first that fits, within its provider.
_IMAGES: Final[dict[str, tuple[tuple[re.Pattern[str], int], ...]]] = {
    "openai": (
        (re.compile(r"gpt-4o-mini"), 48_169),
        (
            re.compile(r"(gpt-4o|chatgpt-4o|gpt-4\.5|gpt-4-(turbo|vision)|o[13]|gpt-5)(-20|$)"),
            1_445,
        ),
        (re.compile(r"(gpt-4\.1|gpt-5-(mini|nano)|o4-mini)"), 3_779),
        (re.compile(r""), 24_600),
    ),
    "anthropic": ((re.compile(r""), 4_784),),
    "gcp.gemini": ((re.compile(r"gemini-[3-9]"), 2_240),),
}
_SAME_RULES: Final = {
    "azure.ai.openai": "openai",
    "gcp.vertex_ai": "gcp.gemini",
    "gcp.gen_ai": "gcp.gemini",
}
#: A guess for everybody else: a large image in four-figure tokens.
_SOME_IMAGE: Final = 5_000
#: 32 tokens a second, and nothing that holds speech has less than 4 kbit a second: 500 bytes,
#: which are 667 as base64.
_AUDIO_BYTES_PER_TOKEN: Final = 16
#: A page of a PDF has some kilobytes and counts for its text and for an image of it.
_FILE_BYTES_PER_TOKEN: Final = 4
_SOME_AUDIO: Final = 32 * 60 * 10
_SOME_FILE: Final = 50_000


def media_bound(part: Media, provider: str, model: str) -> MediaBound:
    """The most that `part` can count for with this model, as far as it is known."""
    if part.kind == "image":
        return _image(provider, model)
    if part.kind == "audio":
        if not part.size:
            return MediaBound(_SOME_AUDIO, firm=False)
        return MediaBound(-(-part.size // _AUDIO_BYTES_PER_TOKEN), firm=True)
    if part.kind == "file":
        return MediaBound(-(-part.size // _FILE_BYTES_PER_TOKEN) or _SOME_FILE, firm=False)
    return MediaBound(0, firm=False)


def _image(provider: str, model: str) -> MediaBound:
    name = model.lower().rpartition("/")[2].removeprefix("ft:")
    rules = _IMAGES.get(_SAME_RULES.get(provider, provider), ())
    if "claude" in name:
        rules = _IMAGES["anthropic"]
    found = next((tokens for models, tokens in rules if models.match(name)), None)
    if found is None:
        return MediaBound(_SOME_IMAGE, firm=False)
    return MediaBound(found, firm=True)
