"""A provider and its gate, as the gate's own tests have them."""

from tests.gate.conftest import gate, provider, running_provider

__all__ = ["gate", "provider", "running_provider"]
