"""Settings of the gate, which boot fills in before any client is imported."""

from spanledger.lean import dataclass


@dataclass(slots=True)
class Options:
    """What the gate may change in requests."""

    include_usage: bool = True
    default_max_output_tokens: int | None = None


options = Options()
