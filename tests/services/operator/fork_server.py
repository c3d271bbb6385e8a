"""The commands `guichet` and `celery`, loaded once: each call runs in a fork of its own.

A process that begins anew loads for seconds what is loaded here. Everything else is as in
the commands: arguments, environment, folder, open files and exit code are those of the caller.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from celery.__main__ import main as celery

from identity.cli.commands import guichet

guichet.load_all()
# What workers stand on, so that no fork has to load it; they themselves read settings as they load.
for name in (
    *("celery.apps.worker", "celery.bin.celery", "celery.bin.beat", "celery.bin.worker"),
    *("celery.beat", "celery.concurrency.prefork", "celery.worker.consumer"),
    *("kombu.transport.redis", "identity.mail_kinds", "identity.tables", "psycopg"),
    *("identity.bulk_invites.jobs", "identity.invitations.jobs", "identity.registration.jobs"),
):
    import_module(name)

MOST = 1 << 20  # bytes of one call


def serve(path: str) -> NoReturn:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(16)
    gc.freeze()  # what is loaded is garbage in no fork
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who answer
    while True:
        talk, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            answer(talk)
        talk.close()


def answer(talk: socket.socket) -> NoReturn:
    """Run the call in a fork, and tell the caller how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    raw, files, _flags, _from = socket.recv_fds(talk, MOST, 3)
    pid = os.fork()
    if pid == 0:
        talk.close()
        run(json.loads(raw), files)
    pass_signals_on(talk, pid)
    _, status = os.waitpid(pid, 0)
    with suppress(OSError):
        talk.send(str(os.waitstatus_to_exitcode(status) % 256).encode())
    os._exit(0)


def pass_signals_on(talk: socket.socket, pid: int) -> None:
    """Until the process ends. Whoever was killed cannot wait: then it is killed, too."""
    end = os.pidfd_open(pid)
    while True:
        ready, _, _ = select.select([end, talk], [], [])
        if end in ready:
            return
        told = talk.recv(16)
        with suppress(ProcessLookupError):
            if told:
                os.kill(pid, int(told))
            else:
                os.killpg(pid, signal.SIGKILL)
                return


def run(told: dict[str, Any], files: list[int]) -> NoReturn:
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(told["environment"])
    os.chdir(told["folder"])
    sys.argv = told["words"]
    code: object = 0
    try:
        celery() if sys.argv[0] == "celery" else guichet.main(sys.argv[1:], prog_name="guichet")
    except SystemExit as end:
        code = end.code or 0
    except BaseException:  # noqa: BLE001  a process of its own would show it and end with 1
        traceback.print_exc()
        code = 1
    if not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201  as Python does for sys.exit("…")
        code = 1
    # What was registered for the end is done. Then it goes at once: taking apart what the fork
    # shares would copy all of it, which takes longer than most commands.
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
