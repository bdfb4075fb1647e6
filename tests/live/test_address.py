"""Ports of this machine."""

import socket

import pytest

from torch_afm.live.address import HOST, find_port
from torch_afm.utils import InputError


def test_any_port_and_one_of_them():
    port = find_port(0)
    assert 0 < port < 65536 and find_port(port) == port


def test_a_port_that_is_taken_is_one_line():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            InputError, match=rf"--port: expected one that is free, got {port} \(.+\); 0 takes"
        ):
            find_port(port)
