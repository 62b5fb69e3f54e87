"""The command line as a person uses it: messages, exit codes, and what is left behind."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from orchestrator.cli import main
from orchestrator.commands.refine import _prompt
from orchestrator.judge_check import Known
from orchestrator.rubric import evaluate
from orchestrator.workspace.layout import RunFiles, new_run
from schemas.errors import ExitCode
from schemas.evaluation import Judgement
from schemas.evidence import Evidence
from schemas.test_report import TestReport
from tests.helpers import GREETER, go, known_run
from tests.messages_server import messages_server
from tests.replies import GOOD, RETRY, judgement


def milepost(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def called(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same in this process, for what needs none of its own: half a second of imports is saved."""
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        for name, value in environment.items():
            patch.setenv(name, value)
        code = main(arguments)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), errors.getvalue())


def scripted(folder: Path, script: object = None) -> dict[str, str]:
    path = folder / "script.yaml"
    path.write_text(yaml.safe_dump([line.model_dump() for line in RETRY] if script is None else script))
    # What is off has tests of its own; the limit of time is that of `go`, so that what was measured there counts here.
    none = {"MILEPOST_SANDBOX_MUTANTS": "0", "MILEPOST_REVIEW": "off", "MILEPOST_REFACTOR": "off"}
    none["MILEPOST_SANDBOX_TEST_SECONDS"] = "300"
    return {"MILEPOST_BACKEND": "scripted", "MILEPOST_SCRIPT": str(path), **none}


def written(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name in ("logs", "milestones", "generated_projects"))


def test_one_whole_run_of_the_program_then_report_logs_and_verification(workspace: Path) -> None:
    done = milepost("run", str(GREETER), "--run-name", "one", **scripted(workspace))
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "Playing a script instead of asking a model."
    assert "ACCEPTED: 2 of 2 milestones, 4/4 tests, 3/3 checks" in lines
    assert milepost("report", "one").stdout.startswith("# Greeter: accepted\n")
    assert json.loads(milepost("report", "one", "--json").stdout)["run"] == "one"
    calls = milepost("logs", "one", "--json").stdout.splitlines()
    assert len(calls) == len(RETRY)
    second = milepost("logs", "one", "--agent", "impl", "--attempt", "2", "--json").stdout.splitlines()
    assert len(second) == 1
    whole = milepost("logs", "one", "--call", json.loads(second[0])["call"][:12]).stdout
    assert "─── system" in whole
    assert "<<<<<<< REMOVE" in whole
    assert "the chain is whole" in milepost("logs", "one", "--verify").stdout
    assert milepost("logs", "one", "--outcome", "refused").stdout == "No call matches.\n"
    assert milepost("runs").stdout.split()[:2] == ["one", "accepted"]


@pytest.mark.parametrize("task", ["Turn data.csv into the table report.md", "Print ten primes to primes.txt"])
def test_a_sentence_that_ends_in_the_name_of_a_file_is_a_task(task: str) -> None:
    assert _prompt(task) == (task, None)


def test_the_delivered_project_passes_its_tests_without_milepost(workspace: Path) -> None:
    done = go(workspace, list(GOOD))
    project = done.files.project
    assert "python -m greeter Ada" in (project / "README.md").read_text()
    assert "pytest==" in (project / "requirements-dev.txt").read_text()
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "6 passed" in result.stdout


def test_a_changed_log_is_found(workspace: Path) -> None:
    done = go(workspace, list(GOOD), name="x")
    path = done.files.events
    path.write_text(path.read_text().replace('"outcome": "ok"', '"outcome": "no"', 1))
    record = next((done.files.logs / "calls").glob("*.json"))
    record.write_text(record.read_text().replace("Greeter", "Someone"))
    found = called("logs", "x", "--verify")
    assert found.returncode == 1
    assert "does not follow the line before it" in found.stdout
    assert "its request was changed" in found.stdout


