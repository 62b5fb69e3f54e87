"""The examples of a task as checks that are run: as in Python's own shell (``>>> double(2)``, below it ``4``), and
calls with what they return (``double(2) == 4``, ``double(2) -> 4``, ``double(2) returns 4``)."""

from __future__ import annotations

import ast
import builtins
import contextlib
import doctest
import re
from collections.abc import Iterator

from pydantic import ValidationError

from schemas.idea import AcceptanceCheck

__all__ = ["MOST", "calls_in", "checks_in", "written"]

MOST = 30
"""So many examples are taken at most."""

_CLOSING = re.compile(r"^((?!\s*>>>).*?)(?:\"{3}|'{3})[ \t]*$", re.M)
"""The end of a docstring, which would count as the last line that an example shows."""

_DEFINED = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", re.M)
_CALLED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\(")
_SAID = r"(?:(?:should|must|will|would)[ \t]+)?(?:returns?|be|is|gives?|yields?|outputs?)\b"
_RETURNS = re.compile(rf"[ \t`]*(?:#[ \t]*)?(?:==?>?|[-=]>|[→➞⇒]|:|{_SAID})[ \t`]*(?:returns?\b)?[ \t`]*")
_GIVEN = re.compile(
    r"[ \t,.:;`]*\n?[ \t]*(?:the[ \t]+)?(?:output|result|answer|returns?|=>|[-→➞⇒]>?)"
    rf"[ \t`]*(?:==?|:|{_SAID})?[ \t`]*",
    re.I,
)
LONGEST = 400
"""Characters of a call, and of what it returns, in a line of text."""


def checks_in(prompt: str, module: str) -> list[AcceptanceCheck]:
    """Return a check for each example in ``prompt`` that shows a result; none where they can't be read, or for one of
    thousands of characters.

    An example is run in a copy of ``module``'s names, behind those statements before it that show none. What it prints,
    white space at the ends apart, must be what is shown, or show the same value; where that is a traceback, it must
    raise that error. A call in the text, of literals only, must return the literal that stands behind it.
    """
    text = _CLOSING.sub(r"\1\n", prompt)
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:
        examples = []
    before: list[str] = []
    checks: list[AcceptanceCheck] = []
    for example in examples:
        if not example.want and example.exc_msg is None:
            before.append(example.source)
        elif len(checks) < MOST and _compiles(example.source):
            with contextlib.suppress(ValidationError):  # longer than a check may be
                checks.append(_check(f"E{len(checks) + 1}", module, before, example))
    shown = {_plain(example.source) for example in examples}
    for call, returned in _returning(text):
        if len(checks) < MOST and call not in shown:
            shown.add(call)
            with contextlib.suppress(ValidationError):  # nested deeper than a check may be
                checks.append(_call_check(f"E{len(checks) + 1}", module, call, returned))
    return checks


def calls_in(prompt: str) -> list[str]:
    """Return the calls, of literals only, that the examples in ``prompt`` show."""
    text = _CLOSING.sub(r"\1\n", prompt)
    try:
        sources = [example.source for example in doctest.DocTestParser().get_examples(text)]
    except ValueError:
        sources = []
    whole = ((source.strip(), _CALLED.match(source.strip())) for source in sources)
    calls = [_plain(source) for source, name in whole if name and _call(source, name) == source]
    return list(dict.fromkeys([*calls, *(call for call, _ in _returning(text))]))[:MOST]


def _returning(text: str) -> Iterator[tuple[str, str]]:
    """Yield each call in ``text`` that is followed by what it returns; of literals, and of a function that the task
    defines (any but Python's own, where it defines none)."""
    defined = set(_DEFINED.findall(text))
    yield from _given(text)
    for match in _CALLED.finditer(text):
        name = match[1]
        if name not in defined if defined else hasattr(builtins, name):
            continue
        call = _call(text, match)
        arrow = _RETURNS.match(text, match.start() + len(call)) if call else None
        value = _literal(text, arrow.end())[0] if arrow else ""
        if value:
            yield _plain(call), value


def _given(text: str) -> Iterator[tuple[str, str]]:
    """Yield the examples that give the arguments of the task's only function apart from its result, with their names or
    in order: ``n = 3, base = 2`` or ``Input: 3, 2``, then ``Output: 11``."""
    found = re.findall(r"^def[ \t]+(\w+)\(([^()]*)\)", text, re.M)
    if len(found) != 1:
        return
    names = [part.partition(":")[0].partition("=")[0].strip() for part in found[0][1].split(",")]
    if not all(name.isidentifier() for name in names):
        return
    by_name = [rf"[ \t,;]*(?:and[ \t]+)?{name}[ \t]*=(?!=)[ \t]*" for name in names]
    in_order = [r"input[ \t]*:[ \t]*", *[r"[ \t]*,[ \t]*"] * (len(names) - 1)]
    for leads in (by_name, in_order):
        for match in re.finditer(rf"(?<![\w.])(?:{leads[0]})", text, re.I):
            at, values = match.start(), []
            for lead in leads:
                before = re.compile(lead, re.I).match(text, at)
                value, at = _literal(text, before.end()) if before else ("", at)
                if not value:
                    break
                values.append(value)
            else:
                arrow = _GIVEN.match(text, at)
                value = _literal(text, arrow.end())[0] if arrow else ""
                if value:
                    yield f"{found[0][0]}({', '.join(values)})", value


def _plain(source: str) -> str:
    """Return ``source`` as it is written without needless white space."""
    try:
        return ast.unparse(ast.parse(source.strip()))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return source.strip()


_WORD = re.compile(r"[-+]?[\w.]+")
_STRING = re.compile(r"[A-Za-z]{0,2}(?:'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")")


def _closed(text: str, at: int) -> int:
    """Return where the bracket that stands in ``text`` at ``at`` has been closed; -1 if it is not, within `LONGEST`."""
    depth, end = 0, min(len(text), at + LONGEST)
    while at < end:
        string = _STRING.match(text, at)
        depth += (text[at] in "([{") - (text[at] in ")]}")
        at = string.end() if string else at + 1
        if depth == 0:
            return at
    return -1


def _call(text: str, name: re.Match[str]) -> str:
    """Return the call, with literal arguments, that begins with ``name`` and its bracket; empty if none."""
    call = text[name.start() : max(_closed(text, name.end() - 1), name.start())]
    with contextlib.suppress(SyntaxError, ValueError, MemoryError, RecursionError):
        node = ast.parse(call, mode="eval").body
        if isinstance(node, ast.Call) and (node.args or node.keywords):
            for value in [*node.args, *(keyword.value for keyword in node.keywords)]:
                written(value)
            return call
    return ""


def _literal(text: str, at: int) -> tuple[str, int]:
    """Return the literal that stands in ``text`` at ``at``, as Python writes it, and where it ends; an empty one if
    none does, or if it is only the beginning of an expression."""
    found = _STRING.match(text, at) or _WORD.match(text, at)
    end = _closed(text, at) if text[at : at + 1] in tuple("([{") else found.end() if found else -1
    for last in (end, end - text[:end].endswith(".")):  # the full stop may be the sentence's
        with contextlib.suppress(SyntaxError, ValueError, MemoryError, RecursionError, TypeError):
            value = written(ast.parse(text[at:last], mode="eval").body) if last > at else ""
            return ("" if re.match(r"[ \t]*[-+*/%=<>([]", text[last : last + 9]) else value), max(last, at)
    return "", at


def written(node: ast.expr) -> str:
    """Return a literal as Python writes it.

    Raises:
        ValueError: it is none, or one that Python does not write as one, such as ``1e999``.
    """
    value = repr(ast.literal_eval(node))
    ast.literal_eval(value)
    return value


def _compiles(source: str) -> bool:
    try:
        compile(source, "example", "single")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


_SAME = """\
import ast
def value(text):
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return [found, isinstance(found, bool)]
def same(printed, shown):
    return printed == shown or value(printed) == value(shown)
""".splitlines()


def _call_check(name: str, module: str, call: str, returned: str) -> AcceptanceCheck:
    lines = [
        f"import {module}",
        f"returned = {module}.{call}",
        f"assert returned == {returned}, f'it returns {{returned!r:.200}}'",
    ]
    return AcceptanceCheck(id=name, statement=f"{call} returns {returned}"[:400], check="\n".join(lines))


def _check(name: str, module: str, before: list[str], example: doctest.Example) -> AcceptanceCheck:
    shown = (example.exc_msg or example.want).strip()
    lines = [
        "import contextlib, io",
        f"import {module}",
        f"space = dict(vars({module}))",
        *(f"exec({source!r}, space)" for source in before if _compiles(source)),
        f"source = {example.source!r}",
    ]
    if example.exc_msg is None:
        lines += [
            "printed = io.StringIO()",
            "with contextlib.redirect_stdout(printed):",
            "    exec(compile(source, 'example', 'single'), space)",
            *_SAME,
            f"assert same(printed.getvalue().strip(), {shown!r}), f'it shows {{printed.getvalue().strip()[:200]}}'",
        ]
    else:
        lines += [
            "raised = ''",
            "try:",
            "    exec(source, space)",
            "except Exception as error:",
            "    raised = type(error).__name__",
            f"assert raised == {shown.partition(':')[0].rpartition('.')[2]!r}",
        ]
    statement = f"{example.source.strip()} shows {shown}"
    return AcceptanceCheck(id=name, statement=" ".join(statement.split())[:400], check="\n".join(lines))
