"""The frames exchanged with the service: a JSON header and a body, which is an Arrow IPC stream."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

FRAME = struct.Struct("<IQ")


class Channel:
    """Frames over a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def _fill(self, view: memoryview) -> bool:
        while len(view):
            count = self.connection.recv_into(view, 0, socket.MSG_WAITALL)
            if count == 0:
                return False
            view = view[count:]
        return True

    def receive(self) -> tuple[bytes, Any] | None:
        """Return the next frame's header and body, or ``None`` when the service is gone."""
        head = bytearray(FRAME.size)
        if not self._fill(memoryview(head)):
            return None
        header_size, body_size = FRAME.unpack(head)
        header = bytearray(header_size)
        if not self._fill(memoryview(header)):
            return None
        body = None
        if body_size:
            import pyarrow as pa

            body = pa.allocate_buffer(body_size)
            if not self._fill(memoryview(body)):
                return None
        return bytes(header), body

    def send(self, header: dict[str, Any], body: Any = b"") -> None:
        """Send one frame."""
        text = json.dumps(header).encode()
        view = memoryview(body)
        self.connection.sendall(FRAME.pack(len(text), len(view)) + text)
        if len(view):
            self.connection.sendall(view)
