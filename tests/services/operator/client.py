"""Hands one command to a server of the test, with its arguments, folder, environment and open files.

SIGTERM is passed on. If this process is killed, so is the command.

Run as `python -I -S client.py SOCKET NAME ARGUMENT…`: it imports nothing that takes time.
"""

import json
import os
import signal
import socket
import sys

path, *words = sys.argv[1:]
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as talk:
    talk.connect(path)
    told = {"words": words, "folder": os.path.realpath("."), "environment": dict(os.environ)}
    signal.signal(signal.SIGTERM, lambda number, _frame: talk.send(str(number).encode()))
    socket.send_fds(talk, [json.dumps(told).encode()], [0, 1, 2])
    code = talk.recv(16)
sys.exit(int(code or b"125"))
