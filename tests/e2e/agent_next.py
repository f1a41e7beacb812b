"""An agent that lives until its input ends, and sends what those before it left on disk."""

import sys

from spanledger.track import agent, session

with session("next"), agent("worker"):
    pass
sys.stdin.read()
