"""Skeletons: comparing, filling in and wiring Python by code."""

from __future__ import annotations

import pytest

from agents.skeleton import interface, missing_names, signature_gaps, stubs, unwritten

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


def test_gaps_name_what_is_missing_or_different() -> None:
    found = signature_gaps("m.py", MODULE, "def one(b): pass\nclass Box: pass\n")
    assert found == ["m.py: keep the signature def one(a: int)", "m.py: Box lacks the method put"]
    assert signature_gaps("m.py", MODULE, MODULE) == []
    assert signature_gaps("m.py", MODULE, "") == ["m.py: one is missing", "m.py: Box is missing"]


def test_missing_modules_and_names_are_said() -> None:
    files = {"pkg/__init__.py": "x = 1\n", "pkg/sub.py": ""}
    assert missing_names(files, {"pkg": {"x", "sub", "y"}, "other": set()}) == [
        "the module other is missing: plan other.py",
        "pkg/__init__.py must define y",
    ]


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


def test_a_method_that_does_nothing_does_not_make_a_class_a_stub() -> None:
    assert stubs("h.py", "class H:\n    def get(self): return 1\n    def log(self): pass\n") == []
