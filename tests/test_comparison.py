"""By which calls versions of a function are compared: those that the user and the visible checks show."""

from __future__ import annotations

from agents.context import Context
from orchestrator.evidence.comparison import calls_of
from schemas.idea import Idea
from schemas.milestone import Criterion, Milestone


def calls(check: str, *, feature: str = "double a number", holdout: bool = False) -> list[str]:
    idea = Idea.model_validate(
        {
            "name": "Calc",
            "summary": "Doubles.",
            "features": [feature],
            "acceptance": [{"id": "AC1", "statement": "two is four", "check": check, "holdout": holdout}],
        }
    )
    criteria = [Criterion(statement="two is four", check="AC1")]
    milestone = Milestone(id="M1", title="t", description="d", acceptance_criteria=criteria)
    return calls_of("double", Context(idea=idea, milestone=milestone, turn=1))


def test_a_check_shows_calls_by_name_and_by_module() -> None:
    source = "import calc as c\nfrom calc import double\nassert double(2) == 4\nassert c.double([-1, 'a']) == 0"
    assert calls(source) == ["double(2)", "double([-1, 'a'])"]


def test_a_method_of_the_same_name_is_another_thing() -> None:
    assert calls("from calc import Pair\nassert Pair(1).double(2) == 4 and other.double(3)") == []


def test_arguments_that_are_no_literals_show_no_call() -> None:
    assert calls("from calc import double\nn = 2\nassert double(n) == 4 and double(n=2) == 4 and double() == 0") == []


def test_numbers_that_no_literal_can_be_written_of_show_no_call() -> None:
    assert calls("from calc import double\nassert double(1e999) > 4 and double(2) == 4") == ["double(2)"]


def test_what_a_feature_shows_counts_too() -> None:
    assert calls("assert True", feature="double(3) returns 6") == ["double(3)"]


def test_a_hidden_check_shows_nothing() -> None:
    assert calls("from calc import double\nassert double(2) == 4", holdout=True) == []
