"""What can be wrong with a memory; each message says what to do."""

from spanledger.context.errors import ContextError


class MemoryUnavailable(ContextError):
    """The file of the medium tier can't be used."""


class InvalidMemory(ContextError):
    """What was to be remembered is empty, too long, or has an importance outside of 0 to 1."""