def test_a_changed_reply_is_found(workspace: Path) -> None:
    done = go(workspace, list(GOOD), name="y")
    assert called("logs", "y", "--verify").returncode == 0
    record = next((done.files.logs / "calls").glob("*.json"))
    changed = json.loads(record.read_text())
    changed["reply"]["text"] += " and more"
    record.write_text(json.dumps(changed))
    assert "was changed after the call was logged" in called("logs", "y", "--verify").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "none.yaml"], "there is no such file"),
        (["run", "."], "is a folder"),
        (["run", str(GREETER), "--run-name", "../x"], "use letters, digits"),
        (["run", str(GREETER), "--run-name", "last"], "that stands for the newest run"),
        (["run", str(GREETER), "--backend", "openai"], "name the server's model"),
        (["run", str(GREETER), "--backend", "anthropic"], "set ANTHROPIC_API_KEY"),
        (["run", str(GREETER), "--backend", "scripted"], "name the script"),
        (["run", str(GREETER), "--attempts", "0"], "greater than or equal to 1"),
        (["resume", "nothing"], "there is no run 'nothing'"),
        (["report"], "there is no run 'last'"),
        (["logs", "x"], "there is no run 'x'"),
    ],
)
def test_bad_input_ends_with_one_line_and_exit_code_2_and_leaves_nothing(
    workspace: Path, arguments: list[str], words: str
) -> None:
    done = called(*arguments)
    assert done.returncode == ExitCode.BAD_INPUT
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert written(workspace) == []


def test_a_bad_idea_file_gives_one_line_for_each_mistake(workspace: Path) -> None:
    (workspace / "bad.yaml").write_text("nam: x\nfeatures: []\n")
    done = called("run", "bad.yaml")
    assert done.returncode == ExitCode.BAD_INPUT
    assert [line.split(": ")[1] for line in done.stderr.splitlines()] == [
        "bad.yaml:1",
        "bad.yaml:1",
        "bad.yaml:1",
        "bad.yaml:2",
    ]


def test_a_wrong_key_ends_with_exit_code_4_and_says_which(workspace: Path) -> None:
    with messages_server([], ["401"]) as server:
        done = milepost("run", str(GREETER), ANTHROPIC_API_KEY="wrong-key-1", ANTHROPIC_BASE_URL=server.url)
    assert done.returncode == ExitCode.UNAVAILABLE
    assert "the key was refused (HTTP 401): check ANTHROPIC_API_KEY" in done.stdout
    assert "wrong-key-1" not in "".join(p.read_text() for p in (workspace / "logs").rglob("*.json*"))


def test_a_model_file_that_is_not_there_is_bad_input(workspace: Path) -> None:
    done = called("run", str(GREETER), MILEPOST_EMBEDDED_PATH=str(workspace / "none.gguf"))
    assert (done.returncode, written(workspace)) == (ExitCode.BAD_INPUT, [])
    assert "there is no model file at" in done.stderr


def test_a_full_disk_is_said_in_one_line(workspace: Path) -> None:
    done = called("run", str(GREETER), "--workspace", "/dev/full/x", **scripted(workspace))
    assert done.returncode == ExitCode.BAD_INPUT
    assert done.stderr.startswith("milepost: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_script_that_runs_dry_ends_with_exit_code_4_and_says_who_asked(workspace: Path) -> None:
    done = milepost("run", str(GREETER), **scripted(workspace, []))
    assert done.returncode == ExitCode.UNAVAILABLE
    assert "no reply left for the agent 'planner'" in done.stdout


def test_quiet_prints_the_result_only(workspace: Path) -> None:
    go(workspace, list(RETRY), name="q")
    done = milepost("resume", "q", "--quiet", **scripted(workspace))
    assert done.stdout.splitlines()[0].startswith("ACCEPTED")


def test_debug_shows_each_call(workspace: Path) -> None:
    options = ("--debug", "--run-name", "d", "--reuse", known_run(workspace))
    done = milepost("run", str(GREETER), *options, **scripted(workspace))
    assert sum(": ok, " in line for line in done.stdout.splitlines()) == len(RETRY)


def test_init_writes_an_idea_file_and_never_over_another(workspace: Path) -> None:
    assert called("init").stdout.startswith("Wrote idea.yaml")
    assert called("init").returncode == ExitCode.BAD_INPUT


def test_doctor_says_what_is_in_force_and_where_it_came_from(workspace: Path) -> None:
    (workspace / "milepost.toml").write_text("attempts = 5\n")
    (workspace / ".env").write_text("ANTHROPIC_API_KEY=sk-from-env-file\n")
    done = milepost("doctor")
    assert done.returncode == 0
    assert "attempts = 5   from milepost.toml" in done.stdout
    assert "anthropic.api_key = (secret)" in done.stdout
    assert "sk-from-env-file" not in done.stdout
    assert "sandbox    bubblewrap (seccomp, " in done.stdout
    assert "): ok, tried out" in done.stdout


SERVER = {"MILEPOST_BACKEND": "openai", "MILEPOST_OPENAI_MODEL": "m"}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ANTHROPIC_API_KEY": "sk-1"}, ["the key was not tried"]),
        ({**SERVER}, ["the server was not asked"]),
        ({**SERVER, "MILEPOST_OPENAI_API_KEY": "sk-1"}, ["the server was not asked", "the key was not tried"]),
        ({}, []),
    ],
    ids=["Claude", "a server", "a server with a key", "no key"],
)
def test_doctor_says_what_it_has_not_tried(workspace: Path, environment: dict[str, str], said: list[str]) -> None:
    shown = called("doctor", **environment).stdout
    assert [words for words in ("the server was not asked", "the key was not tried") if words in shown] == said


