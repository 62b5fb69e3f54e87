"""What the user's own words and checks say of a name: how it is called, what it refuses, what kind of thing it is."""

from __future__ import annotations

import pytest

from agents.context import Context
from agents.contracts import objects, refuses
from schemas.idea import Idea
from schemas.milestone import Criterion, Milestone


def context(check: str = "from calc import double\nassert double(2) == 4", *features: str) -> Context:
    idea = Idea.model_validate(
        {
            "name": "Calc",
            "summary": "Doubles.",
            "features": list(features) or ["double a number"],
            "acceptance": [{"id": "AC1", "statement": "two is four", "check": check}],
        }
    )
    criteria = [Criterion(statement="two is four", check="AC1")]
    milestone = Milestone(id="M1", title="t", description="It doubles.", acceptance_criteria=criteria)
    return Context(idea=idea, milestone=milestone, turn=1)


@pytest.mark.parametrize(
    "use",
    ["assert double(2) == 4", "assert callable(double)", "import calc\nassert double and calc.double(2) == 4"],
)
def test_what_is_called_or_callable_is_no_object(use: str) -> None:
    assert objects(context(f"from calc import double\n{use}")) == set()


def test_what_is_only_handed_on_is_an_object() -> None:
    assert objects(context("from calc import app\nassert Client(app).get('/') == 4 and callable(app)")) == {"app"}


@pytest.mark.parametrize(
    "feature",
    [
        "double(n) raises ValueError for a negative n",
        "double(n): a negative n is refused",
        "a negative number is an error",
        "double(n) must not be given text",
        "double(n) can't take text",
        "double(n) should not accept text",
        "every function raises TypeError for text, halve(n) too",
        "GET /double/x gives 404 where x is no number",
    ],
)
def test_what_a_feature_says_is_refused_is(feature: str) -> None:
    assert refuses("double", context("assert True", feature))


RAISES = "with pytest.raises(ValueError):\n    double(-1)"
TRIES = "try:\n    double(-1)\nexcept ValueError as error:\n    assert error"


@pytest.mark.parametrize("use", [RAISES, TRIES])
def test_an_error_that_a_check_wants_is_named(use: str) -> None:
    assert refuses("double", context(f"import pytest\nfrom calc import double\n{use}"))


@pytest.mark.parametrize("feature", ["double(n) gives twice n", "halve(n) raises ValueError for an odd n"])
def test_errors_of_other_functions_are_not_its_own(feature: str) -> None:
    assert not refuses("double", context("from calc import double\nassert double(2) == 4", feature))
