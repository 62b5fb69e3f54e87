"""What generated code might try to do to the machine. Each attack is really made, in every kind of sandbox, as root and
as an unprivileged user; and each that is harmless is shown to succeed without one."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from orchestrator.sandbox.bubblewrap import NOBODY
from orchestrator.sandbox.seccomp import program
from schemas.evidence import Execution
from tests.confined import AS_ROOT, KINDS, ROOT, Way, confined, seen
from tests.helpers import bare_environment

WORD = "hunter2-of-the-attacks"

ATTACKS = {
    "connect to the loopback": "import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('THROUGH')",
    "send a datagram": """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {datagrams}))
""",
    "read a secret file": "print(open({secret!r}).read() and 'THROUGH')",
    "read a secret from the environment": "import os; print('THROUGH' if {word!r} in os.environ.values() else '')",
    "read a secret from the parent's environment": """
import glob
for path in glob.glob('/proc/[0-9]*/environ'):
    try:
        if {word!r}.encode() in open(path, 'rb').read():
            print('THROUGH')
            break
    except OSError:
        pass
""",
    "write outside": "open({outside!r} + '/x', 'w').write('x'); print('THROUGH')",
    "follow a link out of the project": "print(open('link').read() and 'THROUGH')",
    "make a link to a secret": """
import os, tempfile
link = os.path.join(tempfile.gettempdir(), 'link-{mark}')
os.symlink({secret!r}, link)
print(open(link).read() and 'THROUGH')
""",
    "make a hard link to a secret": """
import os
os.link({secret!r}, {outside!r} + '/hard')
print(open({outside!r} + '/hard').read() and 'THROUGH')
""",
    "fill the disk": """
import tempfile
written = 0
for folder in (tempfile.gettempdir(), '/dev/shm', '/tmp', '/var/tmp', '.'):
    try:
        for n in range(10):
            with open(f'{{folder}}/fill-{mark}-{{n}}', 'wb') as f:
                written += f.write(bytes(1_000_000))
                f.flush()
    except OSError:
        pass
import time
time.sleep(0.5)
print('THROUGH' if written > 13_000_000 else '')
""",
    "kill another process": "import os; os.kill({victim}, 9); print('THROUGH')",
    "leave a process behind": """
