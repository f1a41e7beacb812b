"""The gate at every client's request funnel, and how it gets there."""

from spanledger.instrumentation.boot import Installation, install, installation, uninstall

__all__ = ["Installation", "install", "installation", "uninstall"]
