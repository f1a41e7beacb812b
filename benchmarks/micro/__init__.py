"""What each small part costs by itself, beside its target.

`python -m benchmarks.micro --help` says what it measures and how.
"""
