"""The interface of one class by a small model: what is kept of a reply, and what is asked for again."""

from __future__ import annotations

import ast
import asyncio

import pytest

from agents.by_contract import by_contract
from agents.models.scripted import ScriptedModel, ScriptedReply
from orchestrator.evidence.static import misuses
from tests.model_calls import runner_for
from tests.replies import SMALL
from tests.test_by_contract import DOUBLE, EMPTY, OPENED, PLANNED, boxed, with_check

LONG = f"class Box:\n    # {'x' * 1_400}\n"
"""Longer than what was not cut off."""


def test_the_interface_of_a_class_keeps_the_attributes_that_checks_use_and_tells_of_its_methods() -> None:
    context = with_check("from box import Box\nassert Box(3).size == 3", "open() lifts the lid", "the lid is red")
    box = DOUBLE.model_copy(update={"kind": "class", "name": "Box"})
    code = "class Box:\n    def __init__(self, size):\n        self.size = size\n        self.lid = 1\n"
    code += "    def open(self):\n        ..."
    model = ScriptedModel([ScriptedReply(agent="arch", reply=f"```python\n{code}\n```")], traits=SMALL)
    made = asyncio.run(by_contract(runner_for(model), context, [box], PLANNED, misuses, again=False))
    tree = ast.parse(made["box.py"]).body[-1]
    assert isinstance(tree, ast.ClassDef)
    assert ast.get_docstring(tree) == "s\n\n- open() lifts the lid\n- the lid is red"
    assert [ast.unparse(n) for n in tree.body if isinstance(n, ast.AnnAssign)] == ["size: Any"]


def test_of_a_class_that_was_cut_off_the_methods_are_kept_that_somebody_asks_for() -> None:
    features = ["`open` lifts the lid", "the property is_red tells the colour"]
    context = with_check("from box import Box\nassert Box(3).weigh() == 3", *features)
    box = DOUBLE.model_copy(update={"kind": "class", "name": "Box"})
    names = ["__init__", "weigh", "open", "is_red", "shake", "shake_twice", "shake_thrice"]
    code = LONG + "".join(f"    def {n}(self, *more):\n        ...\n" for n in names) + "    def shake_fo"
    model = ScriptedModel([ScriptedReply(agent="arch", reply=f"```python\n{code}")], traits=SMALL)
    made = asyncio.run(by_contract(runner_for(model), context, [box], PLANNED, misuses, again=False))
    (tree,) = [n for n in ast.parse(made["box.py"]).body if isinstance(n, ast.ClassDef)]
    assert [n.name for n in tree.body if isinstance(n, ast.FunctionDef)] == names[:4]


def test_a_class_that_is_wrong_in_its_middle_is_asked_for_again() -> None:
    context = with_check("from box import Box\nassert Box(3).weigh() == 3", "open() lifts the lid")
    right = "class Box:\n" + "".join(
        f"    def {n}(self, *m):\n        ...\n" for n in ("__init__", "weigh", "open", "shut")
    )
    replies = [right.replace("open(self, *m):", "open(self, *m)"), right]
    model = ScriptedModel([ScriptedReply(agent="arch", reply=f"```python\n{r}```") for r in replies], traits=SMALL)
    box = DOUBLE.model_copy(update={"kind": "class", "name": "Box"})
    made = asyncio.run(by_contract(runner_for(model), context, [box], PLANNED, misuses, again=False))
    assert "def shut(self" in made["box.py"]


def test_a_class_that_was_cut_off_before_its_first_method_is_asked_for_again() -> None:
    cut = LONG + "    def __init__(self) -> None:\n        self.x = [1, 2, 3"
    assert "def open(self)" in boxed(with_check(EMPTY, "a box opens"), cut, OPENED)


@pytest.mark.parametrize("end", ["\n        ...\n", " ..."])
def test_a_class_whose_last_method_is_wrong_rather_than_cut_off_is_asked_for_again(end: str) -> None:
    wrong, right = (f"{OPENED}    def shut(self) -> None{colon}{end}" for colon in ("", ":"))
    assert "def shut(self)" in boxed(with_check(EMPTY, "shut() closes it"), wrong, right)


@pytest.mark.parametrize("end", ["\n# Example\nbox = Box(", "    names: list[str] = [", "\nclass Lid:\n    def tu"])
def test_what_is_cut_off_behind_a_class_or_its_methods_costs_it_no_method(end: str) -> None:
    context = with_check(EMPTY, "open() lifts the lid")
    assert "def open(self)" in boxed(context, f"{LONG}    def open(self):\n        ...\n{end}")


def test_an_enumeration_that_was_cut_off_in_a_method_keeps_its_members() -> None:
    cut = LONG.replace("Box", "Box(Enum)") + "    RED = 1\n\n    def tell(self):\n        return f'{self.na"
    assert "RED = 1" in boxed(with_check("from box import Box\nassert Box.RED", "a box"), cut)


def test_how_a_class_helps_itself_is_not_designed() -> None:
    assert "_lift" not in boxed(with_check(EMPTY, "a box"), f"{OPENED}    def _lift(self):\n        ...\n")


def test_of_a_class_that_was_cut_off_what_python_calls_itself_and_what_contracts_name_is_kept() -> None:
    check = "from box import Box\nassert len(Box()) == 0"
    methods = "".join(f"    def {name}(self):\n        ...\n" for name in ("__len__", "shake", "rattle"))
    made = boxed(with_check(check, "it shakes"), f"{LONG}{methods}    def shake_tw", names="Box shake")
    assert ("def __len__" in made, made.count("def shake"), "rattle" in made) == (True, 1, False)


def test_an_attribute_of_a_type_that_is_nowhere_defined_may_be_anything() -> None:
    made = boxed(with_check(EMPTY, "a box"), "class Box:\n    items: list[Item]\n")
    assert "items: Any" in made
