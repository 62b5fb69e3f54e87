"""The Test agent: what it may write where, and what becomes of an interface that it has no test for."""

from __future__ import annotations

import ast
import asyncio
from dataclasses import replace
from typing import Any

import pytest

from agents.context import Context
from agents.models.scripted import ScriptedModel, ScriptedReply
from agents.proving import refuse_idle, unmentioned
from agents.skeleton import placeholder
from agents.tester import _join, write_tests
from orchestrator.evidence.static import misuses
from schemas.code_change import WrittenTests
from schemas.errors import InvalidOutput
from schemas.idea import Idea
from schemas.milestone import Criterion
from schemas.specification import Contract, Specification
from tests.model_calls import runner_for
from tests.replies import SMALL, python, spec
from tests.test_by_function import BLUEPRINT, IDEA, MILESTONE, STUB

TEST = "import pytest\nfrom calc import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
LARGE = replace(SMALL, step="project", prefill=False)
OLD = {"tests/test_m0_calc.py": "def test_old():\n    assert True\n"}


def written(
    *replies: str, small: bool = True, files: dict[str, str] | None = None, sealed: bool = True, idea: Idea = IDEA
) -> tuple[WrittenTests, ScriptedModel]:
    lines = [ScriptedReply(agent="tester", reply=reply) for reply in replies]
    model = ScriptedModel(lines, traits=SMALL if small else LARGE)
    milestone = MILESTONE if sealed else MILESTONE.model_copy(update={"acceptance_criteria": []})
    context = Context(idea=idea, milestone=milestone, turn=2, files={"calc.py": STUB, **(files or {})})
    specification = Specification.model_validate_json(spec("double"))
    return asyncio.run(write_tests(runner_for(model), context, specification, BLUEPRINT, misuses)), model


def block(path: str, source: str = TEST) -> str:
    return f"```python path={path}\n{source}```\n"


def test_tests_of_a_later_attempt_stand_beside_the_earlier_ones() -> None:
    made, _ = written(python(TEST))
    assert made.change.paths == ["tests/test_m1_calc_2.py"]


def test_an_interface_without_a_usable_test_is_named_where_sealed_checks_and_other_tests_try_it_out() -> None:
    made, _ = written(*["nonsense ("] * 3, files=OLD)
    assert made.change.writes == []
    assert made.untested[0].startswith("double: the tester agent's reply is invalid")


@pytest.mark.parametrize(("files", "sealed"), [({}, True), (OLD, False)])
def test_with_nothing_else_to_try_it_out_no_usable_test_fails_the_attempt(files: dict[str, str], sealed: bool) -> None:
    with pytest.raises(InvalidOutput):
        written(*["nonsense ("] * 3, files=files, sealed=sealed)


@pytest.mark.parametrize("path", ["tests/helpers.py", "calc.py", "tests/test_other.py", "tests/test_m1_a.txt"])
def test_a_large_model_writes_tests_of_its_milestone_only(path: str) -> None:
    _, model = written(block(path), block("tests/test_m1_unit.py"), small=False)
    assert f"{path}: tests belong in files named tests/test_m1_….py" in model.requests[1].messages[-1].content


def test_a_large_model_cannot_overwrite_a_test_that_is_there() -> None:
    there = {"tests/test_m1_unit.py": TEST}
    made, model = written(block("tests/test_m1_unit.py"), block("tests/test_m1_more.py"), small=False, files=there)
    assert "there already and stay as they are" in model.requests[0].messages[0].content
    assert "is there already and stays as it is" in model.requests[1].messages[-1].content
    assert made.change.paths == ["tests/test_m1_more.py"]


def test_parts_of_a_test_module_keep_their_own_helpers_and_all_their_tests() -> None:
    parts = [
        "DATA = 1\ndef make(): return DATA\ndef test_a(): assert make() == 1",
        "DATA = 2\ndef make(): return DATA\ndef test_a(): assert make() == 2\ndef test_a_2(): assert DATA == 2",
        "DATA = 1\ndef test_a(): assert DATA == 1 or True",
    ]
    namespace: dict[str, Any] = {}
    exec(_join(parts), namespace)  # noqa: S102  (our own code)
    tests = [name for name in namespace if name.startswith("test_")]
    assert len(tests) == 4
    for name in tests:
        namespace[name]()


