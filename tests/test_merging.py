"""Merging: code filled into skeletons, and skeletons into code."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from agents.merging import emptied, fill, merge, wire
from agents.names import top_names
from agents.skeleton import interface, missing_names, module_path, signature_gaps, stubs
from tests.test_skeleton import MODULE


@pytest.mark.parametrize("body", ["pass", '"""Save it."""', "..."])
def test_a_reply_that_only_repeats_what_it_was_begun_with_is_no_code(body: str) -> None:
    with pytest.raises(ValueError, match="save has no real body yet"):
        fill(STUB_OF_SAVE, "save", f"def save(text: str) -> None:\n    {body}\n")


STUB_OF_SAVE = 'def save(text: str) -> None:\n    """Save it."""\n    raise NotImplementedError\n'


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


def test_wiring_adds_packages_and_re_exports() -> None:
    files = wire({"pkg/core.py": "def f(): return 1\n"}, {"pkg": {"f"}})
    assert missing_names(files, {"pkg": {"f"}}) == []
    assert module_path("pkg", files) == "pkg/__init__.py"
    assert "from pkg.core import f as f" in files["pkg/__init__.py"]


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
