"""Ports of 127.0.0.1 for servers that can't be told to take any."""

import random
import socket

#: Below the range out of which systems give ports to whoever asks for any, so that nobody takes
#: the port between the moment it is found and the moment its server listens.
_RANGE = (10_000, 32_000)
_given: set[int] = set()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that was not given before."""
    while True:
        port = random.randrange(*_RANGE)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
