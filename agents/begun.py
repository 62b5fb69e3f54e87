"""Code that the user has begun: a function with signature and docstring in which a description ends."""

from __future__ import annotations

import ast
import re

from agents.context import Context
from agents.names import Definition
from agents.programs import opening

__all__ = ["as_stub", "begun"]


def begun(context: Context) -> str:
    """Return the code that the milestone's description, or the idea's summary, ends in: a function with signature and
    docstring, and what stands above it. Empty where there is none, or none that a prompt could show in one block."""
    code = opening(context.milestone.description) or opening(context.idea.summary)
    return "" if re.search(r"^\s*```", code, re.M) else code


def as_stub(code: str, function: Definition) -> str:
    """Return ``code`` with a stub's body behind the docstring of the ``function`` that it ends in."""
    lines = code.rstrip().split("\n")
    doc = function.body[0]
    indent = lines[doc.lineno - 1][: doc.col_offset]
    if indent.strip():  # all in one line
        head = lines[: min([function.lineno, *(d.lineno for d in function.decorator_list)]) - 1]
        function.body.append(ast.parse("raise NotImplementedError").body[0])
        return "\n".join([*head, ast.unparse(function), ""])
    return "\n".join([*lines, f"{indent}raise NotImplementedError", ""])
