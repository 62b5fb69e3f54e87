"""Small deliberate defects, and whether the tests notice them: mutation testing (DeMillo, Lipton and Sayward 1978).

Every mutant differs from the code in one place. Which ones are tried is decided by a digest of the code alone.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import Field, ValidationError

from agents.parsing import parse_module
from orchestrator.sandbox.port import Command, Sandbox
from orchestrator.scratch import scratch
from schemas.base import Schema
from schemas.evidence import Strength

__all__ = ["HARNESS", "Mutant", "chosen", "measure_strength", "mutants_of"]

HARNESS = Path(__file__).with_name("mutation_harness.py").resolve()
SECONDS = 20.0
"""For all mutants of one attempt together."""

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    """One defect in one file."""

    path: str
    line: int
    change: str
    place: int
    """Which node of the syntax tree, in the order of `ast.walk`."""
    variant: int
    original: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.change}"

    @property
    def source(self) -> str:
        """The file with the defect in it."""
        tree = parse_module(self.original, self.path)
        _mutate(next(islice(ast.walk(tree), self.place, None)), self.variant)
        return ast.unparse(ast.fix_missing_locations(tree))


def mutants_of(path: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of ``source``: turned comparisons and conditions, other operators, numbers and results."""
    for place, node in enumerate(ast.walk(parse_module(source, path))):
        for variant in range(2):
            changed = copy.copy(node)
            if isinstance(changed, ast.expr | ast.stmt) and _mutate(changed, variant):
                yield Mutant(path, changed.lineno, f"{_head(node)} → {_head(changed)}"[:160], place, variant, source)


def _head(node: ast.AST) -> str:
    """Return what identifies a node in one line: of a statement with a block, its first line."""
    return ast.unparse(node).split("\n")[0]


def _mutate(node: ast.AST, variant: int) -> bool:
    """Change ``node`` in place; return whether there is such a ``variant`` of it."""
    match node:
        case ast.Compare(ops=[operator, *_]) if variant == 0:
            node.ops = [_COMPARISONS[type(operator)](), *node.ops[1:]]
        case ast.BinOp(op=operator) if variant == 0 and type(operator) in _OPERATORS:
            if any(isinstance(side, ast.Constant | ast.JoinedStr) and not _is_number(side) for side in _sides(node)):
                return False  # text put together fails at once, and proves little
            node.op = _OPERATORS[type(operator)]()
        case ast.BoolOp(op=ast.And()) if variant == 0:
            node.op = ast.Or()
        case ast.BoolOp(op=ast.Or()) if variant == 0:
            node.op = ast.And()
        case ast.UnaryOp(op=ast.Not()) if variant == 0:
            node.op, node.operand = ast.Not(), ast.UnaryOp(ast.Not(), node.operand)
        case ast.Constant(value=bool()) if variant == 0:
            node.value = not node.value
        case ast.Constant(value=int()) if variant == 0:
            node.value = int(str(node.value)) + 1
        case ast.If() | ast.While() if variant == 1 and "__name__" not in ast.unparse(node.test):
            node.test = ast.Constant(isinstance(node, ast.If))
        case ast.Return(value=ast.expr()) if variant == 1 and not _is_none(node.value):
            node.value = ast.Constant(None)
        case _:
            return False
    return True


def _sides(node: ast.BinOp) -> tuple[ast.expr, ast.expr]:
    return node.left, node.right


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def chosen(files: Mapping[str, str], most: int) -> list[Mutant]:
    """Return at most ``most`` mutants of ``files``, the same ones for the same files."""
    if not most:
        return []
    found = [mutant for path, source in sorted(files.items()) for mutant in mutants_of(path, source)]
    return sorted(found, key=lambda m: hashlib.sha256(repr(m).encode()).digest())[:most]


class _Raw(Schema):
    baseline: bool
    killed: list[bool] = Field(max_length=10_000)


async def measure_strength(
    sandbox: Sandbox,
    project: Path,
    environment: Path,
    mutants: Sequence[Mutant],
    sealed: Path | None,
    quarantined: Sequence[str] = (),
) -> Strength | None:
    """Return how many ``mutants`` of ``project`` its tests kill; ``sealed`` holds the sealed checks.

    None where there are no mutants; none tried, where the tests do not pass on the code as it is, or take too long.
    """
    if not mutants:
        return None
    # Code and mutants are written alike, so that only the defect tells them apart.
    plain = {m.path: ast.unparse(parse_module(m.original, m.path)) for m in mutants}
    plan_of = {"code": plain, "mutants": [[m.path, m.source] for m in mutants], "left_out": list(quarantined)}
    with _plan(plan_of) as plan:
        tests = (["tests"] if (project / "tests").is_dir() else []) + ([str(sealed)] if sealed else [])
        command = Command(
            argv=("python", "-I", str(HARNESS), sandbox.place(project), str(plan), str(SECONDS), *tests),
            project=project,
            environment=environment,
            readable=(HARNESS, plan.parent, *((sealed.parent,) if sealed else ())),
            seconds=SECONDS + 10,
            report=True,
        )
        result = await sandbox.run(command)
    raw = _Raw(baseline=False, killed=[])
    if result.execution.exit_code == 0 and not result.execution.ended:
        with contextlib.suppress(ValidationError):
            raw = _Raw.model_validate_json(result.report)
    if not raw.baseline or len(raw.killed) > len(mutants):
        return Strength(mutants=0, killed=0)
    survivors = [str(m) for m, killed in zip(mutants, raw.killed, strict=False) if not killed]
    return Strength(mutants=len(raw.killed), killed=sum(raw.killed), survivors=survivors)


@contextmanager
def _plan(content: object) -> Iterator[Path]:
    with scratch() as folder:
        plan = folder / "mutants.json"
        plan.write_text(json.dumps(content), encoding="utf-8")
        plan.chmod(0o644)
        yield plan
