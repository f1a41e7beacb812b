"""What an instrumentation adds to a call of the openai client: ours beside everybody else's.

`python -m benchmarks.peers --help` says what it measures and how.
"""
