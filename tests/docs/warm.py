"""Runs `sparring` commands as forks of one process that has imported everything already.

The commands of the pages would otherwise spend most of their time on importing PyTorch.

    python warm.py SOCKET
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

import torch._dynamo  # which PyTorch imports when the first optimizer is made
from short import shorten_words

from sparring import api, cli, writing
from sparring.report import curves_figure, figure_svg

WARM = (api, writing, torch._dynamo)  # what the commands import when they run
MOST_BYTES = 1 << 20  # of an order; a longer one would not be JSON


def main(address: str) -> None:
    figure_svg(curves_figure([{"samples_seen": n, "loss/generator": n} for n in (1, 2)], {}))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        while True:
            caller, _ = listener.accept()
            content, streams, *_ = socket.recv_fds(caller, MOST_BYTES, 3)
            if os.fork() == 0:
                listener.close()
                os._exit(answer(caller, json.loads(content), streams))
            caller.close()
            for stream in streams:
                os.close(stream)


def answer(caller: socket.socket, order: dict, streams: list[int]) -> int:
    """Do in this process what the caller would have done in its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # as the workers that pack images need it
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["sparring", *shorten_words(order["words"])]
    try:
        cli.main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    caller.send(bytes([code]))
    return code


if __name__ == "__main__":
    main(sys.argv[1])
