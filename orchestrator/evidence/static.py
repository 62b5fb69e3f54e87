"""Static evidence: what linter, type checker and scanners see without running the code; and its formatting."""

from __future__ import annotations

import ast
import atexit
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from agents.parsing import parse_file
from orchestrator.scratch import scratch, unpacked
from schemas.errors import Unavailable
from schemas.evidence import Finding

__all__ = ["analyse", "audit", "certain_errors", "misuses", "tidy"]

Sources = tuple[tuple[str, str], ...]
"""Path and content of each file."""

TOOL_SECONDS = 120.0
_BREAKDOWNS = (signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL)
"""What ends a tool that has no more stack or memory for the code."""
_COMPLEXITY = 15
# Pyflakes, likely bugs, missing docstrings and types of public functions, complexity.
_RULES = "F,E9,B006,B008,B023,D101,D102,D103,ANN001,ANN201,C901"
_MYPY = (
    "--config-file=",
    "--no-error-summary",
    "--no-color-output",
    "--ignore-missing-imports",
    "--check-untyped-defs",
    "--strict-equality",
    "--no-site-packages",
    "--explicit-package-bases",
)
_MYPY_LINE = re.compile(r"(?P<path>[^:]+):(?P<line>\d+): error: (?P<message>.*)  \[(?P<code>[\w-]+)\]$")
_MISUSE = {
    "arg-type",
    "attr-defined",
    "call-arg",
    "call-overload",
    "comparison-overlap",
    "func-returns-value",
    "name-defined",
}
_CERTAIN = "F821,F823,F811,E9"


def analyse(files: Mapping[str, str]) -> list[Finding]:
    """Return the findings on ``files``, the project's own code."""
    findings = []
    for path, source in sorted(files.items()):
        for item in _ruff(path, source, _RULES):
            rule = item["code"] or "syntax"
            findings.append(
                Finding(
                    tool="complexity" if rule == "C901" else "lint",
                    rule=rule,
                    path=path,
                    line=item["location"]["row"],
                    message=item["message"],
                )
            )
    return findings


def audit(code: Mapping[str, str], files: Mapping[str, str], allowed: Collection[str]) -> list[Finding]:
    """Return what bandit and mypy find in the Python ``code``, what they could not read of it, secrets in any of the
    project's ``files``, and imports of what is not ``allowed`` (nor Python's own, nor the project's).

    Raises:
        ValueError: a tool breaks down over the code.
        Unavailable: a tool does not run, so nothing is known.

    Comments that would silence a tool have no effect.
    """
    sources = tuple((path, _unsilenced(source)) for path, source in sorted(code.items()))
    said: dict[str, Any] = {}
    typed, given_up = "", list[Finding]()
    if code:
        try:
            said = json.loads(_bandit(sources))
        except _SilentError as error:
            given_up.append(_unread("bandit", sources[0][0], str(error)))
        try:
            typed = _mypy(sources, tuple(sorted(code)))
        except _SilentError as error:
            given_up.append(_unread("mypy", sources[0][0], str(error)))
    findings = given_up + [
        Finding(
            tool="bandit",
            rule=item["test_id"],
            path=item["filename"].removeprefix("./"),
            line=item["line_number"],
            message=item["issue_text"],
            severity=item["issue_severity"].lower(),
        )
        for item in said.get("results", [])
        if item["issue_severity"] != "LOW" and item["issue_confidence"] != "LOW"
    ]
    findings += [
        _unread("bandit", item["filename"].removeprefix("./"), item["reason"]) for item in said.get("errors", [])
    ]
    seen = {path.removeprefix("./") for path in said.get("metrics", {})} | {finding.path for finding in findings}
    findings += [_unread("bandit", path, "it did not look at this file") for path in sorted(code) if path not in seen]
    lines = typed.splitlines()
    findings += [
        Finding(tool="mypy", rule=m["code"], path=m["path"], line=int(m["line"]), message=m["message"])
        for line in lines
        if (m := _MYPY_LINE.match(line))
    ]
    # What is not about a line of the code is why mypy could not read it, and then it has read nothing of it.
    findings += [
        _unread("mypy", line.partition(":")[0], line)
        for line in lines
        if "error: " in line and not _MYPY_LINE.match(line)
    ]
    for path, source in sorted(files.items()):
        # What a test makes up to try the code with is no secret, and nobody who mends the code may change it.
        severity: Literal["low", "high"] = "low" if path.startswith(("tests/", "acceptance/")) else "high"
        findings += [
            Finding(
                tool="secrets", rule=kind, path=path, line=number, message=f"a {kind} in the code", severity=severity
            )
            for number, text in enumerate(source.splitlines(), 1)
            for kind, pattern in _SECRETS.items()
            if pattern.search(text)
        ]
    known = {p.split("/")[0].removesuffix(".py") for p in code} | set(allowed)
    for path, source in sorted(code.items()):
        findings += _undeclared(path, source, known)
    return findings


