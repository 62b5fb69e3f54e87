"""One program, generated, scored, refined and run: the loop on scripted models, with the real sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.ports import Model, Progress, Traits
from orchestrator.cli import main
from orchestrator.commands.refine import _idea, _refine
from orchestrator.compose import Models, build_team, cache_folder
from orchestrator.config import AGENTS, Settings
from orchestrator.evidence.collect import Laboratory
from orchestrator.evidence.environment import ensure_environment
from orchestrator.evidence.examples import checks_in
from orchestrator.run_loop import until_stopped
from orchestrator.sandbox.bubblewrap import Bubblewrap
from orchestrator.terminal import QuietView
from orchestrator.workspace.layout import RunFiles, RunInfo
from schemas.base import digest_of
from schemas.call import ModelReply, ModelRequest, Usage
from schemas.errors import ExitCode, LimitReached, Unavailable
from schemas.evidence import Execution
from schemas.refinement import Refinement
from tests.helpers import pool, share
from tests.messages_server import messages_server
from tests.replies import SMALL, python
from tests.test_cli import called, milepost, scripted

TASK = "Print the sum of 2 and 3, with a function add.\n\n>>> add(2, 3)\n5\n"


GOOD = '"""Adds."""\n\n\ndef add(a: int, b: int) -> int:\n    return a + b\n\n\nprint(add(2, 3))\n'


WRONG = GOOD.replace("a + b", "a - b")


FINE = "Reason: It does what was asked.\nScore: 10"


def edit(info: str, remove: str, add: str) -> str:
    return f"```edit {info}\n<<<<<<< REMOVE\n{remove}\n=======\n{add}\n>>>>>>> ADD\n```"


def wish(remove: str, add: str, points: float = 2, said: float = 8, reason: str = "It is not right.") -> str:
    return f"Reason: {reason}\n{edit(f'points={points}', remove, add)}\nScore: {said}"


def script(*lines: tuple[str, str]) -> ScriptedModel:
    return ScriptedModel([ScriptedReply(agent=agent, reply=reply) for agent, reply in lines])


def run(
    folder: Path, model: Model, *, prompt: str = TASK, name: str = "p", shared: bool = True, **refine: Any
) -> tuple[Refinement, ExitCode]:
    """``shared``: the same program need not go into the sandbox in every test."""
    settings = Settings.model_validate({"cache": os.environ["MILEPOST_CACHE"], "refine": refine})
    files = RunFiles(folder, name)
    info = RunInfo(
        run=name,
        kind="program",
        created="2026-01-01T00:00:00+00:00",
        idea_path="",
        idea_text=prompt,
        idea_digest=digest_of(prompt),
        settings=settings.public(),
        models={},
        sandboxes=[],
    )
    files.save(info)
    models = Models(dict.fromkeys(AGENTS, model), "")
    environment = ensure_environment(cache_folder(settings), [])
    team = build_team(
        _idea(prompt, settings.refine),
        files,
        info,
        settings,
        models,
        Bubblewrap(),
        environment,
        QuietView(),
        (pool(),) if shared else (),
        brief="program",
    )
    done = asyncio.run(until_stopped(_refine(team, prompt, settings.refine), team, models))
    if shared:
        share(files.logs)
    return done


def test_a_program_that_is_right_at_once_is_really_run(tmp_path: Path) -> None:
    result, code = run(tmp_path, script(("generator", python(GOOD)), ("scorer", FINE)))
    assert (result.verdict, code, len(result.rounds)) == ("accepted", ExitCode.OK, 1)
    assert result.execution is not None
    assert (result.execution.stdout, result.execution.exit_code) == ("5\n", 0)
    assert result.execution.pid is not None
    assert (tmp_path / "generated_projects" / "p" / "program.py").read_text() == GOOD


def test_a_failing_example_caps_the_score_whatever_the_scorer_says(tmp_path: Path) -> None:
    result, code = run(tmp_path, script(("generator", python(WRONG)), ("scorer", FINE)), max_refinements=0)
    assert (result.rounds[0].score, code) == (4.0, ExitCode.NOT_ACCEPTED)
    assert "example E1 fails" in result.rounds[0].caps[0]


def test_the_scorers_exact_edit_mends_the_program(tmp_path: Path) -> None:
    """Here the refiner says nothing usable, so what the scorer wrote is tried by itself."""
    same = ("refiner", python(GOOD.replace("2, 3))", "2, 3))  # as before").replace("a + b", "a - b")))
    lines = [
        ("generator", python(WRONG)),
        ("scorer", wish("    return a - b", "    return a + b")),
        same,
        ("scorer", FINE),
    ]
    result, code = run(tmp_path, script(*lines))
    assert (code, [r.move for r in result.rounds]) == (ExitCode.OK, ["generate", "refine"])
    assert result.delivered is not None
    assert result.delivered.program == GOOD


def test_a_sitting_that_is_stopped_before_it_came_as_far_as_an_earlier_one_leaves_its_program_and_report(
    tmp_path: Path,
) -> None:
    first, _ = run(tmp_path, script(("generator", python(WRONG)), ("scorer", FINE)), max_refinements=0)
    again, code = run(tmp_path, ScriptedModel([], name="mistyped"), max_refinements=0)
    assert (code, again.rounds, again.delivered) == (ExitCode.UNAVAILABLE, first.rounds, first.delivered)
    assert "An earlier session came further" in str(again.stopped_by)
    report = tmp_path / "generated_projects" / "p" / "report.json"
    assert Refinement.model_validate_json(report.read_text()) == first


def test_a_sitting_that_is_stopped_takes_no_accepted_program_away(tmp_path: Path) -> None:
    run(tmp_path, script(("generator", python(GOOD)), ("scorer", FINE)))
    lines = [ScriptedReply(agent="generator", reply=python(WRONG)), ScriptedReply(agent="scorer", reply=FINE)]
    again, code = run(tmp_path, ScriptedModel(lines, name="another"))
    assert (again.verdict, code) == ("accepted", ExitCode.UNAVAILABLE)
    assert (tmp_path / "generated_projects" / "p" / "program.py").read_text() == GOOD


def test_a_whole_program_may_speak_of_removing(tmp_path: Path) -> None:
    wordy = GOOD.replace("\n\n\ndef", '\n\nCOMMANDS = ("ADD", "REMOVE")\n\n\ndef', 1)
    lines = [
        ("generator", python(WRONG)),
        ("scorer", wish("a - b", "a + b")),
        ("refiner", python(wordy)),
        ("scorer", FINE),
    ]
    result, _ = run(tmp_path, script(*lines), max_refinements=1)
    assert result.delivered is not None
    assert result.delivered.program == wordy


def test_a_refinement_that_brings_nothing_is_followed_by_a_fresh_start_and_the_best_is_kept(tmp_path: Path) -> None:
    worse = python(GOOD.replace("return a + b", "return 7"))
    lines = [
        ("generator", python(GOOD)),
        ("scorer", wish("    return a + b", "    return b + a", 1, 9)),
        ("refiner", python(GOOD.replace("a + b", "b - a"))),
        ("scorer", wish("    return b + a", "    return a + b", 3, 7)),
        ("generator", worse),
        ("scorer", wish("return 7", "return 8")),
    ]
    result, code = run(tmp_path, script(*lines), max_refinements=2)
    assert (code, [r.move for r in result.rounds]) == (ExitCode.NOT_ACCEPTED, ["generate", "refine", "resample"])
    assert (result.best, [r.score for r in result.rounds]) == (1, [9.0, 7.0, 4.0])
    assert "asks to undo what it asked for before" in result.rounds[1].flags[0]


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "It is good.",
        "Reason: x\nScore: 7",
        "Reason: x\nScore: NaN",
        "Reason: x\nScore: 11",
        wish("nothing like it", "x"),
        wish("    return a + b", "    return a + b"),
        wish("    return a + b", "x", 99),
        "Reason: x\n```edit points=2\nadd error handling\n```\nScore: 8",
        "x" * 1_000_000,
    ],
)
def test_a_scoring_that_can_not_be_used_leaves_the_program_unscored(reply: str, tmp_path: Path) -> None:
    lines = [("generator", python(GOOD)), *[("scorer", reply)] * 3]
    result, code = run(tmp_path, script(*lines), max_refinements=0)
    assert (result.rounds[0].score, code, result.verdict) == (None, ExitCode.NOT_ACCEPTED, "not accepted")


def test_a_number_that_its_own_edits_contradict_is_flagged_and_the_edits_count(tmp_path: Path) -> None:
    lines = [("generator", python(GOOD)), ("scorer", wish("    return a + b", "    return b + a", 4, 9.9))]
    result, _ = run(tmp_path, script(*lines), max_refinements=0)
    assert (result.rounds[0].score, result.rounds[0].flags) == (6.0, ["the scorer wrote 9.9, but its edits leave 6"])


def test_without_running_nothing_is_run(tmp_path: Path) -> None:
    trap = GOOD + "raise SystemExit(3)\n"
    result, code = run(tmp_path, script(("generator", python(trap)), ("scorer", FINE)), run=False)
    assert (code, result.execution, result.rounds[0].evidence.program) == (ExitCode.OK, None, None)


def test_a_program_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.evidence.collect.PROGRAM_SECONDS", 1.0)
    endless = "while True:\n    pass\n"
    lines = [("generator", python(endless)), ("scorer", FINE)]
    result, code = run(tmp_path, script(*lines), prompt="Loop.", shared=False, max_refinements=0, seconds=1)
    assert (code, result.execution and result.execution.ended) == (ExitCode.NOT_ACCEPTED, "time limit of 1 s")


DEFECTS = 5


ROUGH = "".join(f'part_{n} = "rough"\n' for n in range(DEFECTS)) + "print(part_0)\n"


class Simulated:
    """A scorer that sees every rough part, and a refiner that mends the first thing it is asked to.

    Where it is not shown what it asked for before, the scorer finds fine parts overdone and wants them rough again:
    score regression.
    """

    name = "simulated/model"
    traits = Traits(step="project", context_tokens=100_000, max_output_tokens=8_000)

    async def close(self) -> None: ...

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        text = request.messages[-1].content
        return ModelReply(text=getattr(self, request.agent)(text), stop_reason="end", usage=Usage(), model=self.name)

    def generator(self, text: str) -> str:
        return python(ROUGH)

    def scorer(self, text: str) -> str:
        history, _, rest = text.partition("What was measured is certain")
        parts = re.findall(r'part_(\d) = "(\w+)"', rest.partition("Say what keeps it")[0])
        new = [n for n, state in parts if state == "fine" and f'+ part_{n} = "fine"' not in history]
        wishes = [(n, "fine", "rough", 1.0) for n in new]
        wishes += [(n, "rough", "fine", 1.5) for n, state in parts if state == "rough"]
        blocks = [edit(f"points={w[3]}", f'part_{w[0]} = "{w[1]}"', f'part_{w[0]} = "{w[2]}"') for w in wishes]
        return "\n".join(["Reason: r.", *blocks, f"Score: {10 - sum(w[3] for w in wishes)}"])

    def refiner(self, text: str) -> str:
        asked = text.partition("asks for")[2]
        first = re.search(r'<<<<<<< REMOVE\n(part_\d = "\w+")\n=======\n(part_\d = "\w+")', asked)
        assert first is not None
        return edit("path=program.py", first[1], first[2])


def fine(result: Refinement) -> list[set[str]]:
    return [set(re.findall(r'part_(\d) = "fine"', r.program)) for r in result.rounds]


def test_with_its_history_the_loop_mends_one_defect_a_time_and_never_breaks_it_again(tmp_path: Path) -> None:
    result, code = run(tmp_path, Simulated(), prompt="Parts.", max_refinements=10)
    assert (code, len(result.rounds)) == (ExitCode.OK, DEFECTS + 1)
    states = fine(result)
    assert all(earlier < later for earlier, later in pairwise(states))


def test_without_its_history_the_scorer_takes_back_what_it_rewarded(tmp_path: Path) -> None:
    result, code = run(tmp_path, Simulated(), prompt="Parts.", max_refinements=10, history=False)
    assert code is ExitCode.NOT_ACCEPTED
    states = fine(result)
    assert any(earlier - later for earlier, later in pairwise(states))


def test_the_loop_runs_through_the_real_sdk(workspace: Path) -> None:
    lines = [
        python(WRONG),
        wish("    return a - b", "    return a + b"),
        edit("path=program.py", "a - b", "a + b"),
        FINE,
    ]
    script = [ScriptedReply(agent="any", reply=line) for line in lines]
    with messages_server(script, ["429"]) as server:
        done = milepost("refine", TASK, ANTHROPIC_API_KEY="a-key-for-tests", ANTHROPIC_BASE_URL=server.url)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "5"), done.stdout + done.stderr
    assert [body["model"].split("-")[1] for body in server.requests[1:]] == ["opus", "haiku"] * 2


def test_a_small_model_chooses_among_the_lines_that_are_there(tmp_path: Path) -> None:
    flaws = [
        {"line": "    return a - b", "instead": "return a + b", "points": 5},
        {"line": "print(add(2, 3))", "instead": "print(add(2, 3))", "points": 3},
        {"line": "no such line", "instead": "x", "points": 2},
    ]
    said = json.dumps({"reason": "it subtracts", "flaws": flaws, "score": 2})
    good = json.dumps({"reason": "it is right", "flaws": [], "score": 10})
    lines = [("generator", python(WRONG)), ("scorer", said), ("refiner", python(WRONG)), ("scorer", good)]
    replies = [ScriptedReply(agent=agent, reply=reply, repeat=agent != "scorer") for agent, reply in lines]
    model = ScriptedModel(replies, traits=replace(SMALL, choices=1))
    result, code = run(tmp_path, model, prompt=TASK.partition(">>>")[0])
    assert (code, [r.score for r in result.rounds]) == (ExitCode.OK, [5.0, 10.0])
    assert result.delivered is not None
    assert result.delivered.program == GOOD


def test_the_command_shows_what_the_program_printed_and_its_process(workspace: Path) -> None:
    lines = [{"agent": "generator", "reply": python(GOOD)}, {"agent": "scorer", "reply": FINE}]
    (workspace / "task.md").write_text(TASK)
    done = milepost("refine", "task.md", "--run-name", "one", **scripted(workspace, lines))
    assert (done.returncode, done.stderr) == (0, "")
    assert "ACCEPTED: score 10.0 of at least 9.6, 1 rounds" in done.stdout
    assert re.search(r"Ran as process \d+: exit code 0", done.stdout)
    assert done.stdout.endswith("\n5\n")
    assert milepost("report", "one").stdout.startswith("# A program: accepted\n")
    assert "the chain is whole" in milepost("logs", "one", "--verify").stdout
    again = milepost("resume", "one", "--quiet", **scripted(workspace, []))
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, "ACCEPTED: score 10.0 of at least 9.6, 1 rounds")


def test_a_bar_that_is_not_reached_is_exit_code_1_and_a_limit_exit_code_3(workspace: Path) -> None:
    lines = [{"agent": "generator", "reply": python(WRONG)}, {"agent": "scorer", "reply": FINE}]
    settings = scripted(workspace, lines)
    assert milepost("refine", TASK, "--max-refinements", "0", "--run-name", "a", **settings).returncode == 1
    stopped = milepost("refine", TASK, "--max-calls", "1", "--run-name", "b", **settings)
    assert (stopped.returncode, "Go on:   milepost resume b" in stopped.stdout) == (3, True)
    record = json.loads((workspace / "generated_projects" / "b" / "report.json").read_text())
    assert record["verdict"] == "stopped"


def test_what_stopped_a_quiet_program_and_where_it_is_are_said(workspace: Path) -> None:
    lines = [{"agent": "generator", "reply": python(WRONG)}]
    done = called("refine", TASK, "--quiet", "--max-calls", "1", "--run-name", "q", **scripted(workspace, lines))
    said = [line.split(":")[0] for line in done.stdout.splitlines()]
    assert [word for word in ("STOPPED", "Stopped", "Go on", "Report", "Log") if word not in said] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["refine", " "], "the task is empty"),
        (["refine", ""], "the task is empty"),
        (["refine", "my task.txt"], "my task.txt: there is no such file. If it is the task itself, end it with a full"),
        (["refine", "nosuch.txt"], "there is no such file"),
        (["refine", "nosuch.yaml"], "there is no such file"),
        (["refine", "/etc"], "is a folder"),
        (["refine", "/bin/sh"], "is not UTF-8 text"),
        (["refine", "\udcff.txt"], "is not UTF-8 text"),
        (["refine", "x", "--min-score", "11"], "less than or equal to 10"),
        (["refine", "x", "--max-refinements", "-1"], "greater than or equal to 0"),
    ],
)
def test_bad_input_is_said_in_one_line(workspace: Path, arguments: list[str], words: str) -> None:
    done = called(*arguments, **scripted(workspace, []))
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (2, True, False)


def test_an_example_may_show_the_same_value_written_otherwise(tmp_path: Path) -> None:
    prompt = ">>> words('a b')\n[\"a\",'b']\n>>> words('')\n0\n"
    code = "def words(text):\n    return text.split() if text else False\n"
    result, _ = run(tmp_path, script(("generator", python(code)), ("scorer", FINE)), prompt=prompt, max_refinements=0)
    acceptance = result.rounds[0].evidence.acceptance
    assert acceptance is not None
    assert [r.outcome for r in acceptance.results] == ["passed", "failed"]


@pytest.mark.parametrize("end", ['    """\n', "    '''\n    pass\n", ""])
def test_the_end_of_a_docstring_is_no_part_of_what_an_example_shows(end: str, tmp_path: Path) -> None:
    prompt = f'def add(a, b):\n    """Adds.\n\n    >>> add(2, 3)\n    5\n{end}'
    result, code = run(tmp_path, script(("generator", python(GOOD)), ("scorer", FINE)), prompt=prompt)
    assert (code, result.rounds[0].caps) == (ExitCode.OK, [])
    (check,) = checks_in(f'    >>> f(1)\n    2"""\n{end}', "program")
    assert check.statement == "f(1) shows 2"


