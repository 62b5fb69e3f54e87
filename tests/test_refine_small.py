"""One program by a small model: several versions, their agreement, and new starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.models.scripted import ScriptedModel, ScriptedReply
from schemas.errors import ExitCode
from tests.replies import SMALL
from tests.test_refine import run

TOP = """Write this function.

>>> top([1, 2])
2

def top(items):
    \"\"\"Return the largest.\"\"\"
"""

CALLED = TOP.replace("2\n\n", "\n")
"""What the call gives is not said, so nothing can be checked by it; versions can be compared."""


LARGEST, SORTED, LAST, LEAST = (
    f"```python\ndef top(items):\n    return {body}\n```"
    for body in ("max(items)", "sorted(items)[-1]", "items[-1]", "items[0]")
)


NO_FLAW = json.dumps({"reason": "It is right.", "flaws": [], "score": 10})


def small(*replies: str, versions: tuple[str, ...] = ()) -> ScriptedModel:
    """The generator's replies one by one, then several at once; the scorer finds no flaw."""
    lines = [ScriptedReply(agent="generator", reply=reply) for reply in replies]
    if versions:
        lines.append(ScriptedReply(agent="generator", reply=versions[0], alternatives=list(versions[1:])))
    return ScriptedModel([*lines, ScriptedReply(agent="scorer", reply=NO_FLAW, repeat=True)], traits=SMALL)


def asked(model: ScriptedModel) -> list[tuple[str, int]]:
    return [(request.agent, request.choices) for request in model.requests]


def test_a_small_models_two_likeliest_programs_are_enough_where_they_agree(tmp_path: Path) -> None:
    model = small(LARGEST, SORTED)
    result, code = run(tmp_path, model, prompt=TOP)
    assert (code, result.rounds[0].agreement) == (ExitCode.OK, 1.0)
    assert asked(model) == [("generator", 1), ("generator", 1)]
    assert [request.temperature for request in model.requests[:2]] == [0.0, 0.0]


def test_where_they_differ_more_versions_are_written_and_the_one_that_most_agree_with_is_taken(tmp_path: Path) -> None:
    model = small(LAST, LARGEST, versions=(SORTED, SORTED, LARGEST))
    result, code = run(tmp_path, model, prompt=TOP)
    first, second = result.rounds
    assert (code, first.score, "too few" in first.caps[0]) == (ExitCode.OK, None, True)
    assert "items[-1]\n" not in second.program
    assert second.agreement is not None
    assert 0.7 <= second.agreement < 1
    assert asked(model)[2:] == [("generator", 4)]


@pytest.mark.parametrize(("prompt", "doubted"), [(TOP, 0), ("Print the largest of a list.", 1)])
def test_a_small_scorer_is_asked_only_where_no_example_could_be_run_and_doubted_there(
    prompt: str, doubted: int, tmp_path: Path
) -> None:
    model = small(LARGEST, SORTED)
    result, code = run(tmp_path, model, prompt=prompt)
    assert (code, result.rounds[0].score, len(result.rounds[0].flags)) == (ExitCode.OK, 10.0, doubted)
    assert asked(model)[2:] == [("scorer", 1)] * doubted


def test_two_programs_must_agree_nearly_always_and_of_more_most_must(tmp_path: Path) -> None:
    rare = "```python\ndef top(items):\n    return max(items) if len(items) < 3 else items[-1]\n```"
    model = small(LARGEST, rare, versions=(SORTED, SORTED, LARGEST))
    result, code = run(tmp_path, model, prompt=TOP)
    first, second = (round_.agreement or 0.0 for round_ in result.rounds)
    assert (code, asked(model)[2:]) == (ExitCode.OK, [("generator", 4)])
    assert 0.7 <= first < 0.95
    assert 0.7 <= second < 0.95


def test_what_stays_disputed_is_accepted_for_its_examples_and_doubted(tmp_path: Path) -> None:
    """Each version returns something else for what the example does not say."""
    others = tuple(
        f"```python\ndef top(items):\n    return items[-1] + {n} * (len(items) - 2)\n```" for n in range(1, 7)
    )
    model = small(*others[:2], versions=others[2:])
    result, code = run(tmp_path, model, prompt=TOP, max_refinements=1)
    assert [round_.score for round_ in result.rounds] == [10.0, None]
    assert (code, result.best, "examples hold" in result.rounds[0].flags[0]) == (ExitCode.OK, 1, True)
    assert asked(model)[2:] == [("generator", 4)]


def test_what_stays_disputed_is_not_tried_longer_than_another_models_program(tmp_path: Path) -> None:
    """New starts beyond the third are for examples that fail."""
    texts = [f"```python\ndef top(items):\n    return items[-1] + {n} * (len(items) - 2)\n```" for n in range(1, 19)]
    rounds = [ScriptedReply(agent="generator", reply=text) for text in texts[:2]]
    rounds += [
        ScriptedReply(agent="generator", reply=texts[n], alternatives=texts[n + 1 : n + 4]) for n in range(2, 18, 4)
    ]
    result, code = run(tmp_path, ScriptedModel(rounds, traits=SMALL), prompt=TOP)
    assert (code, len(result.rounds), "examples hold" in result.rounds[0].flags[0]) == (ExitCode.OK, 4, True)


