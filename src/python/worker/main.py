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
    own = os.getpid()
    model = None
    while True:
        request = channel.receive()
        if request is None:
            return
        header, body = request
        raised: BaseException | None = None
        try:
            if model is None:
                model = Model(json.loads(header))
                reply = ({"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}, b"")
            else:
                reply = ({}, model.score(header, body))
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, sys.exit included
            raised = error
            reply = ({"error": failure(error, loading=model is None)}, b"")
        if os.getpid() != own:
            # The model forked, and this is the child with a copy of the loop. Only its parent answers the service.
            end_child(raised)
        channel.send(*reply)


def end_child(raised: BaseException | None) -> None:
    """End a process that the model forked as the interpreter would: with the status of ``sys.exit``, or 1 after another error."""
    code = raised.code if isinstance(raised, SystemExit) else raised and 1
    sys.stdout.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
