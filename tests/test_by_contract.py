"""Signatures in small steps: one function at a time, and only such as the sealed checks can call."""

from __future__ import annotations

import ast
import asyncio
from dataclasses import replace
from typing import Literal

import pytest

from agents import arch as arch_agent
from agents.by_contract import by_contract
from agents.context import Context
from agents.contracts import in_the_users_words, straightened
from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.names import with_imports
from agents.skeleton import open_names, stubs
from agents.spec import specify
from orchestrator.evidence.static import misuses
from schemas.architecture import PlannedFile
from schemas.errors import InvalidOutput
from schemas.idea import Idea
from schemas.milestone import Criterion
from schemas.specification import Contract, Specification
from tests.model_calls import runner_for
from tests.replies import SMALL, arch, files, spec
from tests.test_by_function import IDEA, MILESTONE, RIGHT, STUB

DOUBLE = Contract(
    kind="function", name="double", request="n: int", response="int", behaviour="Returns twice n", errors=["none"]
)
HALVE = DOUBLE.model_copy(update={"name": "halve", "behaviour": "Returns half of n"})
PLANNED = [PlannedFile(path="calc.py", purpose='Says "twice".')]
FITS = "```python\ndef double(n: int) -> int:"
MISFIT = "```python\ndef double(n: int, factor: int) -> int:"


def design(
    *replies: str, contracts: tuple[Contract, ...] = (DOUBLE,), code: str = "", again: bool = False
) -> tuple[dict[str, str], int]:
    """What is designed, and how many calls it took."""
    model = ScriptedModel([ScriptedReply(agent="arch", reply=r) for r in replies], traits=SMALL)
    files = {"calc.py": code} if code else {}
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files=files)
    made = asyncio.run(by_contract(runner_for(model), context, contracts, PLANNED, misuses, again=again))
    return made, len(model.requests)


def imported(source: str) -> set[str]:
    """Return the classes that importing ``source`` makes, without what this file imports of the future."""
    space: dict[str, object] = {}
    exec(compile(source, "module", "exec", dont_inherit=True), space)  # noqa: S102
    return {name for name, value in space.items() if isinstance(value, type) and value.__module__ == "builtins"}


def with_check(check: str, *features: str) -> Context:
    """Return the beginning of an idea with one check."""
    acceptance = [{"id": "AC1", "statement": "s", "check": check}]
    idea = Idea.model_validate({"name": "Box", "summary": "s", "features": features, "acceptance": acceptance})
    milestone = MILESTONE.model_copy(update={"acceptance_criteria": [Criterion(statement="s", check="AC1")]})
    return Context(idea=idea, milestone=milestone, turn=1)


def test_a_stub_has_the_signature_of_the_reply_and_the_docstring_of_the_contract() -> None:
    made, _ = design(FITS)
    source = made["calc.py"]
    assert source.startswith("'Says \"twice\".'\n")
    assert "def double(n: int) -> int:" in source
    assert "Returns twice n." in source
    assert "raise NotImplementedError" in source


def test_a_signature_that_the_checks_cannot_call_is_asked_for_again_and_then_refused() -> None:
    _, calls = design(MISFIT, FITS)
    assert calls == 2
    with pytest.raises(InvalidOutput, match='Missing positional argument "factor"'):
        design(MISFIT, MISFIT)


def test_type_hints_that_the_checks_contradict_are_left_out() -> None:
    made, calls = design("```python\ndef double(n: str) -> str:")
    assert calls == 1
    assert "def double(n):" in made["calc.py"]


def boxed(context: Context, *replies: str, names: str = "Box") -> str:
    """Return the module that is designed with the classes (and functions) ``names``, where ``replies`` come."""
    kinds = {name: "class" if name.istitle() else "function" for name in names.split()}
    contracts = [DOUBLE.model_copy(update={"kind": kind, "name": name}) for name, kind in kinds.items()]
    model = ScriptedModel([ScriptedReply(agent="arch", reply=f"```python\n{r}") for r in replies], traits=SMALL)
    made = asyncio.run(by_contract(runner_for(model), context, contracts, PLANNED, misuses, again=False))
    assert len(model.requests) == len(replies)
    return "\n".join(made.values())


