"""Skeletons: comparing, filling in and wiring Python by code."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from agents.merging import emptied, fill, merge, wire
from agents.names import imported_names, top_names, unhidden, with_imports
from agents.skeleton import interface, missing_names, module_path, signature_gaps, stubs, unwritten

MODULE = '''"""A module."""

from __future__ import annotations

LIMIT = 3


def one(a: int) -> int:
    """First."""
    raise NotImplementedError


class Box:
    """A box."""

    def put(self, item: str) -> None:
        """Put."""
        ...


if __name__ == "__main__":
    print(one(1))
'''


def test_an_interface_keeps_signatures_and_docstrings_and_no_bodies() -> None:
    result = interface('from os import *\ndef f(a: int) -> int:\n    """Doc."""\n    return a + 1\n')
    assert result == 'def f(a: int) -> int:\n    """Doc."""\n    raise NotImplementedError\n'


def test_stubs_are_found_whatever_stands_for_a_body() -> None:
    assert [s.name for s in stubs("m.py", MODULE)] == ["one", "Box"]
    assert stubs("m.py", "def f():\n    return 1\n") == []


SINK = "class Sink:\n    def write(self, text: str) -> int:\n        raise NotImplementedError\n"
FILE = "class FileSink(Sink):\n    def write(self, text: str) -> int:\n        {body}\n"
WRITTEN = {
    "a group of commands": '@click.group()\ndef cli() -> None:\n    """Text statistics."""\n',
    "a decorated function without hints": '@click.group()\ndef cli():\n    """Text statistics."""\n',
    "a hook": "def on_exit() -> None:\n    pass\n",
    "what a subclass writes": SINK + FILE.format(body="return len(text)"),
    "what a subclass of a subclass writes": SINK
    + "class A(Sink):\n    x = 1\n"
    + FILE.format(body="return 1").replace("(Sink", "(A"),
    "a sink of nothing": 'class NullSink:\n    def write(self, text: str) -> None:\n        """Drop the text."""\n',
    "an error": 'class Broken(Exception):\n    """It is broken."""\n',
}


@pytest.mark.parametrize("source", WRITTEN.values(), ids=WRITTEN)
def test_what_does_nothing_on_purpose_or_is_written_by_a_subclass_is_no_stub(source: str) -> None:
    assert unwritten({"m.py": source}) == []


@pytest.mark.parametrize("body", ["pass", '"""Save it."""', "..."])
def test_a_reply_that_only_repeats_what_it_was_begun_with_is_no_code(body: str) -> None:
    with pytest.raises(ValueError, match="save has no real body yet"):
        fill(STUB_OF_SAVE, "save", f"def save(text: str) -> None:\n    {body}\n")


STUB_OF_SAVE = 'def save(text: str) -> None:\n    """Save it."""\n    raise NotImplementedError\n'

UNWRITTEN = {
    "a body of dots": ("def f() -> None: ...", "f"),
    "nothing to return": ('def f() -> int:\n    """One."""', "f"),
    "nothing to return, passed by": ("def f() -> int:\n    pass", "f"),
    "a property": ('class A:\n    @property\n    def x(self) -> int:\n        """X."""', "A.x"),
    "no subclass": (SINK, "Sink.write"),
    "a class of the same name": (SINK + "class FileSink:\n    def write(self, text): return 1", "Sink.write"),
    "an object": ("from typing import Any\napp: Any = ...", "app"),
}


@pytest.mark.parametrize(("source", "name"), UNWRITTEN.values(), ids=UNWRITTEN)
def test_what_is_still_a_stub_is_named(source: str, name: str) -> None:
    assert unwritten({"m.py": source}) == [f"m.py: {name}"]


def test_a_method_is_written_where_a_subclass_in_another_file_writes_it() -> None:
    files = {"base.py": SINK, "file.py": "import base\n" + FILE.format(body="return 1").replace("(Sink", "(base.Sink")}
    assert unwritten(files) == []
    files["file.py"] = files["file.py"].replace("return 1", "raise NotImplementedError")
    assert unwritten(files) == ["base.py: Sink.write", "file.py: FileSink.write"]


def test_filling_replaces_one_definition_and_leaves_the_rest() -> None:
    code = (
        "import math\n\ndef helper():\n    return 1\n\n"
        "def one(a: int) -> int:\n    return math.floor(a) + helper()\n\nprint(one(2))\n"
    )
    result = fill(MODULE, "one", code)
    assert '"""First."""' in result
    assert "print(one(2))" not in result
    assert result.index("import math") < result.index("LIMIT") < result.index("def helper") < result.index("def one")
    assert [s.name for s in stubs("m.py", result)] == ["Box"]


def test_filling_can_be_repeated_without_effect() -> None:
    code = "def one(a: int) -> int:\n    return a\n"
    assert fill(fill(MODULE, "one", code), "one", code) == fill(MODULE, "one", code)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def other(): return 1", "does not define one"),
        ("def one(a: int) -> int: ...", "no real body"),
        ("def one(a, b): return 1", "keep the signature"),
        ("async def one(a): return 1", "keep the signature"),
        ("class one: pass", "must be a function"),
        ("def one(", "was never closed"),
    ],
)
def test_code_that_breaks_the_contract_is_refused(code: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fill(MODULE, "one", code)


def test_a_decorator_of_the_skeleton_is_kept() -> None:
    module = "import app\n\n@app.get('/x')\ndef f():\n    ...\n"
    assert "@app.get('/x')\ndef f():\n    return 1" in fill(module, "f", "def f():\n    return 1\n")


def test_merging_keeps_code_and_adds_what_is_new_before_the_main_block() -> None:
    done = fill(MODULE, "one", "def one(a: int) -> int:\n    return a\n")
    result = merge(done, 'import re\ndef one(a: int) -> int:\n    """First."""\n    ...\ndef two() -> None:\n    ...\n')
    assert "return a" in result
    assert result.index("def two") < result.index("if __name__")
    assert "import re" in result


def test_merging_turns_a_changed_signature_or_docstring_into_a_stub() -> None:
    done = fill(MODULE, "one", "def one(a: int) -> int:\n    return a\n")
    for skeleton in (
        "def one(a: int, b: int) -> int:\n    ...\n",
        'def one(a: int) -> int:\n    """Else."""\n    ...\n',
    ):
        assert "one" in [s.name for s in stubs("m.py", merge(done, skeleton))]


def test_gaps_name_what_is_missing_or_different() -> None:
    found = signature_gaps("m.py", MODULE, "def one(b): pass\nclass Box: pass\n")
    assert found == ["m.py: keep the signature def one(a: int)", "m.py: Box lacks the method put"]
    assert signature_gaps("m.py", MODULE, MODULE) == []
    assert signature_gaps("m.py", MODULE, "") == ["m.py: one is missing", "m.py: Box is missing"]


def test_only_imports_of_the_project_are_required() -> None:
    source = "import os, pytest, mine\nfrom mine.sub import a, b\nfrom fastapi import FastAPI\n"
    assert imported_names(source, ["fastapi"]) == {"mine": set(), "mine.sub": {"a", "b"}}


def test_missing_modules_and_names_are_said() -> None:
    files = {"pkg/__init__.py": "x = 1\n", "pkg/sub.py": ""}
    assert missing_names(files, {"pkg": {"x", "sub", "y"}, "other": set()}) == [
        "the module other is missing: plan other.py",
        "pkg/__init__.py must define y",
    ]


def test_wiring_adds_packages_and_re_exports() -> None:
    files = wire({"pkg/core.py": "def f(): return 1\n"}, {"pkg": {"f"}})
    assert missing_names(files, {"pkg": {"f"}}) == []
    assert module_path("pkg", files) == "pkg/__init__.py"
    assert "from pkg.core import f as f" in files["pkg/__init__.py"]


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


SHAPES = {
    "an abstract method": "class S(ABC):\n    @abstractmethod\n    def area(self) -> float: ...",
    "a protocol": "class S(Protocol):\n    def area(self) -> float: ...",
    "an overload": "@overload\ndef f(x: int) -> int: ...\n@overload\ndef f(x: str) -> str: ...\ndef f(x): return x",
}


@pytest.mark.parametrize("source", SHAPES.values(), ids=SHAPES)
def test_what_has_no_body_by_nature_is_no_stub(source: str) -> None:
    assert stubs("s.py", source) == []


def test_a_property_with_a_setter_keeps_its_signatures() -> None:
    skeleton = """class Box:
    @property
    def size(self) -> int: ...
    @size.setter
    def size(self, value: int) -> None: ...
