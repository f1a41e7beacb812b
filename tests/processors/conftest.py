from spanledger.testing.pytest_plugin import otlp_server

__all__ = ["otlp_server"]
