"""``milepost runs`` and ``milepost report`` where files are damaged or gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.files import write_text
from schemas.errors import ExitCode
from tests.test_cli import called
from tests.test_logs import accepted, unreadable

AGAIN = "`milepost resume r` writes it again without new calls"


def test_a_report_that_is_not_utf8_is_said_in_one_line(workspace: Path) -> None:
    path = accepted(workspace).generated / "report.md"
    write_text(path, "")
    path.write_bytes(b"# \xff")
    done = called("report", "r")
    assert (done.returncode, len(done.stderr.splitlines())) == (ExitCode.BAD_INPUT, 1)
    assert f"generated_projects/r/report.md: is not UTF-8 text (byte 3); {AGAIN}" in done.stderr


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("accepted", f"its report is missing; {AGAIN}"),
        ("not accepted", f"its report is missing; {AGAIN}"),
        ("stopped", "its report is missing; `milepost resume r` goes on, and writes one"),
        ("running", "there is no report yet: the run was killed; `milepost resume r` goes on"),
    ],
)
def test_a_report_that_is_gone_is_told_from_one_that_is_not_there_yet(workspace: Path, status: str, words: str) -> None:
    files = accepted(workspace)
    files.save(files.load().model_copy(update={"status": status}))
    done = called("report", "r")
    assert (done.returncode, words in done.stderr) == (ExitCode.BAD_INPUT, True)


def test_a_run_that_is_under_way_has_no_report_yet(workspace: Path) -> None:
    files = accepted(workspace)
    files.save(files.load().model_copy(update={"status": "running"}))
    with files.locked():
        done = called("report", "r")
    assert (done.returncode, "there is no report yet: the run goes on" in done.stderr) == (ExitCode.BAD_INPUT, True)


def test_a_workspace_that_is_not_there_is_bad_input(workspace: Path) -> None:
    done = called("runs", "--workspace", "nosuch")
    assert (done.returncode, done.stderr) == (2, "milepost: --workspace nosuch: there is no such folder\n")


def test_a_record_that_is_a_folder_hides_no_other_run(workspace: Path) -> None:
    accepted(workspace)
    write_text(workspace / "logs" / "broken" / "run.json", "")
    unreadable(workspace / "logs" / "broken" / "run.json")
    done = called("runs")
    assert done.returncode == 0
    assert sorted(line.split()[:2] for line in done.stdout.splitlines()) == [["broken", "damaged:"], ["r", "accepted"]]


def test_a_long_reason_is_cut_to_one_line(workspace: Path) -> None:
    files = accepted(workspace)
    files.save(files.load().model_copy(update={"status": "stopped", "reason": "because\n" + "x" * 400}))
    (line,) = called("runs").stdout.splitlines()
    reason = line[line.index("because") :]
    assert (len(reason), reason[:9], reason[-1]) == (120, "because x", "…")
