"""How a worker ends: with its service, and with all that its model has started."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import threading
import time


def end_with_service(life: int) -> None:
    """Make this process and its children end when the service does, whatever the model is doing."""
    parent = os.getppid()
    own_group = os.getpgrp() == os.getpid()

    def end() -> None:
        if own_group:
            os.killpg(0, signal.SIGKILL)
        os._exit(1)

    def watch() -> None:
        poll = select.poll()
        poll.register(life, select.POLLIN | select.POLLHUP)
        while not poll.poll(5000) and os.getppid() == parent:
            pass
        end()

    threading.Thread(target=watch, name="mlflight-watch", daemon=True).start()
    try:
        # A model that never releases the interpreter's lock would starve the thread: the kernel kills the group by itself.
        fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp() if own_group else os.getpid())
        fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    except (AttributeError, OSError):
        pass


def leave_nothing(connection: socket.socket, life: int) -> None:
    """Fork a process that kills what this one has started and left behind, once it or the service has ended.

    A child that called setsid is in no group that could be killed; but it has this process's mark in its environment.
    """
    mark, worker = os.environ.get("MLFLIGHT_WORKER"), os.getpid()
    try:
        if not mark or not os.path.isdir("/proc/self") or os.fork():
            return
    except OSError:
        # No process may be started: then the model cannot leave one behind either.
        return
    try:
        os.setsid()
        connection.close()
        # The service reads standard error until everybody has closed it.
        os.closerange(0, 3)
        poll = select.poll()
        poll.register(life, select.POLLIN | select.POLLHUP)
        if hasattr(os, "pidfd_open"):
            poll.register(os.pidfd_open(worker), select.POLLIN)
        while os.getppid() == worker and not poll.poll(1000):
            pass
        kill_marked(f"MLFLIGHT_WORKER={mark}".encode())
    finally:
        os._exit(0)


def kill_marked(mark: bytes) -> None:
    """Kill every other process that has this in its environment, until there is none."""
    for _ in range(500):
        found = False
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if mark in file.read().split(b"\0"):
                        os.kill(int(name), signal.SIGKILL)
                        found = True
            except OSError:
                continue
        if not found:
            return
        time.sleep(0.01)