def test_help_imports_nothing_heavy() -> None:
    """What would take time is imports; no timing is asserted, as machines are noisy."""
    code = (
        "import sys\nfrom orchestrator.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'pydantic', 'anthropic', 'rich', 'jinja2', 'structlog', 'yaml', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_version_is_that_of_the_distribution() -> None:
    assert milepost("--version").stdout == "milepost 0.1.0\n"


def test_a_limit_and_the_backend_hold_when_a_run_is_resumed_until_a_flag_says_otherwise(workspace: Path) -> None:
    known = known_run(workspace)
    options = ("--run-name", "r", "--max-calls", "3", "--reuse", known)
    first = milepost("run", str(GREETER), *options, **scripted(workspace))
    assert first.returncode == ExitCode.LIMIT
    again = milepost("resume", "r")
    assert again.returncode == ExitCode.LIMIT
    assert "the limit of 3 calls is reached" in again.stdout
    rest = scripted(workspace, [line.model_dump() for line in RETRY[3:]])
    assert milepost("resume", "r", "--max-calls", "100", **rest).returncode == ExitCode.OK


def test_a_settings_file_that_is_named_must_be_there(workspace: Path) -> None:
    done = called("doctor", "--config", "nosuch.toml")
    assert (done.returncode, done.stderr) == (2, "milepost: --config nosuch.toml: there is no such file\n")


def test_the_env_file_beside_the_idea_counts_on_resume_too(workspace: Path) -> None:
    there = workspace / "ideas"
    there.mkdir()
    (there / "greeter.yaml").write_text(GREETER.read_text())
    settings = scripted(workspace)
    (there / ".env").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    assert milepost("run", "ideas/greeter.yaml", "--run-name", "e", "--max-calls", "2").returncode == ExitCode.LIMIT
    (there / ".env").write_text("MILEPOST_ATTEMPTS=nonsense\n")
    again = milepost("resume", "e")
    assert (again.returncode, "environment MILEPOST_ATTEMPTS: attempts" in again.stderr) == (2, True)


def test_two_processes_never_work_on_one_run(workspace: Path) -> None:
    done = go(workspace, list(RETRY), name="held")
    with done.files.locked():
        other = milepost("resume", "held", **scripted(workspace))
    assert (other.returncode, "under way in another process" in other.stderr) == (2, True)


def test_dependencies_that_cannot_be_had_leave_no_run_behind(workspace: Path) -> None:
    idea = yaml.safe_load(GREETER.read_text())
    (workspace / "idea.yaml").write_text(yaml.safe_dump({**idea, "constraints": {"dependencies": ["nosuch-package"]}}))
    done = milepost("run", "idea.yaml", **scripted(workspace))
    assert (done.returncode, "(nosuch-package) can't be installed" in done.stderr) == (4, True)
    assert written(workspace) == []


def test_one_call_can_be_had_as_json_and_shows_all_that_was_asked(workspace: Path) -> None:
    done = go(workspace, list(RETRY), name="j")
    digest = done.calls[1]["call"]
    assert json.loads(called("logs", "j", "--call", digest, "--json").stdout)["digest"] == digest
    assert "─── schema of the reply" in called("logs", "j", "--call", digest).stdout


def test_a_log_whose_last_line_is_cut_off_does_not_verify(workspace: Path) -> None:
    done = go(workspace, list(RETRY), name="c")
    text = done.files.events.read_bytes()
    done.files.events.write_bytes(text[:-20])
    again = called("logs", "c", "--verify")
    assert (again.returncode, "its last line is cut off" in again.stdout) == (1, True)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.unlink(), "events.jsonl: is missing"),
        (lambda path: path.write_bytes(b"".join(path.read_bytes().splitlines(True)[:4])), "no line names it"),
        (lambda path: path.write_bytes(b"".join(path.read_bytes().splitlines(True)[:-1])), "lines are missing at its"),
    ],
    ids=["the whole log", "most lines", "the last line"],
)
def test_a_log_that_lost_its_end_does_not_verify(workspace: Path, harm: Callable[[Path], object], said: str) -> None:
    done = go(workspace, list(RETRY), name="c")
    assert called("logs", "c", "--verify").returncode == 0
    harm(done.files.events)
    again = called("logs", "c", "--verify")
    assert (again.returncode, said in again.stdout) == (1, True)