"""
    code = skeleton.replace("-> int: ...", "-> int:\n        return 1").replace(
        "-> None: ...", "-> None:\n        pass"
    )
    assert signature_gaps("b.py", skeleton, code) == []
    assert "lacks the method size" in signature_gaps("b.py", skeleton, code.partition("    @size")[0])[0]


def test_a_constant_stands_below_what_it_uses() -> None:
    skeleton = "NOTES: dict[int, Note] = {}\n\nclass Note:\n    def text(self) -> str: ...\n\nSIZE = 3\n"
    merged = merge('"""Notes."""\n', skeleton)
    order = [ast.unparse(node).split(":")[0].split(" =")[0] for node in ast.parse(merged).body]
    assert order[1:] == ["SIZE", "class Note", "NOTES"]


def test_a_table_of_helpers_is_filled_in_below_them() -> None:
    code = "def helper(): return 1\nTABLE = {'x': helper}\ndef f(): return TABLE['x']()\n"
    namespace: dict[str, Any] = {}
    exec(fill("def f(): raise NotImplementedError\n", "f", code), namespace)  # noqa: S102  (our own code)
    assert namespace["f"]() == 1


def test_a_method_that_does_nothing_does_not_make_a_class_a_stub() -> None:
    assert stubs("h.py", "class H:\n    def get(self): return 1\n    def log(self): pass\n") == []


def test_a_class_keeps_its_code_where_a_skeleton_adds_a_method() -> None:
    one, two = "    def one(self) -> int:\n        return 1\n", "    def two(self) -> int:\n        return 2\n"
    store = f"class Store:\n    size = 3\n\n{one}\n{two}"
    wish = "class Store:\n    def two(self, by: int) -> int: ...\n    def three(self) -> int: ...\n"
    merged = merge(store, interface(wish))
    assert "size = 3" in merged
    assert "return 1" in merged
    assert "return 2" not in merged
    assert merged.count("raise NotImplementedError") == 2
    assert [symbol.name for symbol in stubs("m.py", merged)] == ["Store"]


RICH = '''"""Reads settings."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, overload

