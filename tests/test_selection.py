"""What of the project an agent is shown."""

from __future__ import annotations

from dataclasses import replace

from agents.context import Context
from agents.selection import INTERFACE_TOKENS, interfaces, whole
from schemas.call import estimated_tokens
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
