"""How eagerly a conversation is compressed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["PRESETS", "Preset", "PresetName"]

PresetName = Literal["light", "balanced", "heavy"]


@dataclass(frozen=True, slots=True)
class Preset:
    """When a conversation is compressed, how far, and by which strategy."""

    name: str
    compress_at: float
    """The share of the limit above which it happens."""
    compress_to: float
    """The share of the limit that is left then."""
    strategy: Literal["sliding_window", "keep_important", "summarize"]
    keep_last: int
    """So many of the last messages stay."""


PRESETS: Final[Mapping[PresetName, Preset]] = {
    "light": Preset("light", 0.95, 0.85, "keep_important", 8),
    "balanced": Preset("balanced", 0.85, 0.60, "keep_important", 6),
    "heavy": Preset("heavy", 0.70, 0.40, "summarize", 4),
}