def test_examples_are_run_as_the_shell_would_run_them(tmp_path: Path) -> None:
    prompt = (
        ">>> x = [1]\n>>> shout('a')\nA\n>>> twice(x)\n[1, 1]\n>>> twice(None)\nTraceback (most recent call last):\n"
        "TypeError: no list\n>>> shout('b')\nC\n"
    )
    code = "def shout(a):\n    print(a.upper())\n\n\ndef twice(a):\n    return a + a\n"
    result, _ = run(tmp_path, script(("generator", python(code)), ("scorer", FINE)), prompt=prompt, max_refinements=0)
    acceptance = result.rounds[0].evidence.acceptance
    assert acceptance is not None
    assert [r.outcome for r in acceptance.results] == ["passed", "passed", "passed", "failed"]


@pytest.mark.parametrize(
    ("reply", "score", "reason"),
    [
        ("Reason: It is right.\nScore: 10", 10.0, "It is right."),
        ("**Reason**: It is right.\n**Score**: 10/10", 10.0, "It is right."),
        ("## Reason\n\nIt is\nright.\n\nScore: 10 out of 10.", 10.0, "It is right."),
        ("Reason:\n\nIt is right.\nScore: 10", 10.0, "It is right."),
        ("Score: 10\nReason: It is right.", 10.0, "It is right."),
    ],
)
def test_the_form_of_a_scoring_is_read_as_people_write_it(
    reply: str, score: float, reason: str, tmp_path: Path
) -> None:
    result, _ = run(tmp_path, script(("generator", python(GOOD)), ("scorer", reply)), max_refinements=0)
    scoring = result.rounds[0].scoring
    assert scoring is not None
    assert (scoring.said, scoring.reason) == (score, reason)