import os, subprocess, sys
subprocess.Popen([sys.executable, '-c', 'import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(50)',
                  {mark!r}], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
import time
time.sleep(0.3)
""",
    "ten medium memory hogs": """
import subprocess, sys, time
hogs = [subprocess.Popen([sys.executable, '-c', 'x = b"x" * 60_000_000; print(len(x), flush=True); input()',
                          {mark!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(10)]
held = sum(bool(hog.stdout.readline()) for hog in hogs)
time.sleep(2)
print('THROUGH' if held == 10 and all(hog.poll() is None for hog in hogs) else '')
for hog in hogs:
    hog.kill()
""",
    "one big memory hog": "x = b'x' * 500_000_000; print('THROUGH')",
    "hoard files in memory": """
import os, time
held = 0
try:
    for n in range(40):
        held += os.write(os.memfd_create('x'), bytes(4_000_000))
except OSError:
    pass
time.sleep(0.5)
print('THROUGH' if held > 100_000_000 else '')
""",
    "reach a socket of another program": """
import socket
socket.socket(socket.AF_UNIX).connect({listener!r})
print('THROUGH')
""",
    "change the mode of a file outside": """
import os
os.chmod({outside!r} + '/mine', 0o640)
print('THROUGH' if os.stat({outside!r} + '/mine').st_mode & 0o777 == 0o640 else '')
""",
    "lower the limits of another process": """
import resource
resource.prlimit({victim}, resource.RLIMIT_NOFILE, (7, 7))
print('THROUGH')
""",
    "slow another process down": "import os; os.setpriority(os.PRIO_PROCESS, {victim}, 19); print('THROUGH')",
    "leave shared memory behind": """
import ctypes
print('THROUGH' if ctypes.CDLL(None).shmget(0x4d50, 4096, 0o1600) >= 0 else '')
""",
    "fill the disk with files that have no name": """
import os, tempfile, time
held = []
for n in range(10):
    path = os.path.join(tempfile.gettempdir(), f'gone-{mark}-{{n}}')
    held.append(open(path, 'wb', 0))
    os.unlink(path)
    held[-1].write(bytes(2_000_000))
time.sleep(0.6)
print('THROUGH')
""",
    "fill the disk with small files": """
import os, tempfile, time
folder = tempfile.mkdtemp(prefix={mark!r})
import os
made = 0
if os.fork() == 0:
    os._exit(0)  # nobody waits for it
try:
    for n in range(12_000):
        open(f'{{folder}}/{{n}}', 'w').close()
        made += 1
except OSError:
    pass
time.sleep(1)
print('THROUGH' if made == 12_000 else '')
""",
}
HARMFUL = {
    "endless loop": "while True: pass",
    "endless output": "while True: print('x' * 1000)",
    "fork bomb": """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
""",
}
BOUNDS: dict[str, Any] = {
    "memory_bytes": 400_000_000,
    "tmp_bytes": 5_000_000,
    "seconds": 12.0,
    "output_bytes": 100_000,
    "processes": 64,
}


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that anybody can read; those of pytest are its user's own."""
    with tempfile.TemporaryDirectory(prefix="milepost-attacks-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def environment(place: Path) -> Path:
    """The environment, where anybody can read it."""
    return Path(shutil.copytree(bare_environment().path, place / "environment", symlinks=True))


@pytest.fixture(scope="module")
def scene(environment: Path, place: Path) -> Iterator[dict[str, Any]]:
    """Everything that an attack may be after."""
    project, outside, secret = place / "project", place / "outside", place / "outside" / "secret"
    for part in (project, outside):
        part.mkdir()
        part.chmod(0o777)
    secret.write_text(WORD)
    (project / "link").symlink_to(secret)
    nobody = NOBODY if AS_ROOT else None
    # What runs as an unprivileged user may try it on a process of its own user.
    victim = subprocess.Popen(["sleep", "600"], user=nobody, group=nobody)
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.create_server(("127.0.0.1", 0), backlog=100) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
    ):
        patch.setenv("SECRET", WORD)
        datagrams.bind(("127.0.0.1", 0))
        datagrams.setblocking(False)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(place / "listener"))
        listener.listen()
        (place / "listener").chmod(0o777)
        (outside / "mine").write_text("")
        if AS_ROOT:
            os.chown(outside / "mine", NOBODY, NOBODY)
        yield {
            "shared": shared_memory(),
            "listener": str(place / "listener"),
            "datagrams": datagrams.getsockname()[1],
            "received": partial(_received, datagrams),
            "port": server.getsockname()[1],
            "secret": str(secret),
            "outside": str(outside),
            "project": str(project),
            "environment": str(environment),
            "word": WORD,
            "victim": victim.pid,
            "process": victim,
        }
        listener.close()
    victim.kill()
    victim.wait()


def _received(datagrams: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        return bool(datagrams.recv(10))
    return False


def mark_of(attack: str, way: object) -> str:
    """What the processes of an attack are known by."""
    return f"milepost-{os.getpid()}-{attack}-{way}".replace(" ", "-").replace("'", "")


def made(way: Way, codes: dict[str, str], scene: dict[str, Any]) -> dict[str, Execution]:
    """Make attacks, and see that each was made at all."""
    runs = {
        name: {
            "code": f"print('RAN', flush=True)\nmark = {mark_of(name, way)!r}\n{code}",
            "project": scene["project"],
            "environment": scene["environment"],
            **BOUNDS,
            **({"seconds": 2.0} if name in HARMFUL else {}),
        }
        for name, code in codes.items()
    }
    done = confined(way, runs)
    assert {name for name, one in done.items() if not one.stdout.startswith("RAN\n")} == set(), done
    return done


def shared_memory() -> set[str]:
    """Keys of the System V segments of this machine."""
    return {line.split()[0] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def left_behind(mark: str) -> list[int]:
    """Processes that carry the mark."""
    found = subprocess.run(["pgrep", "-f", mark], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


@pytest.fixture(scope="module", params=KINDS, ids=str)
def outcomes(request: pytest.FixtureRequest, scene: dict[str, Any]) -> tuple[Way, dict[str, Execution]]:
    """What came of all attacks in one kind of sandbox."""
    way: Way = request.param
    codes = {name: code.format(**scene, mark=mark_of(name, way)) for name, code in ATTACKS.items()}
    return way, made(way, {**codes, **HARMFUL}, scene)


@pytest.mark.parametrize("attack", ATTACKS)
def test_it_is_stopped_and_leaves_nothing_behind(attack: str, outcomes: tuple[Way, dict[str, Execution]]) -> None:
    way, done = outcomes
    assert "THROUGH" not in done[attack].stdout
    assert left_behind(mark_of(attack, way)) == []


@pytest.mark.parametrize("attack", HARMFUL)
def test_it_is_ended(attack: str, outcomes: tuple[Way, dict[str, Execution]]) -> None:
    way, done = outcomes
    assert done[attack].ended is not None
    assert left_behind(mark_of(attack, way)) == []


def test_what_is_outside_is_as_it_was(outcomes: tuple[Way, dict[str, Execution]], scene: dict[str, Any]) -> None:
    assert not scene["received"]()
    assert scene["process"].poll() is None
    assert [path.name for path in Path(scene["outside"]).iterdir()] in (["mine", "secret"], ["secret", "mine"])
    assert shared_memory() == scene["shared"]


HANGING_ON = """
import subprocess, sys, time
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(50)', {mark!r}], start_new_session=True)
time.sleep(50)
"""


@pytest.mark.parametrize("way", KINDS, ids=str)
def test_what_has_left_its_group_is_ended_by_the_time_limit_too(way: Way, scene: dict[str, Any]) -> None:
    name = "hanging on"
    code = HANGING_ON.format(mark=mark_of(name, way))
    done = confined(
        way,
        {
            name: {
                "code": code,
                "project": scene["project"],
                "environment": scene["environment"],
                **BOUNDS,
                "seconds": 1.0,
            }
        },
    )
    assert done[name].ended == "time limit of 1 s"
    assert left_behind(mark_of(name, way)) == []


@pytest.mark.parametrize("attack", ATTACKS)
def test_without_a_sandbox_it_succeeds(attack: str, scene: dict[str, Any], tmp_path: Path) -> None:
    """Otherwise its failure inside would prove nothing."""
    mark = mark_of(attack, "bare")
    scratch = tmp_path / "outside"
    scratch.mkdir()
    victim = subprocess.Popen(["sleep", "100"])
    secret = scratch / "secret"
    secret.write_text(WORD)
    (scratch / "mine").touch()
    target = {**scene, "outside": str(scratch), "secret": str(secret), "victim": victim.pid, "mark": mark}
    parent = [sys.executable, "-c", "import subprocess, sys; subprocess.call([sys.executable, '-c', sys.argv[1]])"]
    done = subprocess.run(
        [*parent, ATTACKS[attack].format(**target)],
        env={"SECRET": WORD, "TMPDIR": str(scratch), "PATH": os.defpath},
        cwd=scene["project"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    subprocess.run(["ipcrm", "--shmem-key", "0x4d50"], capture_output=True, check=False)
    left = left_behind(mark)
    for pid in [victim.pid, *left]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    victim.wait()
    for folder in ("/dev/shm", "/tmp", "/var/tmp", scene["project"]):
        for path in Path(folder).glob(f"*{mark}*"):
            path.unlink() if path.is_file() else shutil.rmtree(path)
    assert "THROUGH" in done.stdout or left or scene["received"](), done.stderr


@pytest.mark.parametrize("kind", ["bubblewrap", "landlock"])
def test_nothing_goes_on_when_milepost_is_killed(kind: str, scene: dict[str, Any]) -> None:
    mark = mark_of("killed", kind)
    inside = ATTACKS["leave a process behind"].format(**scene, mark=mark) + "time.sleep(50)"
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from orchestrator.sandbox.bubblewrap import Bubblewrap\nfrom orchestrator.sandbox.direct import Direct\n"
        "from orchestrator.sandbox.port import Command\n"
        f"sandbox = Bubblewrap() if {kind!r} == 'bubblewrap' else Direct('landlock')\n"
        f"command = Command(argv=('python', '-c', {inside!r}), project=Path({scene['project']!r}), "
        f"environment=Path({scene['environment']!r}))\nasyncio.run(sandbox.run(command))\n"
    )
    way = Way(kind, False, KINDS[0].user)
    process = subprocess.Popen(seen(way, [sys.executable, "-c", code]), cwd=ROOT, start_new_session=True)
    deadline = time.monotonic() + 30
    innermost = rf"time.sleep\(50\) {mark}"
    while not (started := left_behind(innermost)) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)  # it is on its way into the background
    assert started
    orchestrators = subprocess.run(["pgrep", "-s", str(process.pid)], capture_output=True, text=True, check=True)
    for pid in orchestrators.stdout.split():  # the program itself, and what may have started it for this test
        os.kill(int(pid), signal.SIGKILL)
    process.wait()
    while time.monotonic() < deadline and left_behind(mark):
        time.sleep(0.05)
    assert left_behind(mark) == []


@pytest.mark.parametrize("way", [way for way in KINDS if not way.cgroup], ids=str)
def test_nothing_goes_on_when_milepost_is_killed_while_it_starts_a_command(way: Way, scene: dict[str, Any]) -> None:
    """At some moment between its fork and the command's first line."""
    code = (
        "import asyncio, os; from pathlib import Path\n"
        "from orchestrator.sandbox.bubblewrap import Bubblewrap\nfrom orchestrator.sandbox.direct import Direct\n"
        "from orchestrator.sandbox.port import Command\n"
        f"sandbox = Bubblewrap() if {way.kind!r} == 'bubblewrap' else Direct('landlock')\n"
        "command = Command(argv=('python', '-c', 'import time; time.sleep(50) # MARK'), "
        f"project=Path({scene['project']!r}), environment=Path({scene['environment']!r}))\n"
        "def die(): os.kill(os.getpid(), 9)\n"
        "async def main():\n"
        "    asyncio.get_running_loop().call_later(DELAY, die)\n"
        "    await sandbox.run(command)\n"
        "asyncio.run(main())\n"
    )
    marks = []
    for number, delay in enumerate((0.0, 0.005, 0.02)):
        marks.append(mark_of(f"early-{number}", way))
        run = code.replace("MARK", marks[-1]).replace("DELAY", str(delay))
        subprocess.run(seen(way, [sys.executable, "-c", run]), cwd=ROOT, check=False, capture_output=True)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(map(left_behind, marks)):
        time.sleep(0.05)
    assert [left_behind(mark) for mark in marks] == [[]] * len(marks)


def test_the_filter_knows_the_common_processors_and_no_other() -> None:
    assert {machine: len(program(machine) or b"") % 8 for machine in ("x86_64", "aarch64")} == {
        "x86_64": 0,
        "aarch64": 0,
    }
    assert program("vax") is None


DENIED = {
    "a namespace": "libc.unshare(0x10000000)",
    "a namespace by clone": "libc.syscall(56, 0x10000011, 0, 0, 0, 0)",
    "tracing": "libc.ptrace(0, 0, 0, 0)",
    "a mount": "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
    "io_uring": "libc.syscall(425, 1, 0)",
    "typing into the terminal": "libc.ioctl(0, 0x5412, b'x')",
}


@pytest.mark.parametrize("kind", ["bubblewrap", "landlock"])
def test_system_calls_that_no_program_needs_are_denied(kind: str, scene: dict[str, Any]) -> None:
    start = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    codes = {name: f"{start}print({call}, ctypes.get_errno())" for name, call in DENIED.items()}
    done = made(Way(kind, False, KINDS[0].user), codes, scene)
    assert {name: one.stdout for name, one in done.items()} == dict.fromkeys(DENIED, "RAN\n-1 1\n")
