"""Reading what models write: JSON that validates, and fenced code blocks with their paths.

Every function raises ValueError with a message that is meant to go back to the model.
"""

from __future__ import annotations

import ast
import codeop
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from schemas.architecture import safe_path

__all__ = [
    "EDIT_BEGINS",
    "EDIT_ENDS",
    "FIRST_THINK",
    "MAX_REPLY",
    "Fence",
    "answer_of",
    "cut_off",
    "fences",
    "files_from",
    "json_as",
    "parse_file",
    "parse_module",
    "path_of",
    "python_from",
    "schema_of",
]

M = TypeVar("M", bound=BaseModel)

FIRST_THINK = "    #"
"""How the second of a small model's two likeliest programs is begun, and what follows the draft of a function: with a
comment on what it will do. It fails in other ways than the first (docs/humaneval.md)."""

CUTS = 20
"""So often a reply that does not parse is tried with less of its end."""

MAX_REPLY = 400_000
"""A longer reply, in characters, is refused unread."""

MAX_EXAMPLE = 400
"""So many lines behind the first ticks that may end a block of Python others are looked for, where these stand in a
string: an example of its use."""

MAX_NESTING = 200
"""So deep may the syntax tree of a module be; the deepest one of Python's own top-level modules has 32."""

MAX_BITS = 14_000
"""So long may a whole number in the code be: Python writes no longer ones (4,300 digits)."""

EDIT_BEGINS = re.compile(r"<{5,9} ?REMOVE[ \t]*")
EDIT_ENDS = re.compile(r">{5,9} ?ADD[ \t]*")
"""The lines between which an exact edit stands (agents/edits.py)."""

_OPEN = re.compile(r"^(?P<indent>[ \t]*)(?P<tick>`{3,})[ \t]*(?P<info>[^`\n]*)$")


