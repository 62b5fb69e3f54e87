"""The idea's start command, really run: a program ends well and prints, a server serves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.evidence.collect import Laboratory, Subject
from orchestrator.journal.store import RecordStore
from orchestrator.sandbox.bubblewrap import Bubblewrap
from schemas.evidence import ProgramRun
from schemas.idea import Idea
from tests.helpers import bare_environment

SERVER = """
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error({status})
http.server.HTTPServer(("127.0.0.1", 8000), Handler).serve_forever()
"""
SOCKET = "import socket, time; s = socket.create_server(('', 9009))\n"


def start(code: str, folder: Path, run: str = "python app.py") -> ProgramRun:
    laboratory = Laboratory(Bubblewrap(), bare_environment(), RecordStore(folder))
    idea = Idea(name="App", summary="It runs.", features=["run"], run=run)
    evidence = asyncio.run(laboratory.examine(Subject({"app.py": code}, idea, [], runs_program=True)))
    assert evidence.program is not None
    return evidence.program


@pytest.mark.parametrize(
    ("code", "ok", "said"),
    [
        ("print('hello')", True, "hello"),
        ("pass", False, "(it printed nothing to its standard output)"),
        ("import sys; print('x', file=sys.stderr)", False, "(it printed nothing to its standard output)"),
        ("import sys; print('x'); sys.exit(3)", False, "x"),
        ("import os; os.kill(os.getpid(), 9)", False, ""),
        (SERVER.format(status=404), True, "port 8000, and answers GET / with status 404)"),
        (SERVER.format(status=500), False, "port 8000, and answers GET / with status 500)"),
        (SERVER.format(status=500).replace("127.0.0.1", "127.0.0.2"), False, "answers GET / with status 500)"),
        (SERVER.format(status="1 / 0"), False, "closes the connection without an answer)"),
        (SOCKET + "while True: s.accept()[0].close()", False, "closes the connection without an answer)"),
        (SOCKET + "c = s.accept()[0]; time.sleep(60)", True, "port 9009, and waits for more than an HTTP request)"),
        (SOCKET + "c = s.accept()[0]; c.send(b'220 hi\\n'); time.sleep(60)", True, "and does not speak HTTP)"),
        (SOCKET + "c = s.accept()[0]; raise SystemExit('failed')", False, "failed"),
    ],
)
def test_a_program_works_if_it_ends_well_and_prints_or_serves(code: str, ok: bool, said: str, tmp_path: Path) -> None:
    ran = start(code, tmp_path)
    assert (ran.ok, said in ran.output) == (ok, True), ran


def test_a_program_that_neither_ends_nor_listens_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.evidence.collect.PROGRAM_SECONDS", 1.0)
    ran = start("import time; print('busy', flush=True); time.sleep(60)", tmp_path)
    assert (ran.ok, ran.output) == (False, "busy\n(after 1 s it had neither ended nor listened on a port)")