@pytest.mark.parametrize("reply", ["Reason: r\nScore: -3", "Reason: r\nScore: .5", "Reason: r\n```\nScore: 10\n```"])
def test_what_is_no_score_is_none(reply: str, tmp_path: Path) -> None:
    result, _ = run(tmp_path, script(("generator", python(GOOD)), *[("scorer", reply)] * 3), max_refinements=0)
    assert result.rounds[0].scoring is None


SERVER = """import http.server

server = http.server.HTTPServer(("127.0.0.1", 8123), http.server.SimpleHTTPRequestHandler)
server.serve_forever()
"""


def test_a_server_is_stopped_in_the_end_and_accepted(tmp_path: Path) -> None:
    lines = script(("generator", python(SERVER)), ("scorer", FINE))
    result, code = run(tmp_path, lines, prompt="Serve this folder.", seconds=1)
    assert (code, result.execution and result.execution.ended) == (ExitCode.OK, "time limit of 1 s")


def test_why_a_program_that_reached_the_bar_is_not_accepted_is_said(tmp_path: Path) -> None:
    slow = "import time\n\ntime.sleep(3)\nprint(1)\n"
    lines = script(("generator", python(slow)), ("scorer", FINE))
    result, code = run(tmp_path, lines, prompt="Wait.", seconds=1)
    assert (code, result.verdict) == (ExitCode.NOT_ACCEPTED, "not accepted")
    assert "time limit of 1 s (refine.seconds)" in result.refusal


