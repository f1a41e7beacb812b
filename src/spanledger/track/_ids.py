"""Ids of errors."""

import os


def new_error_id() -> str:
    """16 hexadecimal digits. Not from `random`: programs seed it, and forks share its state."""
    return os.urandom(8).hex()