_COOKIE = re.compile(r"(?:[ \t\f]*(?:#[^\r\n]*)?(?:\r\n?|\n))?[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
"""What Python takes for the encoding of a file, in its first or second line (PEP 263)."""


_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>\s*", re.S)
_BEGUN = re.compile(r"<think(?:ing)?>")
_ENDED = re.compile(r"</think(?:ing)?>")
_ENDED_AT_TICKS = re.compile(r"(</think(?:ing)?>)[ \t]*(?=```)")


def answer_of(text: str) -> str:
    """Return a reply without what is no part of the answer: a byte-order mark, and what a model has thought aloud.

    Where the prompt itself ends with ``<think>``, only the end of the thoughts is marked.
    """
    text = text.removeprefix("\ufeff")
    if thought := _THOUGHT.match(text):
        return text[thought.end() :]
    return _behind_thoughts(text) if _ENDED.search(text) and len(text) <= MAX_REPLY else text


def _behind_thoughts(reply: str) -> str:
    """Return what stands behind the last ``</think>`` that nothing begins and that is no part of a fenced block, JSON
    or Python."""
    text = _ENDED_AT_TICKS.sub(r"\1\n", reply.replace("\r\n", "\n"))
    lines = text.split("\n")
    inside = {n for _, start, end in _blocks(lines) for n in range(start, end)}
    prose = "\n".join(" " * len(line) if n in inside else line for n, line in enumerate(lines))
    begun, start = _BEGUN.search(prose), 0
    for mark in list(_ENDED.finditer(prose, 0, begun.start() if begun else len(prose)))[-CUTS:]:
        if _holds(text[start:], mark.start() - start) or _is_answered(text[start : mark.start()], text[mark.end() :]):
            break
        start = mark.end()
    return text[start:].lstrip() if start else reply


def _is_answered(before: str, behind: str) -> bool:
    """Whether the answer stands ``before`` a mark, a block or JSON, and ``behind`` it the words go on that speak of the
    mark."""
    spoken_of = before[-1:] in tuple(" `'\"(") and behind[:1] in tuple(" `'\").,;:")
    if not spoken_of or "```" in behind or "{" in behind or _can(ast.parse, behind):
        return False
    return "```" in before or _can(json.loads, before[before.find("{") : before.rfind("}") + 1])


def _holds(text: str, at: int) -> bool:
    """Whether what stands in ``text`` at ``at`` is a part of an answer without a fence: JSON, or Python."""
    first, last = text.find("{"), text.rfind("}")
    if 0 <= first < at < last and _can(json.loads, text[first : last + 1]):
        return True
    return _can(ast.parse, text)


def _can(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of ``model``."""
    return model.model_json_schema()


def json_as(model: type[M]) -> Callable[[str], M]:
    """Return a parser of replies that hold one JSON object of type ``model``, with or without prose around it."""

    def parse(text: str) -> M:
        if len(text) > MAX_REPLY:
            raise ValueError(f"the reply is longer than {MAX_REPLY} characters")
        start, end = text.find("{"), text.rfind("}")
        if start < 0 or end < start:
            raise ValueError("the reply holds no JSON object")
        try:
            value = json.loads(text[start : end + 1])
            json.dumps(value, ensure_ascii=False).encode()  # an escape can stand for half a character: "\\ud800"
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the reply is not valid JSON: {error}") from None
        try:
            return model.model_validate(value)
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in e['loc']) or 'reply'}: {e['msg']}" for e in error.errors()[:8]
            )
            raise ValueError(problems) from None

    return parse


@dataclass(frozen=True)
class Fence:
    """A fenced block: what stood behind the ticks, and its content."""

    info: str
    content: str


def fences(text: str) -> list[Fence]:
    """Return the fenced blocks of ``text`` in order. A block that is never closed reaches to the end, or to the next
    one that names a path. Blocks inside of a Markdown file's block are part of it."""
    if len(text) > MAX_REPLY:
        raise ValueError(f"the reply is longer than {MAX_REPLY} characters")
    found: list[Fence] = []
    lines = text.replace("\r\n", "\n").split("\n")
    for opened, start, end in _blocks(lines):
        content = "\n".join(lines[start:end])
        if end < len(lines):
            found.append(Fence(opened["info"].strip(), content + "\n"))
        elif end > start:
            found.append(Fence(opened["info"].strip(), content.rstrip("`\n ") + "\n"))
    return found


def _blocks(lines: Sequence[str]) -> Iterator[tuple[re.Match[str], int, int]]:
    """Yield how each fenced block is opened, and the half-open range of the lines of its content."""
    at = 0
    while at < len(lines):
        opened = _OPEN.match(lines[at])
        at += 1
        if opened is not None:
            end = _end_of(lines, at, opened)
            yield opened, at, end
            at = end + (end < len(lines) and lines[end].strip() == opened["tick"])


def _end_of(lines: Sequence[str], start: int, opened: re.Match[str]) -> int:
    """Return the number of the line that ends the block which ``opened`` begins.

    Ticks within a string do not end a block of Python, unless it is no Python up to any later ones either.
    """
    end = _first_end(lines, start, opened)
    if not _PYTHON.search(opened["info"]) or not _in_string("\n".join(lines[start:end])):
        return end
    near = range(end + 1, min(len(lines), end + MAX_EXAMPLE))
    later = islice((n for n in near if lines[n].rstrip() == opened["indent"] + opened["tick"]), CUTS)
    return next((n for n in later if _can(ast.parse, "\n".join(lines[start:n]))), end)


def _in_string(source: str) -> bool:
    """Whether ``source`` is Python that ends within a string of several lines."""
    try:
        ast.parse(source)
    except SyntaxError as error:
        return error.msg.startswith("unterminated triple-quoted")
    except (ValueError, RecursionError, MemoryError):
        pass
    return False


def _first_end(lines: Sequence[str], start: int, opened: re.Match[str]) -> int:
    """Return the number of the line with ticks like those of ``opened`` that stand no deeper.

    Deeper ones come in pairs, in a docstring, say; one that is left over was meant to be the end. In a Markdown file,
    so do those that stand as deep.
    """
    depth, nests = len(opened["indent"]), bool(_MARKDOWN.search(opened["info"]))
    inner, left_over = 0, None
    behind = start
    for n in range(start, len(lines)):
        if n < behind:
            continue
        behind = _behind_edit(lines, n)
        match = _OPEN.match(lines[n])
        if match is None or match["tick"] != opened["tick"]:
            continue
        named = bool(match["info"].strip())
        if len(match["indent"]) > depth:
            left_over = n if left_over is None else None
        elif not named and not inner:
            return n if left_over is None else left_over
        elif not named:
            inner -= 1
        elif nests:
            inner += 1
        elif left_over is not None:
            return left_over
        elif "path=" in match["info"]:
            return n
    return len(lines) if left_over is None else left_over


def _behind_edit(lines: Sequence[str], start: int) -> int:
    """Return the number of the line behind the edit that begins at ``start``: ticks in it are a part of it. Where there
    is none, or its end is missing, that is ``start`` itself."""
    if EDIT_BEGINS.fullmatch(lines[start]):
        for n in range(start + 1, len(lines)):
            if EDIT_ENDS.fullmatch(lines[n]):
                return n + 1
            if EDIT_BEGINS.fullmatch(lines[n]):
                break
    return start


_PYTHON = re.compile(r"\b(python3?|py)\b", re.I)
_MARKDOWN = re.compile(r"\b(markdown|md|rst|txt)\b", re.I)


def path_of(info: str) -> str:
    """Return the path that stands behind a fence's ticks: ``python path=pkg/mod.py``, or the path alone.

    Raises:
        ValueError: none stands there, or it is not one inside the project.
    """
    named = re.search(r"(?:^|\s)path=(\S+)", info)
    last = info.split()[-1] if info else ""
    if named is None and not re.search(r"\w\.[A-Za-z]\w*$", last):
        raise ValueError(f"a fenced block names no path behind its ticks: {info[:60]!r}")
    return safe_path(named[1] if named else last)


def files_from(text: str) -> dict[str, str]:
    """Return path → content of every block whose fence names a path: ```` ```python path=pkg/mod.py ````."""
    files: dict[str, str] = {}
    for fence in fences(text):
        path = path_of(fence.info)
        if path in files:
            raise ValueError(f"two blocks are named {path}")
        if path.endswith(".py"):
            parse_file(fence.content, path)
        files[path] = fence.content
    if not files:
        raise ValueError("the reply holds no fenced block with a path")
    return files


def python_from(text: str, *, members: bool = False, statements: bool = False) -> str:
    """Return the Python of the first fenced block, or of the whole text where there is none.

    A definition at the end that does not parse (the token limit cut it off) is left out, if something is before it;
    with ``members`` a member of a class is, too. What stands behind the last definition, such as an example of its use,
    goes first, unless such ``statements`` are part of what was asked for.
    """
    blocks = fences(text)
    source = blocks[0].content if blocks else text
    try:
        parse_module(source, "reply")
    except ValueError:
        whole = _cut(source.split("\n"), members=members, statements=statements)
        if whole is None:
            raise
        return whole
    return source


def _cut(lines: list[str], *, members: bool, statements: bool) -> str | None:
    """Return the longest beginning that parses and ends before a definition, or behind the last one."""
    inner = "(?:    )?" if members else ""
    starts = [n for n, line in enumerate(lines) if re.match(rf"{inner}(def |async def |class |@)", line)]
    if starts and not statements:
        last = starts[-1]
        starts += [n for n, line in enumerate(lines) if n > last and re.match(rf"{inner}\S", line)]
    end = len(lines)
    for _ in range(CUTS):
        try:
            ast.parse("\n".join(lines[:end]))
        except SyntaxError as error:  # what is behind it can't mend it
            end = max((n for n in starts[1:] if n < min(end, error.lineno or 0)), default=0)
        except (ValueError, RecursionError, MemoryError):
            return None
        else:
            whole = "\n".join(lines[:end])
            parse_module(whole, "reply")
            return whole
        if not end:
            return None
    return None


def cut_off(source: str) -> bool:
    """Whether ``source`` is Python that ends before it is complete: all that is wrong with it is its end."""
    try:
        return codeop.compile_command(source, symbol="exec") is None
    except SyntaxError as error:
        return (error.lineno or 0) >= len(source.rstrip().split("\n"))
    except (ValueError, OverflowError, RecursionError, MemoryError):
        return False


def parse_file(source: str, path: str) -> ast.Module:
    """Parse ``source`` as a whole file.

    Raises:
        ValueError: as `parse_module`; or it says that it is written in another encoding than UTF-8, in which all
            files are written: Python would read something else than everybody who looks at it.
    """
    if (cookie := _COOKIE.match(source)) and not re.match(r"utf[-_]?8|(us-?)?ascii$", cookie[1], re.I):
        raise ValueError(f"{path} says that it is written in {cookie[1]}; it is written in UTF-8: leave that out")
    return parse_module(source, path)


def parse_module(source: str, name: str) -> ast.Module:
    """Parse ``source``.

    Raises:
        ValueError: it is no valid Python, names the line and quotes it; or it is made so that the tools that read it
            would break: nested too deep, or with endless numbers.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise ValueError(f"{name}, line {error.lineno}: {error.msg}: {line[:120]}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{name}: {str(error) or 'is nested too deep'}") from None
    todo: list[tuple[ast.AST, int]] = [(tree, 0)]
    while todo:
        node, depth = todo.pop()
        if depth > MAX_NESTING:
            raise ValueError(f"{name}, line {getattr(node, 'lineno', '?')}: is nested more than {MAX_NESTING} deep")
        if isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value.bit_length() > MAX_BITS:
            raise ValueError(f"{name}, line {node.lineno}: a number has more than {MAX_BITS} bits; compute it instead")
        chained = node.orelse if isinstance(node, ast.If) else []  # elif after elif is no deeper
        todo += [(child, depth + (child not in chained)) for child in ast.iter_child_nodes(node)]
    return tree
