"""What of the project an agent is shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

from agents.context import Context
from agents.selection import INTERFACE_TOKENS, WHOLE_TOKENS, interfaces, whole
from orchestrator.attempt import Attempt, Work
from schemas.call import estimated_tokens
from schemas.evidence import Evidence
from schemas.test_report import Failure, TestReport
from tests.test_by_function import IDEA, MILESTONE


def function(name: str, imports: str = "") -> str:
    return f'"""Home of {name}."""\n{imports}\n\ndef {name}() -> int:\n    """Return 1."""\n    return 1\n'


CODE = {
    "app/far.py": function("far"),
    "app/imported.py": function("imported"),
    "app/mine.py": function("mine", "from app.imported import imported\n"),
    "app/nearby.py": function("nearby"),
    "calc.py": function("double"),
    "tests/test_far.py": function("test_far"),
}
CONTEXT = Context(IDEA, MILESTONE, turn=1, files=CODE, focus={"app/mine.py"}, nearby={"app/nearby.py"})


def test_what_the_milestone_works_on_is_shown_whole() -> None:
    assert whole(CONTEXT) == {"app/mine.py": CODE["app/mine.py"]}


def test_of_what_it_touches_the_interfaces_are_shown_and_of_the_rest_the_names() -> None:
    shown = interfaces(CONTEXT, without=["app/mine.py"])
    assert isinstance(shown["interfaces"], dict)
    assert list(shown["interfaces"]) == ["calc.py", "app/imported.py", "app/nearby.py"]  # the check imports calc
    assert shown["elsewhere"] == ["app/far.py: far"]


def test_where_there_is_no_room_modules_are_named_and_the_oldest_left_out() -> None:
    many = {f"app/m{n:03}.py": function(f"f{n}") + "# x\n" * n for n in range(200)}
    shown = interfaces(replace(CONTEXT, files=many, nearby=set(many)))
    assert isinstance(shown["interfaces"], dict)
    assert isinstance(shown["elsewhere"], list)
    assert sum(map(estimated_tokens, shown["interfaces"].values())) <= INTERFACE_TOKENS
    assert shown["elsewhere"][0].endswith("more files")
    assert shown["elsewhere"][-1] == "app/m199.py: f199"


def test_what_is_worked_on_is_shown_however_long_it_is() -> None:
    methods = "".join(
        f'    def m{n}(self) -> int:\n        """Return {n}."""\n        return {n}\n\n' for n in range(200)
    )
    long = {**CODE, "app/store.py": f"class Store:\n{methods}"}
    shown = interfaces(replace(CONTEXT, files=long), also=["app/store.py"])
    assert "def m199" in str(shown["interfaces"])


def test_behind_a_package_the_modules_are_shown_that_it_takes_its_names_from() -> None:
    files = {"calc/__init__.py": "from calc.core import double as double\n", "calc/core.py": function("double")}
    shown = interfaces(replace(CONTEXT, files=files, focus=()))
    assert "def double" in str(shown["interfaces"])


def test_what_is_shown_whole_is_bounded() -> None:
    many = {f"app/m{n:03}.py": function(f"f{n}") * 40 for n in range(300)}
    for focus in ([], list(many)):
        shown = whole(replace(CONTEXT, files=many, focus=focus))
        assert 0 < sum(map(estimated_tokens, shown.values())) <= WHOLE_TOKENS


def test_a_failing_test_points_at_what_it_imports_and_at_no_other_module_with_that_name(tmp_path: Path) -> None:
    modules = {f"app/m{n}.py": function("run") for n in range(50)}
    test = "from app.m7 import run\n\n\ndef test_run():\n    assert run() == 2\n"
    failure = Failure(
        test="tests/test_x.py::test_run", error="assert 1 == 2", location="tests/test_x.py:5", source=test
    )
    report = TestReport(total=1, passed=0, failed=1, failures=[failure])
    facts = Evidence(generated=report, acceptance=None, program=None)
    work = Work(files={}, checks=[], base=modules)
    files = {**modules, "tests/test_x.py": test}
    focus = Attempt(Mock(), MILESTONE, work, 1, "generate", Mock(), files, facts)._focus()
    assert focus == {"app/m7.py", "tests/test_x.py"}
