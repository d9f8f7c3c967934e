#!/usr/bin/env python3
"""no_uring - runs a program for which io_uring_setup fails: no_uring.py EPERM|ENOSYS COMMAND...

A seccomp filter as container runtimes use it; everything else stays allowed. x86-64 and arm64 have the
same numbers for these calls.
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7FFF0000
NR_IO_URING_SETUP, NR_IO_URING_REGISTER = 425, 427
LOAD_WORD, JUMP_BELOW, JUMP_ABOVE, RETURN = 0x20, 0x35, 0x25, 0x06


def refuse(number):
    """Loads the call's number (offset 0 of seccomp_data) and returns the error for 425 to 427."""
    program = struct.pack("HBBI" * 5,
                          LOAD_WORD, 0, 0, 0,
                          JUMP_BELOW, 0, 2, NR_IO_URING_SETUP,          # below 425: allow
                          JUMP_ABOVE, 1, 0, NR_IO_URING_REGISTER,       # above 427: allow
                          RETURN, 0, 0, SECCOMP_RET_ERRNO | number,
                          RETURN, 0, 0, SECCOMP_RET_ALLOW)
    block = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 5, ctypes.addressof(block)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("EPERM", "ENOSYS"):
        sys.exit("usage: no_uring.py EPERM|ENOSYS COMMAND...")
    refuse(getattr(errno, sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
