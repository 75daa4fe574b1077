"""The worker's life: requests are answered one by one until the service is gone."""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import socket
import sys

from .channel import Channel
from .failures import failure
from .life import end_with_service, leave_nothing


def main() -> None:
    """Answer requests until the service is gone."""
    connection = socket.socket(fileno=os.dup(0))
    life = os.dup(1)
    leave_nothing(connection, life)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)
    end_with_service(life)
    faulthandler.enable()
    channel = Channel(connection)
    try:
        import pandas  # noqa: F401
        import pyarrow  # noqa: F401

        from .model import Model
    except Exception as error:  # noqa: BLE001 - a broken package raises what it likes
        channel.send({"error": failure(error, loading=True)})
        return
    channel.send({"python": sys.version.split()[0]})
    model = None
    while True:
        request = channel.receive()
        if request is None:
            return
        header, body = request
        try:
            if model is None:
                model = Model(json.loads(header))
                channel.send({"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})
            else:
                channel.send({}, model.score(header, body))
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, sys.exit included
            channel.send({"error": failure(error, loading=model is None)})
