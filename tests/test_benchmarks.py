"""The arithmetic of the benchmarks, and what they keep from the arms."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.models.anthropic import AnthropicModel
from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.ports import Model, ModelError, Progress
from benchmarks import checkouts, speed, unaided
from benchmarks.humaneval import __main__ as humaneval
from benchmarks.humaneval.__main__ import _folder_and_arm
from benchmarks.humaneval.arms import ARMS, Bench, Solution
from benchmarks.humaneval.problems import Problem, cleaned, remaining, sampled, verdict
from benchmarks.humaneval.report import MEANS, page, summary
from benchmarks.humaneval.transcripts import Recorded, known_calls
from benchmarks.machine import append_row, kept_outcomes, note_run, runs
from benchmarks.settings import settings_of
from benchmarks.statistics import chance_text, gain, mcnemar, wilson
from benchmarks.unaided import Unaided
from orchestrator.config import Settings
from orchestrator.evidence.collect import Laboratory
from orchestrator.journal.store import RecordStore
from orchestrator.sandbox.bubblewrap import Bubblewrap
from schemas.call import Message, ModelReply, ModelRequest, Usage
from tests.helpers import bare_environment
from tests.messages_server import messages_server
from tests.replies import SMALL, arch, judgement, spec

PROBLEMS = [Problem(f"P/{n}", "x" * (7 * n % 41), f"f{n}", "") for n in range(40)]


def rows(*passed: bool) -> dict[str, dict[str, object]]:
    return {f"P/{n}": {"passed": ok, "model": "m", "at": "2026-01-01"} for n, ok in enumerate(passed)}


def test_the_interval_is_that_of_wilson() -> None:
    assert wilson(117, 164) == pytest.approx((0.640, 0.777), abs=0.001)
    assert wilson(0, 0) == (0.0, 1.0)


def test_an_interval_is_within_0_and_1() -> None:
    assert all(wilson(0, n)[0] >= 0.0 and wilson(n, n)[1] <= 1.0 for n in range(1, 500))


def test_pairs_are_compared_on_common_problems_by_the_exact_test() -> None:
    first = {"a": True, "b": True, "c": False, "d": False, "only here": True}
    second = {"a": True, "b": False, "c": True, "d": True}
    assert mcnemar(first, second) == (1, 2, 1.0)
    assert mcnemar(dict.fromkeys("abcdefgh", True), dict.fromkeys("abcdefgh", False))[2] == pytest.approx(2 / 2**8)


@pytest.mark.parametrize(("chance", "text"), [(1.0, "1.000"), (0.0015, "0.002"), (0.0004, "< 0.001"), (0.0, "< 0.001")])
def test_a_chance_is_never_told_to_be_none(chance: float, text: str) -> None:
    assert chance_text(chance) == text


def test_a_sample_is_the_same_for_a_seed_and_even_over_lengths() -> None:
    chosen = sampled(PROBLEMS, 12, seed=5)
    assert chosen == sampled(PROBLEMS, 12, seed=5) != sampled(PROBLEMS, 12, seed=6)
    by_length = sorted(PROBLEMS, key=lambda p: (len(p.prompt), p.name))
    quarters = [by_length[n : n + 10] for n in range(0, 40, 10)]
    assert [sum(p in quarter for p in chosen) for quarter in quarters] == [3, 3, 3, 3]


def test_the_remaining_problems_are_all_that_a_sample_leaves() -> None:
    rest = remaining(PROBLEMS, 12, 5)
    assert rest == [problem for problem in PROBLEMS if problem in rest]
    assert len(rest) == len(PROBLEMS) - 12
    assert not {problem.name for problem in rest} & {problem.name for problem in sampled(PROBLEMS, 12, 5)}


def test_what_runs_by_itself_or_was_cut_off_is_left_out_of_a_reply() -> None:
    reply = "import os\nX = 1\ndef f():\n    return X\nassert f() == 2\nprint(f())\ndef g(:"
    assert cleaned(reply) == "import os\nX = 1\n\ndef f():\n    return X\n"


@pytest.mark.parametrize(
    ("program", "passes"),
    [
        ("def undo(s):\n    return s[::-1]", True),
        ("def turn(s):\n    return s\ndef undo(s):\n    return s", False),
        ("def undo(s):\n    return s[::-1]\nraise SystemExit", False),
    ],
    ids=["right", "with a helper written anew", "ends itself"],
)
def test_a_program_passes_whose_function_is_right_for_the_helpers_that_were_given(
    program: str, passes: bool, tmp_path: Path
) -> None:
    prompt = 'def turn(s):\n    return s[::-1]\n\n\ndef undo(s):\n    """Undo turn."""\n'
    problem = Problem("P/0", prompt, "undo", "def check(f):\n    assert f(turn('ab')) == 'ab'\n")
    laboratory = Laboratory(Bubblewrap(), bare_environment(), RecordStore(tmp_path))
    assert asyncio.run(verdict(problem, program, laboratory)) is passes


@pytest.mark.parametrize("count", ["0", "-3"])
def test_a_sample_of_nothing_is_refused(count: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        humaneval.main(["--sample", count, "--results", str(tmp_path)])
    assert "--sample: at least one problem" in capsys.readouterr().err


def test_outcomes_of_two_models_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "single.jsonl"
    path.write_text('{"task": "P/0", "model": "small"}\n')
    assert list(kept_outcomes(path, "task", "small")) == ["P/0"]
    with pytest.raises(SystemExit, match="holds outcomes of small: give large another --results"):
        kept_outcomes(path, "task", "large")


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "single.jsonl"
    path.write_text('{"task": "P/0", "model": "m"}\n\n{"task": "P/1", "mo\n')
    with pytest.raises(SystemExit, match=r"single.jsonl:3: is no JSON"):
        kept_outcomes(path, "task")


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)


@given(texts=st.lists(TEXTS, max_size=4), last=TEXTS, lost=st.integers(0, 60))
def test_rows_are_read_as_they_were_appended_but_for_what_was_cut_off(texts: list[str], last: str, lost: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "rows.jsonl")
        for number, text in enumerate(texts):
            append_row(path, {"task": str(number), "code": text})
        whole = path.read_bytes() if texts else b""
        append_row(path, {"task": "last", "code": last})
        path.write_bytes(path.read_bytes()[: max(len(whole), path.stat().st_size - lost)])
        kept = kept_outcomes(path, "task")
        assert [kept[str(number)]["code"] for number in range(len(texts))] == texts
        append_row(path, {"task": "more", "code": ""})
        assert list(kept_outcomes(path, "task")) == [*kept, "more"]


def test_a_run_of_several_models_goes_on_with_any_of_them(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.jsonl"
    path.write_text('{"idea": "a", "model": "cheap, strong"}\n{"idea": "b", "model": ""}\n')
    assert list(kept_outcomes(path, "idea", "strong")) == ["a", "b"]


def test_the_page_names_each_arm_and_pair() -> None:
    text = page(summary({"single": rows(True, False), "refine": rows(True, True)}))
    assert "| single | 2 | 50.0% |" in text
    assert "| single | refine | 2 | 0 | 1 | -56 to +100 | 1.000 † |" in text


def test_arms_are_set_side_by_side_on_the_problems_that_all_of_them_have() -> None:
    figures = summary({"single": rows(True, False, True), "refine": rows(True, True)})
    assert {arm: f["problems"] for arm, f in figures["common"].items()} == {"single": 2, "refine": 2}
    assert "On the 2 problems that every finished arm has" in page(figures)


@pytest.mark.parametrize(("commits", "marked"), [(("a", "a"), False), (("a", "b"), True), ((None, None), True)])
def test_a_pair_that_is_not_of_one_commit_is_marked(commits: tuple[str | None, str | None], marked: bool) -> None:
    outcomes = [{task: {**row, "commit": commit} for task, row in rows(True).items()} for commit in commits]
    pair = next(
        line for line in page(summary(dict(zip("ab", outcomes, strict=True)))).splitlines() if "| a | b |" in line
    )
    assert ("†" in pair) is marked


def test_an_arm_that_is_not_finished_does_not_lessen_what_the_others_are_compared_on() -> None:
    figures = summary({"single": rows(*[True] * 60), "refine": rows(*[True] * 61), "pipeline": rows(True, False)})
    assert {arm: f["problems"] for arm, f in figures["common"].items()} == {"single": 60, "refine": 60}
    assert "**Not finished**, with fewer than 60 problems: pipeline." in page(figures)


def test_an_arms_own_verdict_is_held_against_the_tests() -> None:
    verdicts = [(True, True), (True, False), (False, True), (None, True)]
    outcomes = {
        f"P/{n}": {"passed": passed, "accepted": accepted, "model": "m", "at": "", **dict.fromkeys(MEANS, 1)}
        for n, (accepted, passed) in enumerate(verdicts)
    }
    assert "| refine | its own | 2 of 3 | 1 | 50% (9–91) | 50% (9–91) |" in page(summary({"refine": outcomes}))


def test_kept_programs_are_scored_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """A row that says of a wrong program that it passed is put right, one whose problem has no example says so."""
    prompt = 'def inc(n):\n    """Add one.{}"""\n'
    told = Problem(
        "P/0", prompt.format("\n\n    >>> inc(1)\n    2\n    "), "inc", "def check(f):\n    assert f(1) == 2"
    )
    untold = Problem("P/1", prompt.format(""), "inc", told.test)
    monkeypatch.setattr(humaneval, "load", lambda cache: [told, untold])
    lines = [("P/0", "def inc(n):\n    return n"), ("P/1", "def inc(n):\n    return n + 1")]
    outcomes = [{"task": task, "passed": True, "code": code, "model": "m", "at": ""} for task, code in lines]
    (tmp_path / "single.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in outcomes))
    humaneval.main(["--again", "--arms", "single", "--results", str(tmp_path), "--workspace", str(tmp_path / "w")])
    found = kept_outcomes(tmp_path / "single.jsonl", "task")
    assert [(row["passed"], row["examples"]) for row in found.values()] == [(False, False), (True, None)]
    assert "P/0 single: passed is False now" in capsys.readouterr().out


def test_what_a_transcript_holds_is_not_asked_again(tmp_path: Path) -> None:
    """The same question is answered from the transcript; another sample of it, or a longer answer, is asked for."""
    question = ModelRequest(
        agent="generator",
        model="scripted/m",
        system="A brief.",
        messages=[Message(role="user", content="Write f.")],
        max_tokens=9,
        temperature=0.7,
        sample=1,
        choices=2,
    )
    script = [ScriptedReply(agent="generator", reply="def f(): ...", alternatives=["def f(): pass"])]
    first = Recorded(ScriptedModel(script, name="m"))
    said = asyncio.run(first.reply(question, lambda _: None))
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "single.jsonl").write_text(json.dumps(first.transcript("P/0")) + "\n")
    later = Recorded(ScriptedModel([], name="m"), known_calls([(tmp_path, "single")], "scripted/m")["P/0"])
    again = asyncio.run(later.reply(question, lambda _: None))
    assert (again.text, again.alternatives, again.usage) == (said.text, said.alternatives, said.usage)
    for other in ({"sample": 2}, {"max_tokens": 10}):
        with pytest.raises(ModelError):
            asyncio.run(later.reply(question.model_copy(update=other), lambda _: None))


def test_a_call_noted_without_its_seconds_has_its_part_of_the_outcomes(tmp_path: Path) -> None:
    outcome = {"task": "P/0", "seconds": 30.0, "output_tokens": 300}
    asked = {"agent": "generator", "prompt": ["Write f."], "begun": None, "temperature": 0.0, "sample": 0}
    call = {**asked, "replies": ["def f(): ..."], "usage": {"output_tokens": 100}}
    (tmp_path / "single.jsonl").write_text(json.dumps(outcome) + "\n")
    (tmp_path / "transcripts").mkdir()
    line = {"task": "P/0", "brief": "A brief.", "calls": [call]}
    (tmp_path / "transcripts" / "single.jsonl").write_text(json.dumps(line) + "\n")
    known = known_calls([(tmp_path, "single")], "m")["P/0"].values()
    assert [(call.seconds, call.estimated) for call in known] == [(10.0, True)]


def test_replies_of_another_model_or_none_at_all_are_not_used_again(tmp_path: Path) -> None:
    (tmp_path / "single.jsonl").write_text(json.dumps({"task": "P/0", "model": "m"}) + "\n")
    for model, words in (("other", "holds outcomes of m"), ("m", "transcripts/single.jsonl is not there")):
        with pytest.raises(SystemExit, match=words):
            known_calls([(tmp_path, "single")], model)


def test_the_page_on_speed_gives_the_ratio_of_medians() -> None:
    measured = {
        "measured_with": {"processor": "p", "cores": 2, "python": "3", "packages": {}, "at": "2026-01-01T00:00:00"},
        "rounds": 3,
        "trials": {
            "lookup": {"note": "n", "without": [[9, 90], [6, 60], [60, 60]], "with": [[3, 60], [3, 60], [1, 9]]}
        },
    }
    assert "| lookup | 9.0 | 10.0 | 3.0 | 20.0 | 3.00 | 2.00 – 60.00 |" in speed.page(measured)


def test_whole_runs_are_told_with_the_seconds_of_each_accepted_milestone() -> None:
    usage = {"input_tokens": 1, "cache_read_tokens": 2, "output_tokens": 3}
    run = {"commit": "old", "seconds": 100.0, "accepted": 2, "milestones": 2, "attempts": 3, "usage": usage}
    refused = {**run, "commit": "new", "accepted": 0}
    measured = {"measured_with": {"at": "2026-01-01"}, "idea": "x.yaml", "old": "old", "runs": [run, refused]}
    lines = speed.whole_runs(measured)
    assert "| old (before) | 100 | 2 of 2 | 3 | 1 | 2 | 3 | 50 |" in lines
    assert "| new (after) | 100 | 0 of 2 | 3 | 1 | 2 | 3 | – |" in lines


def test_each_run_that_adds_results_is_noted_with_its_machine_and_options(tmp_path: Path) -> None:
    assert runs(tmp_path) == []
    note_run(tmp_path / "results", ["pytest"], seed=1)
    note_run(tmp_path / "results", ["pytest"], seed=2)
    found = runs(tmp_path / "results")
    assert [run["options"]["seed"] for run in found] == [1, 2]
    assert {"processor", "cores", "python", "commit", "at"} <= set(found[0])


class Listens:
    """Answers all agents in the way of a small model, and notes what each is sent."""

    name = "listens/model"
    traits = SMALL

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def close(self) -> None: ...

    async def reply(self, request: ModelRequest, progress: Progress) -> ModelReply:
        self.sent += [request.system, request.prefill or "", *(message.content for message in request.messages)]
        code = "```python\ndef double(n: int) -> int:\n    return 2 * n\n```"
        plan = arch("solution.py") if request.output_schema else code
        test = "```python\ndef test_double():\n    assert double(3) == 6\n```"
        known = {"spec": spec("double"), "evaluator": judgement(), "arch": plan, "tester": test}
        said = known.get(request.agent, code)
        others = [said] * (request.choices - 1)
        usage = Usage(output_tokens=400)
        return ModelReply(text=said, alternatives=others, stop_reason="end", usage=usage, model=self.name)


PROBLEM = Problem(
    "P/0",
    'def double(n: int) -> int:\n    """Return twice n.\n    >>> double(2)\n    4\n    """\n',
    "double",
    "def check(candidate):\n    assert candidate(711) == 1422",
)


def bench_of(model: Model, tmp_path: Path) -> Bench:
    return Bench(
        model=Recorded(model),
        settings=Settings(),
        sandbox=Bubblewrap(),
        environment=bare_environment(),
        laboratory=Laboratory(Bubblewrap(), bare_environment(), RecordStore(tmp_path / "facts"), mutants=0),
        workspace=tmp_path,
        budget=1_000,
        budgets={},
        known={},
        commit="",
    )


def solution_of(arm: str, model: Model, tmp_path: Path) -> Solution:
    async def solved() -> Solution:
        try:
            return await ARMS[arm](bench_of(model, tmp_path), PROBLEM)
        finally:
            await model.close()

    return asyncio.run(solved())


@pytest.mark.parametrize("arm", ARMS)
def test_no_arm_is_sent_the_tests_of_the_data_set(arm: str, tmp_path: Path) -> None:
    model = Listens()
    assert "return 2 * n" in solution_of(arm, model, tmp_path).code
    assert [text for text in model.sent if "711" in text or "1422" in text] == []


def test_one_reply_can_be_asked_of_a_large_model_through_its_sdk(tmp_path: Path) -> None:
    said = "Here:\n```python\ndef double(n: int) -> int:\n    return 2 * n\n```"
    with messages_server([ScriptedReply(agent="", reply=said)]) as server:
        model = AnthropicModel("claude-opus-4-8", api_key="test-key-123", base_url=server.url, max_retries=0)
        found = solution_of("single", model, tmp_path)
    assert found.code == "def double(n: int) -> int:\n    return 2 * n\n"
    assert server.requests[0]["max_tokens"] == model.traits.max_output_tokens


@pytest.mark.parametrize("config", [None, "other.toml"])
def test_only_with_settings_of_its_own_does_a_benchmark_heed_a_key(
    config: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.toml").write_text("attempts = 2\n")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "a-key-for-tests")
    found = settings_of(tmp_path / config if config else None)
    assert (found.effective_backend(), found.attempts) == (("anthropic", 2) if config else ("embedded", None))


def test_without_its_measures_the_model_neither_keeps_prompts_nor_begins_or_stops_replies() -> None:
    model = Unaided(Path("model.gguf"), threads=1)
    request = ModelRequest(
        agent="impl", model=model.name, system="", messages=[Message(role="user", content="Hi")], max_tokens=9
    )
    assert (model.traits.prefill, model.traits.choices) == (False, 1)
    assert model._body(request)["cache_prompt"] is False


@pytest.mark.parametrize("module", [checkouts, speed, unaided])
def test_no_round_at_all_is_refused_and_overwrites_nothing(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["it", "--rounds", "0", *(["old", "new"] if module is checkouts else [])])
    with pytest.raises(SystemExit, match="2"):
        module.main()


def test_settings_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"--config .*none.toml: there is no such file"):
        settings_of(tmp_path / "none.toml")


def test_replies_are_taken_from_the_arm_that_is_named_or_from_the_same_one() -> None:
    found = [_folder_and_arm(text) for text in ("results:router", "results", "a:b")]
    assert found == [(Path("results"), "router"), (Path("results"), ""), (Path("a:b"), "")]


def test_the_interval_of_a_gain_holds_nothing_where_two_rates_may_be_equal() -> None:
    assert [round(100 * end, 1) for end in gain(2, 7, 60)] == [-2.2, 18.4]
    assert gain(0, 0, 10)[0] < 0 < gain(0, 0, 10)[1]
    assert gain(5, 26, 164)[0] > 0
