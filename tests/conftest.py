"""What all tests share: no network, no environment of the developer's, one cache for the whole session."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings
from xdist.scheduler.loadscope import LoadScopeScheduling

from tests.confined import KINDS

# Machines are shared and noisy: no test fails for its time.
settings.register_profile("milepost", deadline=None)
settings.load_profile("milepost")


class _InOneProcess(LoadScopeScheduling):  # type: ignore[misc]  # xdist's schedulers have no types
    """Keeps tests that share something costly in one process; the others run wherever there is room."""

    shared = ("context_bound", "extension", "finishing", "hostile_judge", "ideas_benchmark", "run", "trace")
    """Modules whose tests share a fixture, or what is measured of the same code."""

    def _split_scope(self, nodeid: str) -> str:
        module, _, test = nodeid.partition("::")
        name = Path(module).stem.removeprefix("test_")
        if name == "attacks":  # what came of all attacks is shared by those in one kind of sandbox
            return next((str(kind) for kind in KINDS if f"[{kind}" in test), nodeid)
        return name if name in self.shared else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Share the tests out as above (xdist's own groups are lost on pytest 9.2, whose node ids it can't change)."""
    return _InOneProcess(config, log)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets reach this machine only."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address}")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the developer's own settings; pip has no index to ask."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("MILEPOST_", "ANTHROPIC_")):
                patch.delenv(name)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", "")
        base = tmp_path_factory.getbasetemp()
        # One for all processes of the session: what one of them has made, the others need not.
        cache = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
        cache.mkdir(exist_ok=True)
        patch.setenv("MILEPOST_CACHE", str(cache))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_disks() -> Iterator[None]:
    """No test cuts the power off; that files are flushed before they get their names has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def no_context() -> Iterator[None]:
    """Let no test inherit another one's log context."""
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
