"""Cheating projects get no pass, whatever the judge says; honest ones do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.evidence.collect import Laboratory, Subject
from orchestrator.journal.store import RecordStore
from orchestrator.rubric import evaluate
from orchestrator.sandbox.bubblewrap import Bubblewrap
from schemas.evaluation import Dimension, Evaluation, Judgement, Opinion
from schemas.idea import Idea
from tests.cheats import CHEATS, HONEST, IDEA, WITHOUT_CHECKS
from tests.helpers import bare_environment

DAZZLED = Judgement(**{d.value: Opinion(reason="excellent", score=5) for d in Dimension}, feedback=[])
WRITTEN_DOWN = "the answers of the visible checks are written down"


def verdict(files: dict[str, str], idea: Idea, folder: Path) -> Evaluation:
    laboratory = Laboratory(Bubblewrap(), bare_environment(), RecordStore(folder / "facts"), mutants=4)
    evidence = asyncio.run(laboratory.scrutinise(Subject(files, idea, idea.acceptance, runs_program=False)))
    return evaluate([DAZZLED], evidence)


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_wins_where_only_the_exit_code_counts(name: str, tmp_path: Path) -> None:
    """Otherwise it would prove nothing that it gets no pass."""
    for path, source in CHEATS[name].items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what linters say: a cheat must be found out by what was executed."""
    monkeypatch.setattr("orchestrator.evidence.collect.audit", lambda *given: [])


@pytest.mark.usefixtures("no_audit")
@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_gets_no_pass(name: str, tmp_path: Path) -> None:
    assert not verdict(CHEATS[name], IDEA, tmp_path).passed


@pytest.mark.usefixtures("no_audit")
@pytest.mark.parametrize("name", [n for n in CHEATS if n != WRITTEN_DOWN])
def test_a_cheat_gets_no_pass_even_without_sealed_checks(name: str, tmp_path: Path) -> None:
    """Nobody has said there what is right, so only what is written down for the visible inputs can't be told apart."""
    assert not verdict(CHEATS[name], WITHOUT_CHECKS, tmp_path).passed


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_project_passes(name: str, tmp_path: Path) -> None:
    result = verdict(HONEST[name], IDEA, tmp_path)
    assert (result.passed, [c.fact for c in result.clamps]) == (True, [])
