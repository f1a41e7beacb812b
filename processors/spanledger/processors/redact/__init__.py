"""Secrets are cut out of everything that leaves the process.

The engine and its finders are pure; `lazy.Redaction` is what a process holds. Nothing is imported
here: an agent that starts should not wait for patterns that its first span needs.
"""