EMPTY = "from box import Box\nb = Box()\nassert b"
OPENED = "class Box:\n    def open(self):\n        ...\n"


def test_a_class_stands_below_the_one_that_it_is_made_of() -> None:
    made = boxed(
        with_check("from zoo import Dog, Animal\nassert Dog and Animal", "a zoo"),
        "class Dog(Animal):\n    def bark(self): ...",
        "class Animal:\n    def eat(self): ...",
        names="Dog Animal",
    )
    assert imported(made) == {"Animal", "Dog"}  # a base that is not there yet would raise


@pytest.mark.parametrize(
    ("reply", "step", "begins"),
    [
        (files({"calc.py": f'"""Doubles."""\n\n{STUB}'}), "project", '"""Doubles."""\n'),
        (FITS, "function", "from __future__ import annotations\n"),
    ],
)
def test_a_module_keeps_its_docstring_where_a_large_model_wrote_it(
    reply: str, step: Literal["project", "function"], begins: str
) -> None:
    script = [ScriptedReply(agent="arch", reply=r) for r in (arch("calc.py"), reply)]
    model = ScriptedModel(script, traits=replace(SMALL, step=step))
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1)
    specification = Specification.model_validate_json(spec("double"))
    blueprint = asyncio.run(arch_agent.design(runner_for(model), context, specification, misuses))
    assert blueprint.skeletons["calc.py"].startswith(begins)


@pytest.mark.parametrize("use", ["def __init__(self, status=Status.OPEN): ...", "status: Status = Status.OPEN"])
def test_a_class_stands_below_those_that_its_defaults_are_of(use: str) -> None:
    context = with_check("from desk import Ticket, Status\nassert Ticket and Status", "a desk")
    made = boxed(context, f"class Ticket:\n    {use}", "class Status(Enum):\n    OPEN = 1", names="Ticket Status")
    assert imported(made) >= {"Status", "Ticket"}


def test_another_version_that_needs_what_stands_below_it_is_not_taken() -> None:
    context = with_check("from zoo import Dog, Animal\nassert Dog().bark(1)\nassert Animal", "a zoo")
    dogs = ["class Dog:\n    def bark(self): ...", "class Dog(Animal):\n    def bark(self, n): ..."]
    with pytest.raises(InvalidOutput, match="Animal is not there yet"):
        boxed(context, dogs[0], "class Animal: ...", dogs[1], names="Dog Animal")


@pytest.mark.parametrize("wrong", ["(Box):\n    def open(self): ...", ":\n    def join(self, other=Box): ..."])
def test_a_class_that_needs_itself_is_asked_for_again(wrong: str) -> None:
    made = boxed(with_check(EMPTY, "a box"), f"class Box{wrong}", OPENED)
    assert imported(made) == {"Box"}


def test_of_two_contracts_of_one_name_the_first_is_designed() -> None:
    context = with_check("from box import Box\nassert Box()", "a box")
    first = DOUBLE.model_copy(update={"kind": "class", "name": "Box", "behaviour": "Opens"})
    model = ScriptedModel([ScriptedReply(agent="arch", reply=f"```python\n{OPENED}")], traits=SMALL)
    both = [first, first.model_copy(update={"kind": "function"})]
    made = asyncio.run(by_contract(runner_for(model), context, both, PLANNED, misuses, again=False))
    assert (imported(made["box.py"]), len(model.requests)) == ({"Box"}, 1)


def test_a_hint_may_name_what_is_not_there_yet_in_a_file_that_reads_its_hints_at_once() -> None:
    classes = ["class Money:\n    def of(self) -> Wallet: ...", "class Wallet:\n    def all(self): ..."]
    contracts = tuple(DOUBLE.model_copy(update={"kind": "class", "name": name}) for name in ("Money", "Wallet"))
    made, _ = design(*(f"```python\n{c}" for c in classes), FITS, contracts=contracts, code="LIMIT = 3\n")
    assert imported(made["calc.py"]) == {"Money", "Wallet"}  # a hint that is read at once would raise


