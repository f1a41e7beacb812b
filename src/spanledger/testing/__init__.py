"""Helpers for tests and demos; import the part that is wanted.

* `spanledger.testing.providers`: OpenAI's and Anthropic's wire formats, local, scripted;
* `spanledger.testing.otlp_server`: an OTLP receiver that fails on demand;
* `spanledger.testing.proxy`: an HTTP proxy that loses, delays and refuses;
* `spanledger.testing.spans`: finished spans as plain values;
* `spanledger.testing.clock`: a clock and ids under control;
* `spanledger.testing.pytest_plugin`: all of these as fixtures.
"""
