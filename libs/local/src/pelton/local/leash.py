"""Become another program, on a leash: it ends when the process that started it ends, however that ended.

Run as a script with nothing but the standard library, because it stands in the path of every start:
`python -I -S leash.py --parent PID --signal N [--uid UID --gid GID] -- program arguments…`.

With `--uid`, a program that refuses to run as root (PostgreSQL) runs as that user. It keeps the one capability that
passes over file permissions, so that it reaches its binaries and its data wherever root may have put them (under
`/root`, for instance) without opening those folders to everyone. Only Linux has both mechanisms; elsewhere the leash
is loose and `--uid` alone applies.
"""

import argparse
import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_LINUX_CAPABILITY_VERSION_3 = 0x20080522


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def main(arguments: list[str]) -> None:
    """Apply the leash to this process and replace it by the program after `--`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--signal", type=int, required=True)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("program", nargs="+")
    options = parser.parse_args(arguments)

    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if options.uid is not None:
        _drop_root(libc, options.uid, options.gid)
    if libc is not None:
        # After the change of user, which would clear it.
        _check(libc.prctl(_PR_SET_PDEATHSIG, options.signal, 0, 0, 0), "ask for a signal at the parent's death")
    if os.getppid() != options.parent:
        sys.exit(f"leash: the parent process {options.parent} is gone, not starting {options.program[0]}")
    os.execv(options.program[0], options.program)  # noqa: S606  # becoming that program is the purpose


def _drop_root(libc: ctypes.CDLL | None, uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    if libc is not None:
        _check(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities")
    os.setuid(uid)
    if libc is not None:
        bit = 1 << _CAP_DAC_OVERRIDE
        header = _CapabilityHeader(_LINUX_CAPABILITY_VERSION_3, 0)
        data = (_CapabilityData * 2)(_CapabilityData(bit, bit, bit), _CapabilityData(0, 0, 0))
        _check(libc.capset(ctypes.byref(header), ctypes.byref(data)), "reduce capabilities to CAP_DAC_OVERRIDE")
        _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0), "pass CAP_DAC_OVERRIDE on")


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        sys.exit(f"leash: could not {what}: {os.strerror(code)} (a container may need --cap-add=DAC_OVERRIDE)")


if __name__ == "__main__":
    main(sys.argv[1:])
