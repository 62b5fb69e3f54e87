"""The seccomp filter of the sandbox: system calls that no generated program needs and that have broken sandboxes.

A classic BPF program as the kernel takes it (``man 2 seccomp``; ``linux/filter.h``, ``linux/seccomp.h``), put
together here because bwrap wants it ready made. The list follows what container runtimes deny by default (Docker's
and Flatpak's profiles): namespaces, mounts, kernel keys and modules, tracing other processes, and the young, wide
interfaces (``io_uring``, ``bpf``, ``userfaultfd``); and memory that belongs to no process, which nobody could count
(files in memory, System V). A denied call fails with ``EPERM``.

Where code runs as a user of the machine and among its processes (Landlock), more is denied: sockets but pairs of them,
what changes other processes, and what changes files without opening them, which Landlock does not know.
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
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "msgget": (68, 186),
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
    "semget": (64, 190),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_DENIED_AMONG_OTHERS: dict[str, tuple[int | None, int | None]] = {
    "chown": (92, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "fremovexattr": (199, 16),
    "fsetxattr": (190, 7),
    "ioprio_set": (251, 30),
    "lchown": (94, None),
    "lremovexattr": (198, 15),
    "lsetxattr": (189, 6),
    "removexattr": (197, 14),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "setpriority": (141, 140),
    "setxattr": (188, 5),
    "setxattrat": (463, 463),
    "socket": (41, 198),
}
# What copying a file does besides: it is told that this was done, so that honest code goes on.
_WITHOUT_EFFECT_AMONG_OTHERS: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "futimesat": (261, None),
    "utime": (132, None),
    "utimensat": (280, 88),
    "utimes": (235, None),
}
_CLONE, _CLONE3, _IOCTL, _PRLIMIT = (56, 220), (435, 435), (16, 29), (302, 261)
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}


def program(machine: str | None = None, *, among_others: bool = False) -> bytes | None:
    """Return the filter for ``machine`` (default: this one's), ready for ``bwrap --seccomp``; None: not known here.

    ``among_others``: there are no namespaces that keep the code from the machine's other processes and sockets.
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
    code += _answers(_DENIED, column, refuse)
    if among_others:
        code += _answers(_DENIED_AMONG_OTHERS, column, refuse)
        code += _answers(_WITHOUT_EFFECT_AMONG_OTHERS, column, _statement(_RETURN, _ERRNO))
    # The flags of clone3 are out of a filter's reach; told that it is missing, the C library uses clone.
    code += [_jump(_EQUAL, _CLONE3[column], 0, 1), _statement(_RETURN, _ERRNO | errno.ENOSYS)]
    code += [_jump(_EQUAL, _CLONE[column], 0, 3), _statement(_LOAD, _FIRST_ARGUMENT_AT)]
    code += [_jump(_ANY_BIT, _NAMESPACES, 0, 1), refuse, _statement(_LOAD, _NUMBER_AT)]
    code += [_jump(_EQUAL, _IOCTL[column], 0, 4), _statement(_LOAD, _SECOND_ARGUMENT_AT)]
    code += [_jump(_EQUAL, _TIOCSTI, 1, 0), _jump(_EQUAL, _TIOCLINUX, 0, 1), refuse]
    if among_others:  # of a process's own limits only; its own id in words, as if it were another's, is refused too
        code += [_statement(_LOAD, _NUMBER_AT), _jump(_EQUAL, _PRLIMIT[column], 0, 3)]
        code += [_statement(_LOAD, _FIRST_ARGUMENT_AT), _jump(_EQUAL, 0, 1, 0), refuse]
    return b"".join([*code, _statement(_RETURN, _ALLOW)])


def _answers(calls: dict[str, tuple[int | None, int | None]], column: int, answer: bytes) -> list[bytes]:
    return [
        part
        for numbers in calls.values()
        if (number := numbers[column]) is not None
        for part in (_jump(_EQUAL, number, 0, 1), answer)
    ]


def _statement(operation: int, value: int) -> bytes:
    return _jump(operation, value, 0, 0)


def _jump(operation: int, value: int, if_true: int, if_false: int) -> bytes:
    """One ``struct sock_filter``: how many instructions to skip if the comparison holds, and if not."""
    return struct.pack("=HBBI", operation, if_true, if_false, value)