def _unread(tool: str, path: str, why: str) -> Finding:
    message = f"{tool} could not read this: {why[:200]}"
    return Finding(tool="unread", rule=tool, path=path, line=1, message=message, severity="medium")


def _undeclared(path: str, source: str, known: Collection[str]) -> list[Finding]:
    """Return imports of what nobody has allowed, and code that no tool can look at before it runs."""
    try:
        tree = parse_file(source, path)
    except ValueError as error:
        return [_unread("Python", path, str(error))]
    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        match node:
            case ast.Import():
                names = [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(module), level=0):
                names = [module]
            case ast.Call(func=ast.Name(id="__import__") | ast.Attribute(attr="import_module"), args=[what, *_]):
                if isinstance(what, ast.Constant) and isinstance(what.value, str):
                    names = [what.value]
                else:
                    found.append(_unread("Python", path, f"line {node.lineno} imports what is known only when it runs"))
            case ast.Call(func=ast.Attribute(attr="run_path" | "run_module") | ast.Name(id="run_path" | "run_module")):
                found.append(_unread("Python", path, f"line {node.lineno} runs code that is no module of the project"))
        for top in {name.partition(".")[0] for name in names} - {"", *known, *sys.stdlib_module_names}:
            message = f"imports {top}, which is not among the idea's dependencies"
            line = getattr(node, "lineno", 1)
            found.append(Finding(tool="dependency", rule="undeclared", path=path, line=line, message=message))
    return found


def _unsilenced(source: str) -> str:
    return _SILENCERS.sub("# ", source)


_SILENCERS = re.compile(r"#\s*(type:\s*ignore|mypy:|pyright:|ruff:|noqa|nosec|pragma:)", re.I)
_SECRETS = {
    "private key": re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "key of Amazon": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "key of a model's API": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    "token of GitHub": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
    "key of Google": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "password in an address": re.compile(r"\b[a-z][a-z0-9+.-]{0,20}://[^\s:/@{}<>]{1,200}:[^\s:/@{}<>]{1,200}@"),
    "token of Slack": re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"),
}


def certain_errors(path: str, source: str) -> list[str]:
    """Return what can only be wrong in ``source``, such as undefined names, one line each."""
    return [f"{path}: {item['message']}" for item in _ruff(path, source, _CERTAIN)]


@lru_cache(maxsize=4096)  # a project is tidied whole, time and again, and hardly any of its files has changed
def tidy(path: str, source: str, own: frozenset[str] = frozenset()) -> str:
    """Return ``source`` formatted, its imports sorted and those that nothing uses removed.

    Those of the project's ``own`` modules (top-level names), and relative ones, stay where any are given: they may be
    there for others to import, for what they do, or as a fixture.
    """
    if not path.endswith(".py"):
        return source
    fixed = _fixed("I,F401", path, source) if not own else _fixed("I", path, _without_unused(path, source, own))
    return _run(("format", "--quiet", "--line-length=100"), path, fixed) or fixed


def _fixed(rules: str, path: str, source: str, *options: str) -> str:
    return (
        _run(("check", "--fix-only", f"--select={rules}", *options, "--exit-zero", "--quiet"), path, source) or source
    )


def _without_unused(path: str, source: str, own: frozenset[str]) -> str:
    try:
        nodes = list(ast.walk(parse_file(source, path)))
    except ValueError:
        return source
    if _STAND_IN.search(source):
        return source
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    kept = {name for name in names if name.partition(".")[0] in own} - {path.removesuffix(".py").replace("/", ".")}
    # Ruff can't be told of relative modules, so they get names for so long.
    kept |= {_stand_in(node.level) for node in nodes if isinstance(node, ast.ImportFrom) and node.level}
    option = f"--config=lint.pyflakes.allowed-unused-imports={json.dumps(sorted(kept))}"
    named = _RELATIVE.sub(lambda found: found[1] + _stand_in(len(found[2])) + ("." if found[3] else ""), source)
    return _STAND_IN.sub(lambda found: "." * int(found[1]), _fixed("F401", path, named, option))


def _stand_in(level: int) -> str:
    return f"_relative_{level}_"


_RELATIVE = re.compile(r"^([ \t]*from[ \t]+)(\.{1,99})(?=[ \t]*import\b|(\w))", re.M)
_STAND_IN = re.compile(r"\b_relative_(\d{1,3})_\.?")