def test_a_run_that_was_killed_is_not_listed_as_running(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = RunFiles(workspace, known_run(workspace))
    files.save(files.load().model_copy(update={"status": "running"}))
    with files.locked():
        main(["runs"])
    main(["runs"])
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["running", "killed"]


def test_what_is_left_over_of_a_run_that_never_began_is_named(workspace: Path) -> None:
    (workspace / "logs" / "x").mkdir(parents=True)
    done = called("run", str(GREETER), "--run-name", "x", **scripted(workspace, []))
    assert (done.returncode, "no run that could be resumed; move it" in done.stderr) == (2, True)


def test_runs_that_begin_at_once_get_names_of_their_own(workspace: Path) -> None:
    assert new_run(workspace, "a", None).name != new_run(workspace, "a", None).name


def test_a_damaged_record_hides_no_other_run(workspace: Path) -> None:
    go(workspace, list(RETRY), name="whole")
    (workspace / "logs" / "broken").mkdir()
    (workspace / "logs" / "broken" / "run.json").write_text("{")
    shown = called("runs").stdout
    assert ("whole" in shown, "damaged" in shown, "https" in shown) == (True, True, False)


def test_without_git_nothing_is_begun(workspace: Path) -> None:
    tools = workspace / "bin"
    tools.mkdir()
    for tool in ("prlimit", "setpriv", "bwrap"):
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    done = milepost("run", str(GREETER), **scripted(workspace), PATH=str(tools))
    assert (done.returncode, "git is not installed" in done.stderr, written(workspace)) == (2, True, [])


def test_a_terminal_that_knows_ascii_only_gets_the_report(workspace: Path) -> None:
    go(workspace, list(RETRY), name="r")
    done = milepost("report", "r", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_path_that_is_not_utf8_is_bad_input(workspace: Path) -> None:
    name = os.fsdecode(b"a\xff.yaml")
    Path(name).write_text(GREETER.read_text())
    done = called("run", name, **scripted(workspace))
    assert (done.returncode, "is not UTF-8; rename" in done.stderr, written(workspace)) == (2, True, [])


def test_a_run_without_a_sandbox_says_so_everywhere(workspace: Path) -> None:
    done = milepost("run", str(GREETER), "--run-name", "u", "--unsafe-no-sandbox", **scripted(workspace))
    assert (done.returncode, "WARNING: generated code runs unconfined" in done.stdout) == (0, True)
    assert json.loads((workspace / "logs" / "u" / "run.json").read_text())["sandboxes"][0].startswith("none")
    assert "The code ran without a sandbox" in milepost("report", "u").stdout


def test_a_sitting_without_a_sandbox_stays_in_the_record(workspace: Path) -> None:
    settings = scripted(workspace)
    milepost("run", str(GREETER), "--run-name", "u", "--max-calls", "2", "--unsafe-no-sandbox", **settings)
    rest = scripted(workspace, [line.model_dump() for line in RETRY[2:]])
    milepost("resume", "u", "--max-calls", "3", **rest)
    names = json.loads((workspace / "logs" / "u" / "run.json").read_text())["sandboxes"]
    assert [name.split()[0] for name in names] == ["none", "bubblewrap"]
    assert "The code ran without a sandbox" in milepost("report", "u").stdout


def test_the_judge_is_tried_on_known_projects_and_not_asked_twice(workspace: Path) -> None:
    first = {"agent": "evaluator", "reply": judgement(1)}
    others = {"agent": "evaluator", "reply": judgement(4), "repeat": True}
    for script in ([first, others], []):
        done = milepost("doctor", "--judge", **scripted(workspace, script))
        verdicts = [line.split()[1] for line in done.stdout.splitlines() if "the judge said" in line]
        assert (done.returncode, verdicts) == (1, ["BAD", *["ok"] * 5]), done.stdout


def test_a_judge_that_is_right_about_all_known_projects_is_fit(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = Evidence(generated=TestReport(total=0, passed=0, failed=0), acceptance=None, program=None)
    refused = evaluate([Judgement.model_validate_json(judgement(1))], nothing)
    monkeypatch.setattr("orchestrator.judge_check.check_judge", lambda *given: [Known("it", False, refused)] * 2)
    for name, value in scripted(workspace, []).items():
        monkeypatch.setenv(name, value)
    assert main(["doctor", "--judge"]) == ExitCode.OK
    assert capsys.readouterr().out.count("ok  it: no pass") == 2
