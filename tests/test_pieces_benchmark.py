"""The pieces benchmark: its classes, and its arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from benchmarks.pieces import after, ceiling, reference
from benchmarks.pieces import report as pieces
from benchmarks.pieces.__main__ import CLASSES, Piece, classes, figures


@pytest.mark.parametrize("piece", classes(), ids=lambda piece: piece.name)
def test_a_class_can_pass_all_of_its_checks(piece: Piece) -> None:
    shown = yaml.safe_load(CLASSES.read_text(encoding="utf-8"))[piece.name]["shown"]
    for check in (shown, *piece.checks):
        exec(check, {piece.symbol: getattr(reference, piece.symbol), "pytest": pytest})  # noqa: S102


def test_few_hidden_checks_hold_for_a_class_that_does_nothing_or_refuses_everything() -> None:
    """They are named on the page; a check that holds for nothing at all would say nothing."""

    class Idle:
        def __init__(self, *given: object) -> None: ...

        def __getattr__(self, name: str) -> Callable[..., None]:
            return lambda *given: None

    class Refusing(Idle):
        def __getattr__(self, name: str) -> Callable[..., None]:
            raise ValueError(name)

    def passes(check: str, given: dict[str, object]) -> bool:
        try:
            exec(check, {**given, "pytest": pytest})  # noqa: S102
        except (Exception, pytest.fail.Exception):
            return False
        return True

    found = [
        (piece.name, number, kind.__name__)
        for piece in classes()
        for number, check in enumerate(piece.checks, 1)
        for kind in (Idle, Refusing)
        if passes(check, {piece.symbol: kind})
    ]
    assert found == [("Poll", 2, "Idle"), ("Seats", 4, "Idle"), ("Clipboard", 4, "Refusing")]


def test_further_versions_solve_a_draft_if_one_of_them_is_right() -> None:
    rows = [{"way": "told", "right": right, "output_tokens": 100 * right} for right in (0, 2, 1)]
    assert after.figures(rows)[2] == "| told | 3 | 2 | 3 of 12 | 100 |"


def test_ways_to_ask_for_four_more_are_compared_on_the_drafts_that_both_have() -> None:
    right = {"a told": 2, "a thinking": 1, "b told": 0, "b thinking": 3, "c told": 4}
    rows = [{"key": key, "way": key.split()[1], "right": number} for key, number in right.items()]
    assert pieces.more_pairs(rows)[2:] == ["| told | thinking | 1 | 1 | 1.000 | 0 | 1 | 1.000 |"]


def test_ways_to_ask_are_compared_on_the_pieces_that_all_of_them_have() -> None:
    row = {"total": 2, "output_tokens": 10}
    rows = [
        {**row, "task": t, "way": w, "passed": n} for t, w, n in (("a", "stub", 2), ("a", "free", 1), ("b", "stub", 2))
    ]
    assert figures(rows)[2:] == ["| stub | 1 | 1 | 2 of 2 | 10 |", "| free | 1 | 0 | 1 of 2 | 10 |"]


def test_versions_are_chosen_by_tests_by_features_and_by_agreement_among_those_that_meet_the_shown_check() -> None:
    row = {
        "versions": ["greedy", "many", "even", "twin", "twin", None],
        "shown": [False, True, True, True, True, False],
        "hidden": [0, 1, 2, 3, 3, 0],
        "tests": [["f", "1"], ["f", "2"], ["f", "3"], ["g", "4"], ["g", "5"]],
        "passing": [
            [True] * 5,
            [True, True, True, False, False],
            [True, False, False, True, False],
            [False, False, True, True, False],
            [False, False, True, True, False],
            [False] * 5,
        ],
    }
    expected = {"likeliest": 0, "first": 1, "mean": 2.25, "most tests": 1, "by feature": 2, "agreement": 1, "best": 3}
    assert ceiling.choices(row) == expected
    assert ceiling.choices({**row, "shown": [False, False, True, True, True, False]})["agreement"] == 3
    assert ceiling.choices({**row, "shown": [False] * 6})["most tests"] == 0


def test_tests_are_counted_by_whether_a_version_that_meets_the_shown_check_passes_them() -> None:
    row = {
        "shown": [False, True, True, False, False, True],  # the sixth is none of those that are asked
        "tests": [("f", "with pytest.raises(KeyError): a()"), ("f", "assert a"), ("f", "assert b"), ("f", "assert c")],
        "passing": [[True] * 4, [False, True, False, False], [False, True, True, False], *[[True] * 4] * 3],
        "right": [True, True, False, False],
    }
    unseen = {**row, "shown": [False] * 5 + [True]}
    found = ceiling.witnessed([row, unseen])
    assert found == [("that expect an error", "0 of 0", "1 of 1"), ("others", "1 of 2", "0 of 1")]


def test_tests_of_a_reply_are_those_that_can_be_called_as_they_are() -> None:
    tests = "def test_a():\n    assert 1\n\ndef test_b(*, tmp_path):\n    assert 1\n\ndef helper(): ...\n"
    reply = f"```python\nimport json\n{tests}```"
    assert ceiling.tests_of(reply) == ["import json\ndef helper():\n    ...\ndef test_a():\n    assert 1\ntest_a()"]
    assert ceiling.tests_of("no code (") == []
