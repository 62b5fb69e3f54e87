"""Revising a specification: a contract takes the place of the one that it is a new version of, and of no other."""

from __future__ import annotations

import pytest

from schemas.specification import Contract, NonFunctional, Specification, SpecRevision, UserStory


def contract(name: str, method: str, behaviour: str = "as before") -> Contract:
    return Contract.model_validate(
        {"kind": "endpoint", "name": name, "method": method, "request": "r", "response": "r", "behaviour": behaviour}
    )


def revised(before: list[Contract], changes: list[Contract]) -> list[tuple[str, str, str]]:
    specification = Specification(
        prd=["A paragraph that is long enough."] * 2,
        user_stories=[UserStory(role="user", want="to list items", benefit="I see them")] * 3,
        contracts=before,
        data_model=[],
        non_functional=NonFunctional(performance="none", security="none", scalability="none"),
    )
    after = SpecRevision(reason="it failed", contracts=changes).apply(specification)
    return [(c.name, c.method, c.behaviour) for c in after.contracts]


BOTH = [contract("/items", "GET"), contract("/items", "POST")]


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ([("POST", "new")], [("GET", "as before"), ("POST", "new")]),
        ([("POST", "new"), ("GET", "newer")], [("GET", "newer"), ("POST", "new")]),
        ([("DELETE", "new")], [("GET", "as before"), ("POST", "as before"), ("DELETE", "new")]),
    ],
)
def test_methods_of_one_path_are_contracts_of_their_own(
    changes: list[tuple[str, str]], after: list[tuple[str, str]]
) -> None:
    found = revised(BOTH, [contract("/items", method, said) for method, said in changes])
    assert found == [("/items", method, said) for method, said in after]


def test_a_path_without_a_method_may_be_split_into_two() -> None:
    split = revised([contract("/items", "call")], [contract("/items", "GET"), contract("/items", "POST")])
    assert [method for _, method, _ in split] == ["GET", "POST"]


def test_a_further_method_takes_no_place() -> None:
    assert [m for _, m, _ in revised([contract("/items", "GET")], [contract("/items", "DELETE")])] == ["GET", "DELETE"]


def test_a_contract_whose_method_was_wrong_is_replaced() -> None:
    assert revised([contract("f", "GET")], [contract("f", "call", "new")]) == [("f", "call", "new")]


def test_a_new_name_is_added() -> None:
    assert revised([contract("f", "call")], [contract("g", "call")])[1][0] == "g"
