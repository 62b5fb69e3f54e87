"""Static evidence: what the tools find, and that no comment of the code silences them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.evidence.static import analyse, audit, tidy
from schemas.errors import Unavailable

SECRET = "sk-" + "a1b2c3d4" * 4


@pytest.mark.parametrize(
    ("source", "tool", "rule", "severity"),
    [
        ("import subprocess, sys\nsubprocess.run(sys.argv[1], shell=True)\n", "bandit", "B602", "high"),
        ("import subprocess, sys\nsubprocess.run(sys.argv[1], shell=True)  # nosec\n", "bandit", "B602", "high"),
        ("import hashlib\nhashlib.md5(b'x')  #nosec B324\n", "bandit", "B324", "high"),
        ("import pickle\npickle.loads(b'x')\n", "bandit", "B301", "medium"),
        ("def f(a: int) -> str:\n    return a\n", "mypy", "return-value", "low"),
        ("def f(a: int) -> str:\n    return a  # type: ignore\n", "mypy", "return-value", "low"),
        ("# mypy: ignore-errors\ndef f(a: int) -> str:\n    return a\n", "mypy", "return-value", "low"),
        (f"KEY = '{SECRET}'\n", "secrets", "key of a model's API", "high"),
        ("KEY = '''-----BEGIN RSA PRIVATE KEY-----'''\n", "secrets", "private key", "high"),
        ("import requests\n", "dependency", "undeclared", "low"),
        ("from flask.views import View\n", "dependency", "undeclared", "low"),
        ("import importlib\nimportlib.import_module('requests')\n", "dependency", "undeclared", "low"),
        ("__import__(input())\n", "unread", "Python", "medium"),
        ("import runpy\nrunpy.run_path('core.txt')\n", "unread", "Python", "medium"),
        ("def (\n", "unread", "Python", "medium"),
        ("x = " + "-" * 2000 + "1\n", "unread", "Python", "medium"),
        ("# coding: nosuch\nimport os\n", "unread", "bandit", "medium"),
        ("URL = 'postgres://me:" + "hidden@" + "host/db'\n", "secrets", "password in an address", "high"),
    ],
)
def test_it_is_found(source: str, tool: str, rule: str, severity: str) -> None:
    found = [(f.tool, f.rule, f.severity) for f in audit({"pkg/a.py": source}, {"pkg/a.py": source}, [])]
    assert (tool, rule, severity) in found


@pytest.mark.parametrize(
    "source",
    [
        "import json\nimport pkg.b\nfrom pkg import b\nfrom . import b as c\nimport allowed.part\n",
        "def f(a: int) -> int:\n    assert a\n    return a\n",
        "SKIP = 'sk-short'\n",
    ],
)
def test_ordinary_code_is_clean(source: str) -> None:
    files = {"pkg/a.py": source, "pkg/b.py": ""}
    assert audit(files, files, ["allowed"]) == []


def test_a_comment_hides_nothing_from_the_linter() -> None:
    found = analyse({"a.py": '"""A."""\n\nX = Y  # noqa\n'})
    assert [f.rule for f in found] == ["F821"]


def test_what_a_test_makes_up_forbids_no_pass() -> None:
    url = "URL = 'postgres://me:" + "hidden@" + "host/db'\n"
    found = audit({}, {"tests/test_url.py": url, "url.py": url}, [])
    assert [(f.path, f.severity) for f in found] == [("tests/test_url.py", "low"), ("url.py", "high")]


def test_a_place_to_put_a_password_in_is_no_password() -> None:
    assert audit({}, {"a.md": "https://<user>:<password>@host"}, []) == []


def test_secrets_are_found_in_files_that_are_no_code_too() -> None:
    found = audit({}, {"config.toml": f"key = '{SECRET}'"}, [])
    assert [(f.path, f.tool) for f in found] == [("config.toml", "secrets")]


@pytest.mark.parametrize("extra", [{"a/b.py": "", "a/b/__init__.py": ""}, {"builtins.py": "x = 1\n"}])
def test_what_keeps_mypy_from_reading_the_code_is_a_finding(extra: dict[str, str]) -> None:
    files = {"wrong.py": "def f(a: int) -> str:\n    return a\n", **extra}
    assert {f.tool for f in audit(files, files, [])} & {"unread", "mypy"}


def test_versions_of_equal_size_in_the_same_second_are_told_apart() -> None:
    found = [audit({"m.py": f"x{n}: int = 1{tail}\n"}, {}, []) for n in range(6) for tail in (" + 1", "+'1'")]
    assert [bool(findings) for findings in found] == [False, True] * 6


def test_what_was_tidied_once_is_not_given_to_the_tools_again() -> None:
    before = tidy.cache_info().misses
    assert tidy("pkg/once.py", "import os\nx=1\n") == tidy("pkg/once.py", "import os\nx=1\n") == "x = 1\n"
    assert tidy.cache_info().misses == before + 1


@pytest.mark.parametrize(
    "source",
    [
        '"""What users import."""\n\nfrom core import count_words\n',
        "from app import routes\nfrom flask import Flask\n\napp = Flask(__name__)\n",
        "from tests.test_m1_helpers import client\n\n\ndef test_it(client):\n    assert client\n",
        'from ..up import more\nfrom . import plugins\nfrom .core import f\n\nTEXT = """\nfrom .x import y\n"""\n',
    ],
    ids=["for others", "for its effects", "a fixture", "a relative one"],
)
def test_tidying_removes_no_import_of_the_project_that_may_be_there_for_more_than_its_name(source: str) -> None:
    assert tidy("pkg/main.py", source, frozenset({"core", "app", "tests", "pkg"})) == source


def test_tidying_removes_imports_that_can_only_be_left_over() -> None:
    source = "import json\nimport numpy\nfrom typing import Any, Final\nfrom pkg.core import f\nfrom . import a\n"
    made = "from typing import Final\n\nfrom . import a\n\nN: Final = 1\n"
    assert tidy("pkg/core.py", f"{source}\nN: Final = 1\n", frozenset({"pkg"})) == made


def test_a_call_of_is_relative_to_keeps_no_import() -> None:
    source = "import json\nfrom pathlib import Path\n\nx = Path().is_relative_to('/')\n"
    assert "json" not in tidy("pkg/core.py", source, frozenset({"pkg"}))


def test_without_own_modules_tidying_removes_whatever_nothing_uses() -> None:
    assert tidy("pkg/core.py", "import json\nfrom pkg.a import f\nfrom . import b\n\nx = 1\n") == "x = 1\n"


def test_an_import_that_tidying_has_left_is_no_finding() -> None:
    assert analyse({"main.py": '"""What users import."""\n\nfrom core import count_words\n'}) == []


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("kill -TERM $$", Unavailable, "bandit was ended by signal 15"),
        ("echo 'No module named bandit' >&2; exit 1", Unavailable, "bandit ended with exit code 1: No module named"),
        ("kill -SEGV $$", ValueError, "bandit could not read the code"),
    ],
)
def test_a_tool_that_does_not_come_to_an_end_has_not_found_nothing(
    script: str, error: type[Exception], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", _tool(tmp_path, script))
    with pytest.raises(error, match=said):
        audit({"a.py": f"# {tmp_path}\n"}, {}, [])


def test_a_tool_that_gives_up_over_the_code_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", _tool(tmp_path, "echo broken >&2; exit 2"))
    found = [(f.tool, f.rule, f.path) for f in audit({"a.py": f"# {tmp_path}\n"}, {}, [])]
    assert found == [("unread", "bandit", "a.py"), ("unread", "mypy", "a.py")]


@pytest.mark.parametrize("path", ["to_CVS.py", "a/__pycache__/b.py"])
def test_no_path_keeps_bandit_from_looking(path: str) -> None:
    source = f"import subprocess\n\n\ndef f(x: str) -> None:\n    subprocess.run(x, shell=True)  # {path}\n"
    assert "B602" in [f.rule for f in audit({path: source}, {}, [])]


@pytest.mark.parametrize("folder", ["my-app", "2048"])
def test_a_folder_that_is_no_name_does_not_end_the_audit(folder: str) -> None:
    assert ("unread", "mypy") in [(f.tool, f.rule) for f in audit({f"{folder}/__init__.py": "X = 1\n"}, {}, [])]


def test_an_encoding_other_than_utf_8_hides_nothing() -> None:
    source = "# coding: utf-7\n# +AAo-import yaml\n"
    assert ("unread", "Python") in [(f.tool, f.rule) for f in audit({"a.py": source}, {}, [])]


def test_a_long_text_without_secrets_is_read_at_once() -> None:
    assert audit({}, {"a.txt": "a." * 100_000}, []) == []


def test_a_tool_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(Unavailable, match="bandit can't be started"):
        audit({"a.py": f"# {tmp_path}\n"}, {}, [])


def test_an_interrupt_from_the_terminal_does_not_reach_the_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads_a_session = "read -r _ _ _ _ _ session _ < /proc/$$/stat; test $session = $$ || kill -TERM $$"
    found = """echo '{"metrics": {"a.py": 0}}'"""
    monkeypatch.setattr(sys, "executable", _tool(tmp_path, f"{leads_a_session}; {found}"))
    assert audit({"a.py": f"# {tmp_path}\n"}, {}, []) == []


def _tool(folder: Path, script: str) -> str:
    """Return a program that does ``script`` instead of Python."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)
