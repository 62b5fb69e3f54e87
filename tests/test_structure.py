"""The shape of the code: layers, silent imports, names that are ours."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = {
    "schemas": {"schemas"},
    "agents": {"schemas", "agents"},
    "orchestrator": {"schemas", "agents", "orchestrator"},
}
MODULES = [p for layer in LAYERS for p in sorted((ROOT / layer).rglob("*.py"))]


READING = """
import os, sys

class Watched(dict):
    def check(self, name):
        frame = sys._getframe(2)
        while frame and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        place = frame.f_code.co_filename
        assert not (place.startswith({root!r}) and ".venv" not in place), (place, name)

    def __getitem__(self, name):
        self.check(name)
        return dict.__getitem__(self, name)

    def get(self, name, default=None):
        self.check(name)
        return dict.get(self, name, default)

os.environ = Watched(os.environ)
for name in {names!r}:
    __import__(name)
"""
"""A program that imports modules and fails if one of ours reads the environment meanwhile."""


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add((node.module or "").partition(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_imports_only_its_own_layer_and_those_below(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    assert imported(path) & set(LAYERS) <= LAYERS[layer]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_module_is_at_most_500_lines_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 500


def test_schemas_do_no_input_or_output() -> None:
    forbidden = {"os", "subprocess", "socket", "httpx", "shutil", "tempfile", "yaml"}
    for path in (ROOT / "schemas").glob("*.py"):
        assert not imported(path) & forbidden, path


def test_only_the_composition_root_and_the_fetch_command_import_a_backend() -> None:
    allowed = {"orchestrator/compose.py", "orchestrator/commands/doctor.py"}
    for path in MODULES:
        name = str(path.relative_to(ROOT))
        if "agents.models" in path.read_text() and not name.startswith("agents/models/"):
            assert name in allowed


def test_importing_prints_nothing_makes_nothing_and_reads_no_environment(tmp_path: Path) -> None:
    names = [
        str(p.relative_to(ROOT)).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for p in MODULES
        if p.name not in ("__main__.py", "harness.py")
    ]
    code = READING.format(root=str(ROOT), names=names)
    done = subprocess.run([sys.executable, "-B", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_each_top_level_name_is_ours_alone(name: str) -> None:
    module = __import__(name)
    assert module.__file__ is not None
    assert Path(module.__file__).is_relative_to(ROOT)
    assert set(packages_distributions().get(name, [])) <= {"milepost"}


def test_every_package_is_in_the_explicit_list() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {str(p.parent.relative_to(ROOT)).replace("/", ".") for p in MODULES if p.name == "__init__.py"}
    assert set(listed) == found