def test_functions_beside_an_object_get_tests_of_their_own() -> None:
    skeleton = f"{placeholder('LIMIT')}\n{STUB}"
    model = ScriptedModel([ScriptedReply(agent="tester", reply=python(TEST), repeat=True)], traits=SMALL)
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files={"calc.py": skeleton})
    blueprint = BLUEPRINT.model_copy(update={"skeletons": {"calc.py": skeleton}})
    specification = Specification.model_validate_json(spec("double"))
    made = asyncio.run(write_tests(runner_for(model), context, specification, blueprint, misuses))
    assert "def test_double" in made.change.writes[0].content
    assert [line.partition(":")[0] for line in made.untested] == ["LIMIT"]


def test_tests_of_an_object_begin_with_what_the_checks_make_of_it() -> None:
    source = "import json\nfrom web import app\nclient = json.dumps(app)\nassert client"
    check = {"id": "AC1", "statement": "it answers", "check": source}
    idea = Idea.model_validate({"name": "Web", "summary": "s", "features": ["it answers"], "acceptance": [check]})
    milestone = MILESTONE.model_copy(update={"acceptance_criteria": [Criterion(statement="it answers", check="AC1")]})
    files = {"web.py": placeholder("app")}
    context = Context(idea=idea, milestone=milestone, turn=1, files=files)
    blueprint = BLUEPRINT.model_copy(update={"skeletons": files})
    model = ScriptedModel(
        [ScriptedReply(agent="tester", reply=python("def test_a():\n    assert client"))], traits=SMALL
    )
    specification = Specification.model_validate_json(spec("double"))
    made = asyncio.run(write_tests(runner_for(model), context, specification, blueprint, misuses))
    assert "\nclient = json.dumps(app)\n" in made.change.writes[0].content
    assert (model.requests[0].prefill or "").endswith("client = json.dumps(app)\n\n\ndef test_")


def test_a_test_of_main_that_is_written_for_a_process_is_usable() -> None:
    skeleton = "def main(argv: list[str] | None = None) -> int:\n    raise NotImplementedError\n"
    test = "def test_main():\n    done = main([])\n    assert done.returncode == 0\n    assert done.stdout == '4'"
    model = ScriptedModel([ScriptedReply(agent="tester", reply=python(test))], traits=SMALL)
    context = Context(idea=IDEA, milestone=MILESTONE, turn=1, files={"calc.py": skeleton})
    blueprint = BLUEPRINT.model_copy(update={"skeletons": {"calc.py": skeleton}})
    specification = Specification.model_validate_json(spec("main"))
    made = asyncio.run(write_tests(runner_for(model), context, specification, blueprint, misuses))
    assert "assert done_printed.out == '4'" in made.change.writes[0].content


INVENTED = "import pytest\n\ndef test_double_refuses():\n    with pytest.raises(ValueError):\n        double(-1)\n"


def test_a_small_models_test_of_an_error_that_nobody_asked_for_is_left_out() -> None:
    made, model = written(python(f"{TEST}\n\n{INVENTED}"))
    assert "test_double_refuses" not in made.change.writes[0].content
    assert "pytest.raises" not in model.requests[0].messages[0].content


def test_a_test_that_reads_the_error_goes_as_a_whole() -> None:
    reading = (
        INVENTED.replace(":\n        double", " as info:\n        double") + "    assert 'no' in str(info.value)\n"
    )
    made, _ = written(python(f"{TEST}\n\n{reading}"))
    assert "info" not in made.change.writes[0].content


@pytest.mark.parametrize("begin", ["import pytest", "from pytest import raises"])
def test_a_test_of_an_error_that_a_feature_names_stays(begin: str) -> None:
    idea = IDEA.model_copy(update={"features": ["double(n) gives 2 * n; a negative n is refused"]})
    own = INVENTED.replace("pytest.", "") if "from" in begin else INVENTED
    made, model = written(python(f"{TEST}\n\n{own.replace('import pytest', begin)}"), idea=idea)
    assert "test_double_refuses" in made.change.writes[0].content
    assert "pytest.raises" in model.requests[0].messages[0].content


