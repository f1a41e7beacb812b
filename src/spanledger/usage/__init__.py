"""The tokens of a call, from any dialect, in one normal form.

Readers are one module for each dialect (``spanledger.usage.openai``, ``.anthropic``);
``spanledger.usage.tokens`` counts text where no usage is known.
"""

from spanledger.usage._read import view
from spanledger.usage._usage import MISSING, Usage, UsageSource

__all__ = ["MISSING", "Usage", "UsageSource", "view"]
