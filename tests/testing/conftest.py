from spanledger.testing.pytest_plugin import (
    captured_spans,
    mock_provider,
    otlp_server,
    sequential_ids,
    ticking_clock,
)

__all__ = ["captured_spans", "mock_provider", "otlp_server", "sequential_ids", "ticking_clock"]
