"""Become the process of a unit: change root and user, give up every privilege, load filters, exec.

tests/services/units.py starts this as root. It imports nothing of ours and nothing but Python's
own: what it starts must not inherit a surprise.
"""

import argparse
import ctypes
import os
import pwd
import socket
import sys

PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, PR_SET_MDWE = 38, 24, 65
CAPABILITIES = 64  # more than there are
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NOT_PERMITTED, NO_FAMILY, NO_CALL = 1, 97, 38
NOT_EQUAL, EQUAL, MASKED_EQUAL = 1, 4, 7
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
MAX_FAMILY = 50
NO_SUCH_CALL = -1

libc = ctypes.CDLL(None, use_errno=True)
libseccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
libseccomp.seccomp_init.restype = ctypes.c_void_p


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp: an argument of a call, compared."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("one", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


class Filter:
    """A filter of system calls; the kernel does what the strictest of all loaded ones says."""

    def __init__(self, otherwise: int):
        self.context = ctypes.c_void_p(libseccomp.seccomp_init(ctypes.c_uint32(otherwise)))

    def add(self, action: int, call: str, *comparisons: Comparison) -> None:
        number = libseccomp.seccomp_syscall_resolve_name(call.encode())
        if number == NO_SUCH_CALL:  # of another processor, or newer than the library
            return
        array = (Comparison * len(comparisons))(*comparisons)
        _must(
            libseccomp.seccomp_rule_add_array(
                self.context, ctypes.c_uint32(action), number, len(comparisons), array
            ),
            call,
        )

    def load(self) -> None:
        _must(libseccomp.seccomp_load(self.context), "seccomp_load")


def _must(result: int, what: str) -> None:
    if result < 0:
        sys.exit(f"{what}: {os.strerror(-result)}")


def deny_write_and_execute() -> None:
    """As MemoryDenyWriteExecute= does: by a filter, and by the kernel itself where it can."""
    libc.prctl(PR_SET_MDWE, 1, 0, 0, 0)
    denied = Filter(ALLOW)
    both = PROT_EXEC | PROT_WRITE
    denied.add(ERRNO | NOT_PERMITTED, "mmap", Comparison(2, MASKED_EQUAL, both, both))
    for call in ("mprotect", "pkey_mprotect"):
        compared = Comparison(2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC)
        denied.add(ERRNO | NOT_PERMITTED, call, compared)
    denied.add(ERRNO | NOT_PERMITTED, "shmat", Comparison(2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC))
    denied.load()


def restrict_families(names: list[str]) -> None:
    allowed = {int(getattr(socket, name)) for name in names}
    denied = Filter(ALLOW)
    for family in set(range(MAX_FAMILY)) - allowed:
        denied.add(ERRNO | NO_FAMILY, "socket", Comparison(0, EQUAL, family, 0))
    denied.load()


def restrict_namespaces() -> None:
    denied = Filter(ALLOW)
    denied.add(ERRNO | NO_CALL, "clone3")
    denied.add(ERRNO | NOT_PERMITTED, "setns")
    for flag in NAMESPACES:
        for call in ("clone", "unshare"):
            denied.add(ERRNO | NOT_PERMITTED, call, Comparison(0, MASKED_EQUAL, flag, flag))
    denied.load()


def allow_only(calls: list[str]) -> None:
    allowed = Filter(ERRNO | NOT_PERMITTED)
    for call in calls:
        allowed.add(ALLOW, call)
    allowed.load()


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("root", "user", "group", "umask", "directory", "families", "calls"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--no-write-and-execute", action="store_true")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()

    os.chroot(given.root)
    os.chdir("/")
    user = pwd.getpwnam(given.user)  # of the new root: nothing asked for users before
    os.chdir(given.directory)
    os.umask(int(given.umask, 8))
    for capability in range(CAPABILITIES):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.initgroups(given.user, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    os.environ["HOME"] = user.pw_dir
    _must(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    if given.no_write_and_execute:
        deny_write_and_execute()
    restrict_families(given.families.split())
    restrict_namespaces()
    allow_only(given.calls.split(","))
    os.execve(given.command[0], given.command, os.environ)


if __name__ == "__main__":
    main()