@pytest.mark.parametrize("problem", [Unavailable("no more namespaces"), asyncio.CancelledError()])
def test_what_ends_the_last_run_costs_neither_program_nor_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: BaseException
) -> None:
    async def fails(*_: object) -> Execution:
        raise problem

    monkeypatch.setattr(Laboratory, "start", fails)
    result, _ = run(tmp_path, script(("generator", python(GOOD)), ("scorer", FINE)))
    assert result.verdict == "stopped"
    assert (tmp_path / "generated_projects" / "p" / "program.py").read_text() == GOOD


class Ending(ScriptedModel):
    """Ends the run where it has no scoring left."""

    def __init__(self, problem: BaseException, *lines: tuple[str, str]) -> None:
        super().__init__([ScriptedReply(agent=agent, reply=reply) for agent, reply in lines])
        self.problem, self.scorings = problem, sum(agent == "scorer" for agent, _ in lines)

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        if request.agent == "scorer":
            self.scorings -= 1
            if self.scorings < 0:
                raise self.problem
        return await super().reply(request, progress)


PROBLEMS = [
    (LimitReached("calls", "no more calls"), ExitCode.LIMIT),
    (Unavailable("no such model"), ExitCode.UNAVAILABLE),
    (asyncio.CancelledError(), ExitCode.INTERRUPTED),
]


