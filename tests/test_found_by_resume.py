"""What a user has done in the project by hand, and what another line of a run left there, outlives `resume`."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.models.scripted import ScriptedModel
from orchestrator.journal.events import read_events
from schemas.errors import ExitCode
from tests.helpers import go
from tests.replies import GOOD, RETRY
from tests.test_resume import Absent, stopped_in_the_second_milestone


def test_changes_made_by_hand_are_kept_in_the_stash(workspace: Path) -> None:
    first = go(workspace, list(RETRY))
    (first.files.project / "mine.txt").write_text("by hand")
    again = go(workspace, [], resume=True)
    assert "changes found by milepost resume" in again.git("stash", "list")
    assert again.git("show", "stash@{0}^3:mine.txt") == "by hand"


@pytest.mark.parametrize("how", ["committed", "not committed", "amended"])
def test_a_sitting_that_comes_to_nothing_leaves_what_was_done_by_hand(workspace: Path, how: str) -> None:
    first = go(workspace, list(RETRY), limits={"calls": 6}) if how == "amended" else go(workspace, [])
    mine = first.files.project / "mine.py"
    mine.write_text("MINE = 1\n")
    if how != "not committed":
        first.git("add", "mine.py")
        by = ("-c", "user.name=me", "-c", "user.email=me@example.org")
        first.git(*by, "commit", "--quiet", "--message", "mine", *(["--amend"] if how == "amended" else []))
    again = go(workspace, Absent(), resume=True)
    assert (again.code, mine.read_text()) == (ExitCode.UNAVAILABLE, "MINE = 1\n")
    assert (again.git("branch", "--list", "found-*"), again.git("stash", "list")) == ("", "")


def test_a_sitting_that_comes_no_further_leaves_what_was_done_by_hand(workspace: Path) -> None:
    first = stopped_in_the_second_milestone(workspace)
    mine = first.files.project / "mine.txt"
    mine.write_text("by hand")
    again = go(workspace, [], resume=True, limits={"calls": len(RETRY) - 2})
    assert (again.code, mine.read_text(), again.git("stash", "list")) == (ExitCode.LIMIT, "by hand", "")
    assert [a.proof for a in again.report.acceptance] == [a.proof for a in first.report.acceptance]


def test_a_report_tells_of_no_files_but_those_of_the_run(workspace: Path) -> None:
    first = stopped_in_the_second_milestone(workspace)
    (first.files.project / "greeter" / "core.py").write_text("def greet(name):\n    return 'mine'\n")
    again = go(workspace, [], resume=True, limits={"calls": len(RETRY) - 2})
    assert again.report.acceptance == first.report.acceptance


def test_what_was_accepted_on_another_line_stays_on_a_branch(workspace: Path) -> None:
    first = go(workspace, ScriptedModel(list(GOOD), name="first"))
    tip = first.git("rev-parse", "delivered").strip()
    again = go(workspace, ScriptedModel(list(RETRY), name="second"), resume=True)
    assert "found-by-resume-" in again.git("branch", "--contains", tip)


def test_commits_on_no_branch_get_one_when_the_project_moves_on(workspace: Path) -> None:
    first = stopped_in_the_second_milestone(workspace)
    first.git("checkout", "--quiet", "accepted-M1")
    first.git("-c", "user.name=me", "-c", "user.email=me@example.org", "commit", "--allow-empty", "-qm", "mine")
    mine = first.git("rev-parse", "HEAD").strip()
    again = go(workspace, list(RETRY[-2:]), resume=True)
    assert (again.code, "found-by-resume-" in again.git("branch", "--contains", mine)) == (ExitCode.OK, True)


def test_what_is_put_aside_when_the_project_moves_on_is_said(workspace: Path) -> None:
    first = stopped_in_the_second_milestone(workspace)
    (first.files.project / "mine.txt").write_text("by hand")
    again = go(workspace, list(RETRY[-2:]), resume=True)
    notes = [e["text"] for e in read_events(again.files.events) if e["event"] == "note"]
    assert notes == [f"changes in {first.files.project} that no commit held are in its git stash now"]


def test_branches_and_tags_of_the_user_are_kept(workspace: Path) -> None:
    first = go(workspace, list(RETRY))
    for command in (
        ["checkout", "-q", "-b", "mine"],
        ["-c", "user.name=u", "-c", "user.email=u@x", "commit", "-q", "--allow-empty", "-m", "my work"],
        ["tag", "v1"],
    ):
        first.git(*command)
    again = go(workspace, [], resume=True)
    assert again.git("log", "-1", "--format=%s", "v1") == again.git("log", "-1", "--format=%s", "mine") == "my work\n"
    assert again.git("branch", "--show-current") == "main\n"


@pytest.mark.parametrize("how", ["--allow-empty", "--amend"])
def test_commits_that_somebody_put_on_main_stay_on_a_branch(workspace: Path, how: str) -> None:
    first = go(workspace, list(RETRY))
    first.git("-c", "user.name=u", "-c", "user.email=u@x", "commit", "-q", how, "-m", "my work")
    again = go(workspace, [], resume=True)
    assert "my work" in again.git("log", "--format=%s", "--branches=found-by-resume-*")
