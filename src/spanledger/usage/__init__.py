"""The tokens of a call, from any dialect, in one normal form."""

from spanledger.usage._usage import MISSING, Usage, UsageSource

__all__ = ["MISSING", "Usage", "UsageSource"]