def _ruff(path: str, source: str, rules: str) -> list[dict[str, Any]]:
    # What nothing uses is removed where the code is tidied, unless it may be there for more than its name.
    options = ("--ignore=F401", "--output-format=json", "--exit-zero", "--ignore-noqa")
    output = _run(("check", f"--select={rules}", *options), path, source)
    found = json.loads(output or "[]")
    return found if isinstance(found, list) else []


def misuses(files: Mapping[str, str], path: str, source: str) -> list[tuple[int, str]]:
    """Return line and message of each place where ``source`` (a test at ``path``) uses what ``files`` define
    in a way that their types forbid."""
    sources = {**{p: s for p, s in files.items() if p.endswith(".py")}, path: source}
    return [
        (int(match["line"]), match["message"])
        for line in _mypy(tuple(sorted(sources.items())), (path,)).splitlines()
        if (match := _MYPY_LINE.match(line)) and match["path"] == path and match["code"] in _MISUSE
    ]


# Isolated (-I): the folder of generated files must not be where Python looks for modules to run. The same sources come
# back at each attempt and in each check, and what a tool says depends on nothing else.
@lru_cache(maxsize=512)
def _bandit(sources: Sources) -> str:
    with unpacked(dict(sources)) as folder:
        command = [sys.executable, "-I", "-m", "bandit", "-q", "-f", "json", "--ignore-nosec", "-x", "", "-r", "."]
        return _tool("bandit", command, "", folder)


@lru_cache(maxsize=512)
def _mypy(sources: Sources, paths: tuple[str, ...]) -> str:
    with unpacked(dict(sources)) as folder:
        for path, source in sources:
            # Where size and second of the last change are those of its cache, mypy takes a file for the one it knows.
            second = int(sha256(source.encode(errors="surrogateescape")).hexdigest()[:8], 16) // 2
            os.utime(folder / path, (second, second))
        command = [sys.executable, "-I", "-m", "mypy", *_MYPY, "--cache-dir", str(_types_cache()), *paths]
        return _tool("mypy", command, "", folder)


@cache
def _types_cache() -> Path:
    """mypy's cache: this process's own, so that nobody else can put something into it."""
    until_exit = ExitStack()
    atexit.register(until_exit.close)
    return until_exit.enter_context(scratch(0o700))


@cache
def _binary() -> str:
    beside = Path(sys.executable).with_name("ruff")
    return str(beside) if beside.exists() else "ruff"


@lru_cache(maxsize=1024)
def _run(arguments: tuple[str, ...], path: str, source: str) -> str:
    command = [_binary(), arguments[0], "--isolated", "--no-cache", *arguments[1:], "--stdin-filename", path, "-"]
    if arguments[0] == "check":
        command[4:4] = [f"--config=lint.mccabe.max-complexity={_COMPLEXITY}"]
    return _tool("ruff", command, source, None, fails_quietly=arguments[0] == "format" or "--fix-only" in arguments)


class _SilentError(ValueError):
    """A tool gave up without a finding, which is none that there is nothing to find."""


def _tool(tool: str, command: list[str], text: str, folder: Path | None, *, fails_quietly: bool = False) -> str:
    """Return what ``command`` prints. ``fails_quietly``: whether it may end badly and print nothing, as a formatter
    does with what it can't read; of the others silence would pass for praise.

    Raises:
        ValueError: it takes too long, or breaks down: the generated code that it reads is at fault.
        Unavailable: it does not run at all, or was ended from outside.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            input=text,
            env={"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            timeout=TOOL_SECONDS,
            errors="replace",
            start_new_session=True,  # Ctrl-C is for Milepost; a tool that it ended would have found nothing
        )
    except OSError as error:
        raise Unavailable(f"{tool} can't be started: {error}; install milepost anew") from None
    except subprocess.TimeoutExpired:
        raise ValueError(f"{tool} could not read the code within {TOOL_SECONDS:g} s") from None
    if -done.returncode in _BREAKDOWNS:
        raise ValueError(f"{tool} could not read the code: it broke down ({signal.strsignal(-done.returncode)})")
    if done.returncode < 0:
        raise Unavailable(f"{tool} was ended by signal {-done.returncode} while it read the code")
    if done.returncode and not done.stdout and not fails_quietly:
        said = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        said = f"{tool} ended with exit code {done.returncode}: {said[:300]}"
        if "No module named" in said:
            raise Unavailable(f"{said}; install milepost anew")
        raise _SilentError(said)
    return done.stdout
