"""Runs inside the sandbox: pytest with coverage, and one JSON report to a file descriptor.

It is started as a script by its path and uses nothing of Milepost. What it reports is checked again outside.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

_LEAVE_OUT = "--leave-out="
_PLAIN = "--no-coverage"


class Recorder:
    """A pytest plug-in that notes every test by its node id."""

    def __init__(self, left_out: set[str]) -> None:
        self.left_out = left_out
        self.collected: list[str] = []
        self.outcomes: dict[str, str] = {}
        self.failures: list[dict[str, str]] = []
        self.collection_errors: list[dict[str, str]] = []

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        # By exact id: pytest's own --deselect takes a prefix.
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in self.left_out])
        items[:] = [item for item in items if item.nodeid not in self.left_out]

    def pytest_collection_finish(self, session: Any) -> None:
        self.collected = [item.nodeid for item in session.items]  # what was deselected is no longer there

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.collection_errors.append(_failure(report.nodeid, report))

    def pytest_runtest_logreport(self, report: Any) -> None:
        before = self.outcomes.get(report.nodeid)
        if report.when == "call" or report.outcome != "passed":
            outcome = "error" if report.failed and report.when != "call" else report.outcome
            if before not in ("failed", "error"):
                self.outcomes[report.nodeid] = outcome
            if report.failed:
                self.failures.append(_failure(report.nodeid, report))


class _Measuring:
    """A pytest plug-in that begins to measure where the project's code first can run: pytest's own start, traced, takes
    half as long again."""

    def __init__(self, measure: Any) -> None:
        self.measure = measure

    def pytest_collection(self) -> None:
        self.measure.start()


def _failure(nodeid: str, report: Any) -> dict[str, str]:
    crash = getattr(report.longrepr, "reprcrash", None)
    where = f"{crash.path}:{crash.lineno}" if crash else nodeid
    message = crash.message if crash else str(report.longrepr)
    return {"test": nodeid, "error": f"{message}\n\n{report.longreprtext}"[:6000], "location": where}


def _coverage_config(root: str) -> str:
    folder = Path(tempfile.gettempdir(), "milepost-coverage")
    folder.mkdir()
    text = (
        f"[run]\nsource = {root}\nomit = */tests/*, */acceptance/*, */conftest.py\ndata_file = {folder}/data\n"
        "parallel = true\npatch = subprocess\ndisable_warnings = no-data-collected, module-not-imported\n"
        # No comment of the code takes lines out of the count.
        "[report]\nexclude_lines = (?!)\n"
    )
    (folder / "rc").write_text(text)
    return str(folder / "rc")


def main(root: str, arguments: list[str]) -> int:
    """Run pytest on ``arguments`` in the project at ``root`` and write the report. Returns pytest's own exit code."""
    out = int(os.environ.pop("MILEPOST_REPORT_FD"))
    measure = None
    if _PLAIN not in arguments:
        import coverage  # before the project is where modules are looked for: one of that name could make up numbers

        measure = coverage.Coverage(config_file=_coverage_config(root))
    import pytest

    sys.path.insert(0, root)
    # Programs that the tests start find the project too.
    os.environ["PYTHONPATH"] = root
    left_out = {a.removeprefix(_LEAVE_OUT) for a in arguments if a.startswith(_LEAVE_OUT)}
    arguments = [a for a in arguments if not a.startswith(_LEAVE_OUT) and a != _PLAIN]
    recorder = Recorder(left_out)
    plugins = [recorder] if measure is None else [recorder, _Measuring(measure)]
    options = [
        "--rootdir",
        root,
        "-c",
        "/dev/null",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:cov",
        "-q",
        "--import-mode=importlib",
    ]
    gc.freeze()  # pytest collects garbage when it ends: not in what it is itself made of
    code = int(pytest.main([*options, "--noconftest", *arguments], plugins=plugins))
    if measure is not None:
        measure.stop()
        measure.save()
    report = {
        "collected": recorder.collected,
        "outcomes": recorder.outcomes,
        "failures": recorder.failures,
        "collection_errors": recorder.collection_errors,
        "coverage": _coverage(measure, Path(root)) if measure is not None else {},
    }
    with os.fdopen(out, "w", encoding="utf-8", errors="replace") as stream:
        json.dump(report, stream)
    return code


def _coverage(measure: Any, root: Path) -> dict[str, list[int]]:
    """Return file → [executable lines, executed lines]."""
    measure.combine()
    result = {}
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        if relative.parts[0] in ("tests", "acceptance", "conftest.py"):
            continue
        try:
            _, lines, _, missing, _ = measure.analysis2(str(path))
        except Exception:  # noqa: S112  (a file that can't be parsed has no lines to cover)
            continue
        result[str(relative)] = [len(lines), len(lines) - len(missing)]
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