RARE = "max(items) if len(items) < 3 else items[-1]"


FLAW = {"line": "    return max(items)", "instead": f"    return {RARE}", "points": 2}


def scored(*points: int) -> list[ScriptedReply]:
    flaws: list[list[dict[str, object]]] = [[{**FLAW, "points": n}] if n else [] for n in points]
    said = [json.dumps({"reason": "It is so.", "flaws": found, "score": 10}) for found in flaws]
    return [ScriptedReply(agent="scorer", reply=reply) for reply in said]


def test_what_is_delivered_is_the_program_that_reached_the_bar(tmp_path: Path) -> None:
    """More versions agree with the one before it, which was scored below the bar."""
    lines = [
        ScriptedReply(agent="generator", reply=LARGEST),
        ScriptedReply(agent="generator", reply=f"```python\ndef top(items):\n    return {RARE}\n```"),
        ScriptedReply(agent="generator", reply=LARGEST, alternatives=[LARGEST] * 3),
        ScriptedReply(agent="refiner", reply=f"```python\ndef top(items):\n    return {RARE}\n```", repeat=True),
        *scored(2, 0),
    ]
    result, code = run(tmp_path, ScriptedModel(lines, traits=SMALL), prompt=CALLED)
    agreed = [round_.agreement or 0.0 for round_ in result.rounds]
    assert [round_.score for round_ in result.rounds] == [None, 8.0, 10.0]
    assert agreed[1] > agreed[2]
    assert (code, result.best) == (ExitCode.OK, 3)


def test_a_program_that_only_an_opinion_refuses_is_refined_no_oftener_than_another_models(tmp_path: Path) -> None:
    flaws = [FLAW, {**FLAW, "line": FLAW["instead"], "instead": FLAW["line"]}]  # whichever it is, the other is wanted
    lines = [
        ScriptedReply(agent="generator", reply=LARGEST, alternatives=[LARGEST] * 3, repeat=True),
        ScriptedReply(agent="refiner", reply=LARGEST, repeat=True),
        ScriptedReply(agent="scorer", reply=json.dumps({"reason": "No.", "flaws": flaws, "score": 8}), repeat=True),
    ]
    result, code = run(tmp_path, ScriptedModel(lines, traits=SMALL), prompt=CALLED)
    assert (code, len(result.rounds)) == (ExitCode.NOT_ACCEPTED, 4)


@pytest.mark.parametrize("local", [True, False])
def test_only_a_model_whose_tokens_cost_nothing_begins_anew_eight_times(local: bool, tmp_path: Path) -> None:
    failing = ScriptedReply(agent="generator", reply=LEAST, alternatives=[LEAST] * 3, repeat=True)
    model = ScriptedModel([failing], traits=replace(SMALL, local=local))
    result, _ = run(tmp_path, model, prompt=TOP)
    assert len(result.rounds) == (9 if local else 4)


@pytest.mark.parametrize(("settings", "attempts"), [({}, 9), ({"max_refinements": 5}, 6)])
def test_a_small_model_begins_anew_as_often_as_allowed_although_nothing_gets_better(
    settings: dict[str, Any], attempts: int, tmp_path: Path
) -> None:
    failing = ScriptedReply(agent="generator", reply=LEAST, alternatives=[LEAST] * 3, repeat=True)
    result, code = run(tmp_path, ScriptedModel([failing], traits=SMALL), prompt=TOP, **settings)
    assert (code, [round_.move for round_ in result.rounds[1:]]) == (
        ExitCode.NOT_ACCEPTED,
        ["resample"] * (attempts - 1),
    )


def test_a_version_that_fails_an_example_is_not_taken_however_many_agree_with_it(tmp_path: Path) -> None:
    model = small(LEAST, LEAST, versions=(LEAST, LEAST, LEAST, LARGEST))
    result, code = run(tmp_path, model, prompt=TOP, max_refinements=1)
    assert ("max(items)" in result.rounds[-1].program, result.rounds[-1].agreement) == (True, None)
    assert (code, "examples hold" in result.rounds[-1].flags[0]) == (ExitCode.OK, True)


def test_a_small_models_failing_program_is_begun_anew_without_an_opinion_on_it(tmp_path: Path) -> None:
    model = small(LEAST, LEAST, versions=(LARGEST, LARGEST))
    result, code = run(tmp_path, model, prompt=TOP)
    assert asked(model)[2:] == [("generator", 4)]
    assert (code, result.rounds[0].scoring, result.rounds[1].move) == (ExitCode.OK, None, "resample")
