"""The gate at every client's request funnel, and how it gets there."""

from spanledger.instrumentation.boot import Installation, install, installation, uninstall
from spanledger.processors.delivery.process_end import install_sigterm

__all__ = ["Installation", "install", "install_sigterm", "installation", "uninstall"]