PROVING = {
    "an error by a name of its own": "from pytest import raises\ndef test_f():\n    with raises(E):\n        f(1)",
    "an error behind another context": "def test_f(tmp):\n    with open(tmp) as a, pytest.raises(E):\n        f(a)",
    "an error in a call": "def test_f():\n    pytest.raises(ValueError, f, 1)",
    "an error of each case": "@parametrize('e', [pytest.raises(E)])\ndef test_f(e):\n    with e:\n        f(1)",
    "a warning": "def test_f():\n    with pytest.warns(UserWarning):\n        f(1)",
    "a mock": "def test_f(mock):\n    f(mock)\n    mock.assert_called_once_with(1)",
    "a failure": "def test_f():\n    if f(1) != 2:\n        pytest.fail('not 2')",
    "a helper": "def right(n):\n    both(n)\ndef both(n):\n    assert f(n)\ndef test_f():\n    right(1)",
    "unittest": "class StatsTests(unittest.TestCase):\n    def test_f(self):\n        self.assertEqual(f(1), 2)",
    "unittest by another class": "class B(TestCase): ...\nclass F(B):\n    def test_f(self): self.assertTrue(f(1))",
    "a method that helps": "class TestF:\n    def right(self): assert f(1)\n    def test_f(self): self.right()",
    "an inherited test": "class Cases:\n    def test_f(self): assert f(1)\nclass TestF(Cases):\n    x = 1",
    "a class within": "class TestAll:\n    class TestF:\n        def test_f(self): assert f(1)",
    "data beside it": "class TestData:\n    x = 1\ndef test_f():\n    assert f(TestData.x)",
    "a fixture called like a test": "class TestF:\n    @pytest.fixture\n    def test_client(self): ...\n"
    "    def test_f(self, test_client): assert f(test_client)",
    "a function that is a fixture": "@pytest.fixture(scope='module')\ndef test_client(): ...\n"
    "def test_f(test_client): assert f(test_client)",
    "fixtures by their names": "class TestF:\n    @pytest.mark.usefixtures('db')\n    def test_f(self): assert f(1)",
    "a text about skipping": "def test_f():\n    assert f(1) == 'pytest.skip'\n    bookmark.skip(1)",
    "what is awaited": "class F(IsolatedAsyncioTestCase):\n    async def test_f(self): self.assertTrue(await f())",
}


def refusal(source: str, *installed: str) -> str | None:
    """Why a test module is refused; None where it is taken."""
    try:
        refuse_idle(ast.parse(source), "tests/test_f.py", installed)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("source", PROVING.values(), ids=PROVING)
def test_tests_that_assert_in_whatever_way_are_taken(source: str) -> None:
    assert refusal(source) is None


IDLE = {
    "a method that only calls": ("class TestF:\n    def test_f(self): f(1)", r"TestF\.test_f asserts nothing"),
    "a method that only calls, with a fixture": (
        "class TestF:\n    @pytest.mark.usefixtures('db')\n    def test_f(self): f(1)",
        r"TestF\.test_f asserts nothing",
    ),
    "one function of two": ("def test_f(): assert f(1)\ndef test_g(): f(1)", "test_g asserts nothing"),
    "a helper that only calls": ("def right(): return f(1)\ndef test_f(): right()", "test_f asserts nothing"),
    "an error that nothing can raise": ("def test_f():\n    pytest.raises(ValueError)\n    f(1)", "asserts nothing"),
    "a class without a test": ("class TestData:\n    value = 1", "no function is named test_"),
    "a class that is not found": ("class F:\n    def test_f(self): assert f(1)", "no function is named test_"),
    "a class with a constructor": (
        "class TestF:\n    def __init__(self): ...\n    def test_f(self): assert f(1)",
        "no function is named test_",
    ),
    "a skipped method": (
        "class F(unittest.TestCase):\n    @unittest.skip('')\n    def test_f(self): self.assertTrue(f(1))",
        r"unittest\.skip is not allowed",
    ),
    "a skip by its own name": ("from pytest import skip\ndef test_f():\n    skip()\n    assert f(1)", "not allowed"),
}


