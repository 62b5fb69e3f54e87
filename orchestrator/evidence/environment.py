"""The environment that generated code runs in: an interpreter, pytest and coverage, and the idea's own dependencies.

Made once per set of versions and kept in the cache folder. pytest and coverage are copied from Milepost's own
installation, so that no network is needed; only an idea's third-party dependencies are fetched, wheels only.
"""

from __future__ import annotations

import compileall
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from schemas.base import digest_of
from schemas.errors import Unavailable

__all__ = ["TOOLS", "Environment", "ensure_environment"]

INSTALL_SECONDS = 900
TOOLS = ("pytest", "pytest-cov")


class Environment:
    """A finished environment: its folder, and the exact versions of what the idea asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pinned(self) -> list[str]:
        """Return ``name==version`` of everything that the idea's dependencies came to, sorted."""
        return (self.path / "complete").read_text().split()

    def allowed(self) -> frozenset[str]:
        """Return the import names that the idea's dependencies brought, those of the test tools alone left out."""
        site = next(self.path.glob("lib/python*/site-packages"))
        names = {_canonical(line.partition("==")[0]) for line in self.pinned()}
        found = [d for d in map(Distribution.at, site.glob("*.dist-info")) if _canonical(d.metadata["Name"]) in names]
        return frozenset(str(file).partition("/")[0].partition(".")[0] for d in found for file in d.files or [])

    def modules(self) -> frozenset[str]:
        """Return the import names of everything that is installed: PyYAML's, for one, is ``yaml``."""
        site = next(self.path.glob("lib/python*/site-packages"))
        return frozenset(
            path.name.partition(".")[0]
            for path in site.iterdir()
            if path.suffix not in (".dist-info", ".pth") and path.name not in ("__pycache__", "bin")
        )


def ensure_environment(cache: Path, dependencies: list[str]) -> Environment:
    """Return the environment for ``dependencies``, made if need be.

    Raises:
        Unavailable: a dependency can't be installed.
    """
    tools = _closure(TOOLS)
    key = digest_of([sys.version, sys.base_prefix, sorted((d.name, d.version) for d in tools), sorted(dependencies), 3])
    path = cache / "environments" / key[:16]
    if (path / "complete").is_file():
        return Environment(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=path.parent, prefix=".new-"))
    scratch.chmod(0o755)
    try:
        venv.EnvBuilder(symlinks=True, with_pip=False).create(scratch)
        site = next(scratch.glob("lib/python*/site-packages"))
        if dependencies:
            _install(dependencies, site)
        installed = {_canonical(d.metadata["Name"]): d for d in map(Distribution.at, sorted(site.glob("*.dist-info")))}
        for tool in tools:
            if _canonical(tool.metadata["Name"]) not in installed:  # the idea's own version goes first
                _copy(tool, site)
        # Inside the sandbox nothing can be written, so each start of pytest would compile it anew.
        compileall.compile_dir(site, quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
        pinned = sorted(f"{d.metadata['Name']}=={d.version}" for d in installed.values())
        for path_inside in scratch.rglob("*"):  # whoever runs the code reads it, whatever the user's umask is
            if not path_inside.is_symlink():
                path_inside.chmod(path_inside.stat().st_mode | (0o055 if path_inside.is_dir() else 0o044))
        (scratch / "complete").write_text("\n".join(pinned))
        _put(scratch, path)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return Environment(path)


def _put(scratch: Path, path: Path) -> None:
    """Give a finished environment its place, unless another process has been faster: it may be in use already."""
    if not (path / "complete").is_file():
        shutil.rmtree(path, ignore_errors=True)
        try:
            scratch.rename(path)
        except OSError:
            if not (path / "complete").is_file():
                raise
    shutil.rmtree(scratch, ignore_errors=True)


def _install(dependencies: list[str], site: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    try:
        done = subprocess.run(
            [*command, "--no-compile", "--target", str(site), "--", *dependencies],
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )
        said = done.stderr
    except subprocess.TimeoutExpired:
        done, said = None, f"pip took more than {INSTALL_SECONDS} s"
    if done is None or done.returncode:
        reason = next((line for line in said.splitlines() if line.startswith("ERROR")), said[-300:])
        raise Unavailable(
            f"the idea's dependencies ({', '.join(dependencies)}) can't be installed: {reason.strip()}. "
            "Check constraints.dependencies in the idea file, and the network."
        )


def _closure(names: tuple[str, ...]) -> list[Distribution]:
    """Return the installed distributions ``names`` and all that they need."""
    found: dict[str, Distribution] = {}
    todo = list(names)
    while todo:
        name = _canonical(todo.pop())
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # needed only on other platforms or for extras
        for requirement in found[name].requires or []:
            if "extra ==" not in requirement and (match := re.match(r"[A-Za-z0-9._-]+", requirement)):
                todo.append(match[0])
    return [found[name] for name in sorted(found)]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _copy(tool: Distribution, site: Path) -> None:
    for file in tool.files or []:
        if ".." in file.parts or "__pycache__" in file.parts:
            continue  # scripts, and caches of our own interpreter
        source, target = Path(str(file.locate())), site / str(file)
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
