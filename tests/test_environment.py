"""The environment of generated code: really installed, from a wheel that is made here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from orchestrator.evidence.environment import Environment, ensure_environment
from schemas.errors import Unavailable


def wheel(folder: Path, name: str, module: str, requires: str = "") -> None:
    info = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + (
        f"Requires-Dist: {requires}\n" if requires else ""
    )
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{module}.py", "VALUE = 1\n")
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """That of an idea that needs a package whose module is named otherwise, and one that pytest needs too."""
    wheel(tmp_path, "PyThing", "thing", requires="pluggy")
    wheel(tmp_path, "pluggy", "pluggy")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    return ensure_environment(tmp_path / "cache", ["PyThing"])


def test_everything_that_the_dependencies_came_to_is_pinned(environment: Environment) -> None:
    assert environment.pinned() == ["PyThing==1.0", "pluggy==1.0"]


def test_import_names_are_those_of_the_modules(environment: Environment) -> None:
    assert {"thing", "pytest"} <= environment.modules()
    assert "PyThing" not in environment.modules()


def test_without_dependencies_nothing_is_pinned(tmp_path: Path) -> None:
    assert ensure_environment(tmp_path / "cache", []).pinned() == []


def test_an_installation_that_takes_too_long_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.evidence.environment.INSTALL_SECONDS", 0.001)
    with pytest.raises(Unavailable, match=r"pip took more than 0\.001 s"):
        ensure_environment(tmp_path / "cache", ["PyThing"])
    assert not list((tmp_path / "cache" / "environments").iterdir())
