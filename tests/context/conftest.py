from spanledger.testing.pytest_plugin import captured_spans

__all__ = ["captured_spans"]