@pytest.mark.parametrize(("source", "words"), IDLE.values(), ids=IDLE)
def test_tests_that_prove_nothing_are_refused(source: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        refuse_idle(ast.parse(source), "tests/test_f.py", ())


ASYNC = "{mark}async def test_f():\n    assert await f()\n"


@pytest.mark.parametrize(
    ("mark", "installed", "words"),
    [
        ("", (), "test_f is async and pytest would not run it: use asyncio.run in a def$"),
        ("@pytest.mark.asyncio\n", (), "async"),
        ("", ("pytest_asyncio",), r"in a def, or mark it with pytest\.mark\.asyncio$"),
        ("@pytest.mark.asyncio\n", ("anyio",), "async"),
    ],
)
def test_an_async_test_that_pytest_would_not_run_is_refused(mark: str, installed: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        refuse_idle(ast.parse(ASYNC.format(mark=mark)), "tests/test_f.py", installed)


@pytest.mark.parametrize(("mark", "module"), [("asyncio", "pytest_asyncio"), ("anyio", "anyio")])
def test_an_async_test_that_an_installed_plugin_runs_is_taken(mark: str, module: str) -> None:
    assert refusal(ASYNC.format(mark=f"@pytest.mark.{mark}\n"), module) is None


def test_an_async_method_that_nothing_awaits_is_refused() -> None:
    with pytest.raises(ValueError, match=r"F\.test_f is async"):
        refuse_idle(ast.parse("class F(TestCase):\n    async def test_f(self): self.assertTrue(await f())"), "t.py", ())


def contract(name: str, kind: str) -> Contract:
    rest = {"request": "r", "response": "r", "behaviour": "does it"}
    return Contract.model_validate({"kind": kind, "name": name, **rest})


MENTIONED = [
    ("/todos/{todo_id}", "endpoint", "client.get(f\"/todos/{made.json()['id']}\")"),
    ("GET /todos/{todo_id}", "endpoint", "client.get('/todos/999')"),
    ("/todos/<int:todo_id>", "endpoint", "client.get('/todos/' + str(todo))"),
    ("/todos/:id/done", "endpoint", "client.post('/todos/%d/done' % todo)"),
    ("/todos/{id}/done", "endpoint", "client.post('/todos/{}/done'.format(todo))"),
    ("/todos/{id}", "endpoint", "BASE = '/todos'\nclient.get(f'{BASE}/{todo}?full=1')"),
    ("/todos?done={flag}", "endpoint", "client.get('http://x/todos?done=1')"),
    ("/", "endpoint", "client.get('/')"),
    ("Store.add", "function", "store.add('x')"),
    ("slug(title)", "function", "assert slug('A b') == 'a-b'"),
    ("Stack.__len__", "function", "assert len(Stack()) == 0"),
    ("python -m stats count FILE", "command", "main(['count', str(path)])"),
    ("stats <file>", "command", "main([str(path)])"),
]


@pytest.mark.parametrize(("name", "kind", "source"), MENTIONED, ids=[f"{n} {s}" for n, _, s in MENTIONED])
def test_a_contract_is_mentioned_where_it_is_used_with_any_values(name: str, kind: str, source: str) -> None:
    assert unmentioned([contract(name, kind)], [ast.parse(source)]) == []


UNMENTIONED = [
    ("/todos/{todo_id}", "endpoint", "client.get('/todos')"),
    ("/todos/{todo_id}", "endpoint", "client.get('/users/' + user)"),
    ("/todos/{id}/done", "endpoint", "client.get(f'/todos/{todo}')"),
    ("/todos", "endpoint", "client.get('/todos-old')"),
    ("Store.add", "function", "assert address == Store"),
    ("stats count FILE", "command", "main(['sum', str(path)])"),
]


@pytest.mark.parametrize(("name", "kind", "source"), UNMENTIONED, ids=[f"{n} {s}" for n, _, s in UNMENTIONED])
def test_a_contract_that_no_test_uses_is_named(name: str, kind: str, source: str) -> None:
    assert unmentioned([contract(name, kind)], [ast.parse(source)]) == [name]


def test_a_large_model_is_told_which_contract_no_test_mentions() -> None:
    other = "def test_other():\n    assert 1 + 1 == 2\n"
    _, model = written(block("tests/test_m1_unit.py", other), block("tests/test_m1_unit.py"), small=False)
    assert "no test mentions the contract double" in model.requests[1].messages[-1].content
