"""The seccomp filter of the sandbox: system calls that no generated program needs and that have broken sandboxes.

A classic BPF program as the kernel takes it (``man 2 seccomp``; ``linux/filter.h``, ``linux/seccomp.h``), put
together here because bwrap wants it ready made. The list follows what container runtimes deny by default (Docker's
and Flatpak's profiles): namespaces, mounts, kernel keys and modules, tracing other processes, and the young, wide
interfaces (``io_uring``, ``bpf``, ``userfaultfd``). A denied call fails with ``EPERM``.
"""

from __future__ import annotations

import errno
import platform
import struct

__all__ = ["program"]

_LOAD, _EQUAL, _ANY_BIT, _GREATER_OR_EQUAL, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCH_AT, _FIRST_ARGUMENT_AT, _SECOND_ARGUMENT_AT = 0, 4, 16, 24
_NAMESPACES = 0x7E020000
"""``CLONE_NEW*``: mount, cgroup, uts, ipc, user, pid, net (``linux/sched.h``)."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
"""``ioctl`` requests that type into the terminal of whoever started the program."""
_X32 = 0x40000000

# Call → its number on x86_64 and on aarch64 (``arch/x86/entry/syscalls/syscall_64.tbl``,
# ``include/uapi/asm-generic/unistd.h``); None: not there.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_CLONE, _CLONE3, _IOCTL, _SOCKET = (56, 220), (435, 435), (16, 29), (41, 198)
_AF_UNIX = 1
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def program(machine: str | None = None, *, sockets: bool = True) -> bytes | None:
    """Return the filter for ``machine`` (default: this one's), ready for ``bwrap --seccomp``; None: not known here.

    Without ``sockets`` only local ones (``AF_UNIX``) can be made, for where there is no network namespace.
    """
    known = _ARCHITECTURES.get(machine or platform.machine())
    if known is None:
        return None
    column, architecture = known
    refuse = _statement(_RETURN, _ERRNO | errno.EPERM)
    code = [_statement(_LOAD, _ARCH_AT), _jump(_EQUAL, architecture, 1, 0), _statement(_RETURN, _KILL)]
    code += [_statement(_LOAD, _NUMBER_AT)]
    if column == 0:  # calls by way of the x32 table have the same numbers with one more bit
        code += [_jump(_GREATER_OR_EQUAL, _X32, 0, 1), refuse]
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            code += [_jump(_EQUAL, number, 0, 1), refuse]
    # The flags of clone3 are out of a filter's reach; told that it is missing, the C library uses clone.
    code += [_jump(_EQUAL, _CLONE3[column], 0, 1), _statement(_RETURN, _ERRNO | errno.ENOSYS)]
    code += [_jump(_EQUAL, _CLONE[column], 0, 3), _statement(_LOAD, _FIRST_ARGUMENT_AT)]
    code += [_jump(_ANY_BIT, _NAMESPACES, 0, 1), refuse, _statement(_LOAD, _NUMBER_AT)]
    code += [_jump(_EQUAL, _IOCTL[column], 0, 4), _statement(_LOAD, _SECOND_ARGUMENT_AT)]
    code += [_jump(_EQUAL, _TIOCSTI, 1, 0), _jump(_EQUAL, _TIOCLINUX, 0, 1), refuse]
    if not sockets:
        code += [_statement(_LOAD, _NUMBER_AT), _jump(_EQUAL, _SOCKET[column], 0, 3)]
        code += [_statement(_LOAD, _FIRST_ARGUMENT_AT), _jump(_EQUAL, _AF_UNIX, 1, 0), refuse]
    return b"".join([*code, _statement(_RETURN, _ALLOW)])


def _statement(operation: int, value: int) -> bytes:
    return _jump(operation, value, 0, 0)


def _jump(operation: int, value: int, if_true: int, if_false: int) -> bytes:
    """One ``struct sock_filter``: how many instructions to skip if the comparison holds, and if not."""
    return struct.pack("=HBBI", operation, if_true, if_false, value)