try:
    import tomllib
except ImportError:
    import tomli as tomllib

if TYPE_CHECKING:
    from app.models import User

LIMIT = 3


@overload
def find(key: int) -> int: ...


@overload
def find(key: str) -> str: ...


def find(key: int | str) -> int | str: ...


@singledispatch
def render(value: object) -> str: ...


@render.register
def _(value: int) -> str: ...


@render.register
def _(text: str) -> str: ...


load(LIMIT)
'''


def code_of(source: str) -> str:
    """Return ``source`` as it would be, were it written: each stub with a body."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and "overload" not in map(ast.unparse, node.decorator_list):
            node.body = [ast.parse("return str(LIMIT)").body[0]]
    return ast.unparse(ast.fix_missing_locations(tree))


def test_a_new_file_has_all_that_its_skeleton_has_in_its_order() -> None:
    assert ast.unparse(ast.parse(merge("", interface(RICH)))) == ast.unparse(ast.parse(interface(RICH)))


def test_code_that_has_all_of_a_skeleton_stays_as_it_is() -> None:
    code = code_of(RICH)
    assert ast.unparse(ast.parse(merge(code, interface(RICH)))) == code
    assert signature_gaps("m.py", interface(RICH), code) == []


def test_imports_that_depend_on_something_are_added_once_below_the_others() -> None:
    merged = merge('"""Old."""\n\nimport os\n\nSIZE = os.sep\n', interface(RICH))
    order = [ast.unparse(node).split("\n")[0] for node in ast.parse(merged).body]
    assert (
        order.index("from typing import TYPE_CHECKING")
        < order.index("if TYPE_CHECKING:")
        < order.index("SIZE = os.sep")
    )
    assert merge(merged, interface(RICH)) == merged


def test_of_several_definitions_with_one_name_only_those_that_are_new_are_added() -> None:
    code = (
        "@render.register\ndef _(value: int):\n    return 1\n\n\n@render.register\ndef _(value: str):\n    return 2\n"
    )
    merged = merge(code, interface('@render.register\ndef _(value: list):\n    """Lists."""\n'))
    assert merged.startswith(code.rstrip())
    assert merged.count("NotImplementedError") == 1


@pytest.mark.parametrize("more", ["", "    more: bool = False"], ids=["the same call", "another call"])
def test_new_overloads_stand_before_the_code_which_stays_while_it_is_called_alike(more: str) -> None:
    code = "def find(key: object) -> object:\n    return key\n\n\nLAST = 1\n"
    wish = "@overload\ndef find(key: int) -> int: ...\n@overload\ndef find(key: str) -> str: ...\n"
    wish += f"def find(key,{more}): ...\n"
    *overloads, last = [n for n in ast.parse(merge(code, interface(wish))).body if isinstance(n, ast.FunctionDef)]
    assert [ast.unparse(node.args) for node in overloads] == ["key: int", "key: str"]
    assert ast.unparse(last.body[0]) == ("raise NotImplementedError" if more else "return key")


DATA = """@dataclass
class P:
    \"\"\"A point.\"\"\"

    x: int  # across

    def norm(self) -> int:
        return abs(self.x)  # noqa: RUF100

    @property
    def v(self) -> int:
        return 1

    @v.deleter
    def v(self) -> None:
        del self.x


AFTER = 1
"""


def test_new_fields_of_a_class_stand_behind_the_old_ones_in_their_order() -> None:
    merged = merge(DATA, interface("class P:\n    y: int = 0\n    z: int = 1\n    def w(self) -> int: ...\n"))
    names = [ast.unparse(node.target) for node in ast.walk(ast.parse(merged)) if isinstance(node, ast.AnnAssign)]
    assert names == ["x", "y", "z"]
    assert "# across" in merged
    assert "# noqa: RUF100" in merged
    assert merged.count("raise NotImplementedError") == 1
    assert "@v.deleter" in merged
    assert merged.endswith("AFTER = 1\n")


def test_a_class_takes_the_decorators_and_bases_that_a_skeleton_gives_it() -> None:
    merged = merge(DATA, interface("@dataclass(frozen=True)\nclass P(Base):\n    def w(self) -> int: ...\n"))
    assert "@dataclass(frozen=True)\nclass P(Base):\n" in merged
    assert "x: int  # across" in merged


@pytest.mark.parametrize(
    "skeleton",
    [
        "class P:\n    @f.register\n    def _(self, a: int): ...\n    @f.register\n    def _(self, a: str): ...\n",
        "class P:\n    def w(self) -> int: ...\n    def w(self) -> int: ...\n",
        "class P:\n    class Inner:\n        def m(self) -> int: ...\n",
        "class P:\n    C = B + 1\n    def w(self) -> int: ...\n",
    ],
)
@pytest.mark.parametrize("existing", [DATA, "class P: pass\n", "class P:\n    B = 1\n    def a(self): return 1\n"])
def test_a_merged_class_is_python_and_has_what_was_wished(existing: str, skeleton: str) -> None:
    tree = ast.parse(merge(existing, interface(skeleton)))
    (merged,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    wished = {n.name for n in ast.walk(ast.parse(skeleton)) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    assert wished <= {n.name for n in ast.walk(merged) if isinstance(n, ast.FunctionDef | ast.ClassDef)}


def test_a_field_alone_is_added_to_a_class_that_has_all_else_already() -> None:
    merged = merge(DATA, interface("class P:\n    y: int = 0\n"))
    assert "    x: int  # across\n    y: int = 0\n" in merged
    assert "NotImplementedError" not in merged


def test_what_came_with_the_code_of_a_function_goes_with_it_unless_somebody_else_uses_it() -> None:
    home = "LIMIT = 9\n\n\ndef f(): raise NotImplementedError\n\n\ndef g(): raise NotImplementedError\n"
    mine = "RATE = 2\nSHARED = 1\na = 1; b = 2\n\n\ndef _deep():\n    return RATE\n"
    mine += "\n\ndef _mine():\n    return _deep()\n\n\n"
    module = home.replace("def f(): raise NotImplementedError", f"{mine}def f(): return _mine() + SHARED + a")
    module = module.replace("def g(): raise NotImplementedError", "def g(): return SHARED\n\n\ndef used(): ...")
    (symbol, _) = stubs("m.py", home)
    left = emptied(module, symbol, {"used"})
    assert top_names(ast.parse(left)) == {"LIMIT", "SHARED", "a", "b", "f", "g", "used"}
    assert "def f(): raise NotImplementedError" in left