def test_no_name_is_imported_as_two_things() -> None:
    replies = ["def parse(text: str) -> datetime.date:", "def show(at: datetime) -> str:"]
    made = boxed(with_check("assert True", "a clock"), *replies, names="parse show")
    assert ("import datetime\n" in made, "from datetime" in made, "def show(at):" in made) == (True, False, True)


def test_a_type_hint_is_no_use_of_an_argument_of_its_name() -> None:
    assert "from datetime import date" in with_imports("def lend(date: date) -> date: ...\n")


def test_a_type_that_is_nowhere_defined_is_left_out_and_one_that_is_designed_too_is_not() -> None:
    money = DOUBLE.model_copy(update={"kind": "class", "name": "Money"})
    made, _ = design("```python\ndef double(n: int) -> Money:")
    assert "def double(n):" in made["calc.py"]
    wallet = money.model_copy(update={"name": "Wallet"})
    classes = ["class Money:\n    def of(self) -> Wallet: ...", "class Wallet: ..."]
    made, _ = design(*(f"```python\n{c}\n```" for c in classes), FITS, contracts=(money, wallet))
    assert "def of(self) -> Wallet:" in made["calc.py"]
    assert imported(made["calc.py"]) == {"Money", "Wallet"}  # what stands below is named before it is there


def test_an_object_that_the_checks_hand_on_is_a_whole_module_to_write() -> None:
    context = with_check("from web import app\nassert repr(app)", "GET / answers")
    handler = DOUBLE.model_copy(update={"name": "read_root"})
    contracts = straightened([handler], context)
    made = asyncio.run(by_contract(runner_for(ScriptedModel([])), context, contracts, PLANNED, misuses, again=False))
    assert [contract.kind for contract in contracts] == ["endpoint"]
    assert [(s.name, s.whole) for s in stubs("web.py", made["web.py"])] == [("app", True)]


def test_a_planned_file_of_an_objects_name_makes_it_no_module() -> None:
    uses = ["repr(app) != tools.name()", "app.client() != tools.name()", "app.client() and reload(tools)"]
    for use in uses:
        context = with_check(f"from web import app, tools\nassert {use}", "GET / answers", "name() tells its name")
        context = replace(context, files={"web/naming.py": "def name(): return 1\n"})
        planned = [PlannedFile(path=f"web/{name}.py", purpose="answers") for name in ("app", "tools")]
        made = asyncio.run(by_contract(runner_for(ScriptedModel([])), context, [], planned, misuses, again=False))
        assert open_names(made["web/__init__.py"]) == ["app"], use


def test_what_a_feature_writes_as_a_call_is_designed_beside_an_object_and_an_object_is_no_function() -> None:
    check = {"id": "AC1", "statement": "s", "check": "from web import app, LIMIT\nassert repr(app) and LIMIT"}
    features = ["GET / answers", "longest(words) gives the longest word"]
    idea = Idea.model_validate({"name": "Web", "summary": "s", "features": features, "acceptance": [check]})
    milestone = MILESTONE.model_copy(update={"acceptance_criteria": [Criterion(statement="s", check="AC1")]})
    named = [DOUBLE.model_copy(update={"name": name}) for name in ("app", "LIMIT", "longest", "get_root")]
    found = straightened(named, Context(idea=idea, milestone=milestone, turn=1))
    assert [contract.kind for contract in found] == ["endpoint", "endpoint", "function", "endpoint"]


