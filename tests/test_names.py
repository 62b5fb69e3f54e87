"""Names of Python sources: imports that are added, attributes that hide methods."""

from __future__ import annotations

from typing import Any

import pytest

from agents.merging import fill
from agents.names import imported_names, unhidden, with_imports


def test_only_imports_of_the_project_are_required() -> None:
    source = "import os, pytest, mine\nfrom mine.sub import a, b\nfrom fastapi import FastAPI\n"
    assert imported_names(source, ["fastapi"]) == {"mine": set(), "mine.sub": {"a", "b"}}


def test_missing_imports_of_the_standard_library_are_added_and_nothing_else() -> None:
    source = "def f(a: List[int]) -> str:\n    re = 1\n    return json.dumps(Counter(a)) + unknown + str(re)\n"
    result = with_imports(source)
    assert result.startswith("from collections import Counter\nfrom typing import List\nimport json\n")
    assert result.endswith(source)
    assert with_imports(result) == result


@pytest.mark.parametrize(
    ("source", "added"),
    [
        ("def f(day: date) -> date: ...\n", "from datetime import date\n"),
        ("def f(at: datetime) -> str: return at.isoformat()\n", "from datetime import datetime\n"),
        ("def f() -> str: return datetime.now().isoformat()\n", "from datetime import datetime\n"),
        ("def f(at: datetime.date) -> str: return str(at)\n", "import datetime\n"),
    ],
)
def test_a_date_is_imported_as_it_is_used(source: str, added: str) -> None:
    assert with_imports(source) == added + source


HIDING = """class Account:
    def __init__(self) -> None:
        self.history: list[int] = []  # self.history grows
        self.size = 0
        self.owner = "Ann"

    @property
    def size(self) -> int:
        return self.size

    def add(self, amount: int) -> str:
        self.history.append(amount)
        self.size = len(self.history())
        return f"{self.owner} {self.history[-1]}"

    def history(self) -> list[int]:
        return self.history[::-1]
"""


def test_an_attribute_that_hides_the_method_or_property_that_reads_it_gets_a_name_of_its_own() -> None:
    names: dict[str, Any] = {}
    exec(unhidden(HIDING), names)  # noqa: S102  (the text above)
    account = names["Account"]()
    assert [account.add(2), account.add(3), account.history(), account.size] == ["Ann 2", "Ann 3", [3, 2], 2]


HIDDEN = (
    "class A:\n    def __init__(self, f=None):\n        self.f = {value}\n\n    def f(self):\n        return self.f\n"
)


@pytest.mark.parametrize(
    "source",
    [
        HIDDEN.format(value="[]").replace("self.f = []", "if f:\n            self.f = f"),
        HIDDEN.format(value="[]").replace("return self.f", "return 1"),
        HIDDEN.format(value="f") + "\n    def g(self):\n        return self.f()\n",
        HIDDEN.format(value="0") + "\n    def __eq__(self, other):\n        return other.f == 0\n",
        HIDDEN.format(value="0") + "\n\nclass B(A):\n    def g(self):\n        return self.f + 1\n",
        HIDDEN.format(value="0") + "\n\ndef g(a):\n    return a.f + 1\n",
        HIDDEN.format(value="0") + "\n    def g(self):\n        self._f = 1\n",
        HIDDEN.format(value="0") + "\n    def g(self):\n        return getattr(self, 'f')\n",
        HIDDEN.format(value="0") + "\n    class B:\n        pass\n",
        HIDDEN.format(value="0").replace("    def f", "    @cached\n    def f"),
        HIDDEN.format(value="0").replace("    def f", "    @property\n    def f")
        + "\n    @f.setter\n    def f(self, n):\n        pass\n",
        "class A:\n    def __init__(self):\n        self.g = 1\n\n    def f(self):\n        return self.g\n",
    ],
    ids=[
        "a callback's default",
        "not read",
        "called",
        "another object",
        "a subclass",
        "a function beside it",
        "the new name in use",
        "looked for by name",
        "a class inside",
        "another decorator",
        "a setter",
        "no method of that name",
    ],
)
def test_attributes_that_may_be_meant_as_they_are_keep_their_names(source: str) -> None:
    assert unhidden(source) == source


def test_an_attribute_that_hides_its_method_is_renamed_in_the_plainest_class() -> None:
    assert unhidden(HIDDEN.format(value="0")) == HIDDEN.format(value="0").replace("self.f", "self._f")


def test_names_of_the_project_are_imported_from_their_module() -> None:
    result = with_imports("def f() -> int:\n    return g()\n", {"g": "pkg.core"})
    assert result.startswith("from pkg.core import g\n")


def test_an_import_that_is_there_under_a_longer_statement_is_not_repeated() -> None:
    module = "from typing import Any, List\n\n\ndef f(a: List[Any]) -> int:\n    raise NotImplementedError\n"
    code = "from typing import List, Any\nfrom os import *\n\n\ndef f(a: List[Any]) -> int:\n    return 1\n"
    assert fill(module, "f", code).count("import") == 1
