"""Listening sockets on loopback, and a clear word when somebody else has the port."""

import errno
import json
import socket
from http.client import HTTPConnection, HTTPException
from typing import Final

from spanledger.stack._info import HOST, USER
from spanledger.stack.errors import PortTaken

_PROBE_TIMEOUT_S: Final = 0.5


def bind(port: int, option: str) -> socket.socket:
    """A socket bound to *port* of loopback (0: any free one), not yet listening.

    Raises:
        PortTaken: naming *option* as the way to another port.
    """
    # Named TCP: asyncio turns Nagle's algorithm off only on sockets that say so, and with it
    # every answer of two packets waits 40 ms for the client's acknowledgement.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Else a port stays unusable for a minute after its last connection.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        # Binding succeeds beside a socket that listens with SO_REUSEADDR on some systems;
        # listening does not.
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise PortTaken(_sentence(port, option, error)) from error
    bound.setblocking(False)
    return bound


def _sentence(port: int, option: str, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"Port {port} on {HOST} can't be used ({error.strerror}): choose one with {option}."
    if answers_like_us(port):
        return (
            f"Port {port} on {HOST} belongs to another Spanledger stack: use that one, stop it "
            f"with `spanledger down`, or choose another port with {option}."
        )
    return f"Port {port} on {HOST} is taken by another program: choose one with {option}."


def answers_like_us(port: int) -> bool:
    """Whether whoever listens on *port* says that it is a Spanledger stack."""
    connection = HTTPConnection(HOST, port, timeout=_PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/health")
        health = json.loads(connection.getresponse().read(1 << 16))
        return isinstance(health, dict) and health.get("service") == USER
    except (OSError, HTTPException, ValueError):
        return False
    finally:
        connection.close()
