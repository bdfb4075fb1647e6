"""Where the page is served: to this machine alone."""

from __future__ import annotations

import socket

from torch_afm.utils import InputError

#: Nobody but this machine can open the page.
HOST = "127.0.0.1"


def find_port(port: int) -> int:
    """A port of :data:`HOST` that is free.

    Args:
        port: which one; 0 for any.

    Raises:
        InputError: for one that is taken, or may not be used.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = f"{port} ({error.strerror}); 0 takes any that is free"
            raise InputError(f"--port: expected one that is free, got {reason}") from None
        return int(probe.getsockname()[1])
