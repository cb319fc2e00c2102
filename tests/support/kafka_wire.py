"""Kafka's protocol by hand: what a client sees that does not log in at all."""

from __future__ import annotations

import socket
import struct

API_VERSIONS, METADATA = 18, 3
TIMEOUT_S = 10.0


def exchange_raw(port: int, api_key: int, body: bytes = b"") -> bytes:
    """Send one request (version 0, client "raw") over a bare connection; return the answer, b"" when it is cut off."""
    request = struct.pack(">hhih", api_key, 0, 7, 3) + b"raw" + body
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.sendall(struct.pack(">i", len(request)) + request)
        try:
            return connection.recv(65536)
        except ConnectionResetError:
            return b""


def all_topics_request() -> bytes:
    """Return the body of a metadata request (version 0) for all topics."""
    return struct.pack(">i", 0)