@pytest.mark.parametrize(("problem", "expected"), PROBLEMS)
def test_a_stop_before_the_scoring_costs_no_program(problem: BaseException, expected: ExitCode, tmp_path: Path) -> None:
    result, code = run(tmp_path, Ending(problem, ("generator", python(GOOD))))
    assert (code, result.verdict, [r.score for r in result.rounds]) == (expected, "stopped", [None])
    assert (tmp_path / "generated_projects" / "p" / "program.py").read_text() == GOOD
    text = (tmp_path / "generated_projects" / "p" / "report.md").read_text()
    assert "### Round 1 (generate): unscored\n\n- Doubtful: the run was stopped before it was scored\n" in text


def test_a_program_that_a_stop_left_unscored_is_delivered_only_if_it_is_the_best(tmp_path: Path) -> None:
    stop = LimitReached("calls", "no more calls")
    best: list[tuple[int | None, list[bool]]] = []
    for first, second in ((WRONG, GOOD), (GOOD, WRONG)):
        scored = wish("print(add(2, 3))", "print(add(3, 2))", 1, 9)
        model = Ending(stop, ("generator", python(first)), ("scorer", scored), ("refiner", python(second)))
        result, _ = run(tmp_path, model, name=f"p{len(best)}")
        best.append((result.best, [r.score is None for r in result.rounds]))
    assert best == [(2, [False, True]), (1, [False, True])]


def test_a_task_that_is_no_text_is_refused(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["refine", "print \udcff", "--backend", "scripted"]) == ExitCode.BAD_INPUT
    assert "not UTF-8" in capsys.readouterr().err