def test_a_class_that_was_taken_for_a_function_is_one_and_its_methods_are_no_functions() -> None:
    check = {"id": "AC1", "statement": "s", "check": "from box import Box\nassert Box().open() is None"}
    idea = Idea.model_validate({"name": "Box", "summary": "s", "features": ["Box() has a lid"], "acceptance": [check]})
    milestone = MILESTONE.model_copy(update={"acceptance_criteria": [Criterion(statement="s", check="AC1")]})
    named = [DOUBLE.model_copy(update={"name": name}) for name in ("Box", "open", "shut", "double")]
    context = Context(idea=idea, milestone=milestone, turn=1)
    contracts = straightened(named, context)
    assert (contracts[0].kind, contracts[0].name) == ("class", "Box")
    box = "class Box:\n    def open(self): ...\n    def shut(self): ..."
    replies = [ScriptedReply(agent="arch", reply=f"```python\n{code}\n```") for code in (box, "def double(n):")]
    model = ScriptedModel(replies, traits=SMALL)
    made = asyncio.run(by_contract(runner_for(model), context, contracts, PLANNED, misuses, again=False))
    found = {n.name for s in made.values() for n in ast.parse(s).body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    assert found == {"Box", "double"}


def test_what_is_there_already_is_not_asked_for_again() -> None:
    made, calls = design(code=RIGHT)
    assert (made, calls) == ({}, 0)


def test_a_revised_contract_is_asked_for_again() -> None:
    made, calls = design(FITS, code=RIGHT, again=True)
    assert calls == 1
    assert "return 2 * n" not in made["calc.py"]


def test_names_that_the_checks_call_and_nobody_specified_are_designed_too() -> None:
    made, calls = design("```python\ndef halve(n: int) -> int:", FITS, contracts=(HALVE,))
    assert calls == 2
    assert made["calc.py"].count("def ") == 2


def test_a_class_that_the_checks_only_hand_on_is_designed_and_a_constant_is_an_object() -> None:
    source = (
        "import pytest\nfrom calc import LIMIT, TooMuch\nwith pytest.raises(TooMuch):\n    raise TooMuch\nassert LIMIT"
    )
    idea = IDEA.model_copy(update={"acceptance": [IDEA.acceptance[0].model_copy(update={"check": source})]})
    context = Context(idea=idea, milestone=MILESTONE, turn=1)
    model = ScriptedModel([ScriptedReply(agent="arch", reply="class TooMuch(Exception):\n    pass\n")], traits=SMALL)
    made = asyncio.run(by_contract(runner_for(model), context, [], PLANNED, misuses, again=False))
    assert "class TooMuch(Exception)" in made["calc.py"]
    assert "LIMIT: Any = ..." in made["calc.py"]


def test_no_line_of_a_docstring_can_end_the_block_that_it_is_shown_in() -> None:
    fenced = DOUBLE.model_copy(update={"behaviour": "Doubles:\n```\ndouble(2) == 4\n```"})
    made, _ = design(FITS, contracts=(fenced,))
    assert not any(line.strip() == "```" for line in made["calc.py"].split("\n"))


def test_a_dataclass_gets_no_further_field() -> None:
    check = {"id": "AC1", "statement": "s", "check": "from box import Box\nassert Box(3).size == 3"}
    idea = Idea.model_validate({"name": "Box", "summary": "s", "features": ["a box"], "acceptance": [check]})
    milestone = MILESTONE.model_copy(update={"acceptance_criteria": [Criterion(statement="s", check="AC1")]})
    box = DOUBLE.model_copy(update={"kind": "class", "name": "Box"})
    code = "from dataclasses import dataclass\n@dataclass\nclass Box:\n    width: int\n"
    code += "    def __post_init__(self):\n        self.size = self.width\n"
    model = ScriptedModel([ScriptedReply(agent="arch", reply=f"```python\n{code}```", repeat=True)], traits=SMALL)
    context = Context(idea=idea, milestone=milestone, turn=1)
    with pytest.raises(InvalidOutput, match='"Box" has no attribute "size"'):
        asyncio.run(by_contract(runner_for(model), context, [box], PLANNED, misuses, again=False))


def test_a_reply_without_the_function_is_sent_back() -> None:
    _, calls = design("```python\nclass Other:", FITS)
    assert calls == 2


@pytest.mark.parametrize(
    ("features", "behaviour"),
    [
        (
            ["double(number) gives twice the number", "halve(number) gives half"],
            "double(number) gives twice the number.",
        ),
        (["`double` gives twice.", "double(0) is refused"], "`double` gives twice. double(0) is refused."),
        (["double everything", "redouble(number) gives four times"], "Twice the number"),
        (
            [f"double(number) {'is long ' * 40}", f"double(number) {'has more ' * 40}"],
            f"double(number) {'is long ' * 40}".strip() + ".",
        ),
    ],
)
def test_a_feature_that_names_a_function_says_what_it_does_in_the_users_words(
    features: list[str], behaviour: str
) -> None:
    idea = Idea(name="Numbers", summary="Numbers.", features=[feature.strip() for feature in features])
    contract = DOUBLE.model_copy(update={"behaviour": "Twice the number"})
    assert in_the_users_words(contract, idea).behaviour == behaviour


def test_functions_that_a_milestones_criteria_write_as_calls_are_asked_for() -> None:
    criterion = Criterion(statement="halve(number) gives half, as len(x) stays; Box.open(key) opens")
    milestone = MILESTONE.model_copy(update={"acceptance_criteria": [criterion]})
    model = ScriptedModel([ScriptedReply(agent="spec", reply=spec("halve"))], traits=SMALL)
    asyncio.run(specify(runner_for(model), Context(idea=IDEA, milestone=milestone, turn=1)))
    assert '"contracts": halve, and what else is new' in model.requests[0].messages[0].content


GIVEN = """
Double a number.

from math import pi  # kept as it is

def half(n):
    return n / pi * pi / 2

def double(n, times=1):
    '''Return twice n, so often.

    >>> double(2)
    4
    '''"""


def given(text: str, *, code: str = "", again: bool = False, contract: Contract = DOUBLE) -> tuple[str, int]:
    """Return the module that comes of a milestone that ``text`` describes, and how many signatures were asked for."""
    model = ScriptedModel([ScriptedReply(agent="arch", reply=FITS, repeat=True)], traits=SMALL)
    milestone = MILESTONE.model_copy(update={"description": text})
    context = Context(idea=IDEA, milestone=milestone, turn=1, files={"calc.py": code} if code else {})
    made = asyncio.run(by_contract(runner_for(model), context, [contract], PLANNED, misuses, again=again))
    return made.get("calc.py", ""), len(model.requests)


def test_a_function_that_the_user_has_begun_is_taken_as_it_is_with_what_stands_above_it() -> None:
    made, calls = given(GIVEN)
    assert calls == 0
    assert [symbol.name for symbol in stubs("calc.py", made)] == ["double"]
    assert made.startswith(GIVEN[GIVEN.index("from math") :])


@pytest.mark.parametrize(
    "stub",
    [
        "def double(n): '''Return twice n.'''",
        "def double(n):\n\t'''Return\n\ttwice n.'''",
        "@staticmethod\ndef double(n): '''Return twice n.'''",
    ],
)
def test_however_it_is_written_it_becomes_a_stub(stub: str) -> None:
    made, calls = given(stub)
    assert calls == 0
    assert [symbol.name for symbol in stubs("calc.py", made)] == ["double"]


@pytest.mark.parametrize(
    "text",
    [
        GIVEN.replace("double", "treble"),
        GIVEN.replace("n, times=1", "n, times"),  # the check calls it with one argument
        GIVEN.replace(">>> double(2)", "```\n    double(2)\n    ```"),  # no prompt could show it in one block
        GIVEN.replace("def double(n", "def double(n: Money"),
        GIVEN.replace("from math", "from money"),
        GIVEN.replace("def double", "@cached\ndef double"),
    ],
)
def test_what_can_not_be_the_milestones_function_is_asked_for(text: str) -> None:
    made, calls = given(text)
    assert calls == 1
    assert "def double(n: int)" in made


@pytest.mark.parametrize("again", [False, True])
def test_what_the_user_has_begun_and_is_there_by_now_stays(again: bool) -> None:
    assert given(GIVEN, code=RIGHT, again=again) == ("", 0)
