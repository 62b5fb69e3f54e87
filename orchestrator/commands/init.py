"""``milepost init``: a commented idea file."""

from __future__ import annotations

import argparse

from orchestrator.files import write_text
from schemas.errors import ExitCode, InputError

__all__ = ["IDEA_TEMPLATE", "init_command"]


def init_command(options: argparse.Namespace) -> ExitCode:
    """Write a commented idea file."""
    if options.file.exists():
        raise InputError(f"{options.file}: exists already; give another name")
    write_text(options.file, IDEA_TEMPLATE)
    print(f"Wrote {options.file}. Edit it, then: milepost run {options.file}")
    return ExitCode.OK


IDEA_TEMPLATE = """\
# An idea for Milepost. Only name, summary and features are required.

name: My Tool
summary: One or two sentences that say what it is and for whom.
features:
  - the first thing that it must do
  - the second thing that it must do

# audience: who uses it
# constraints:
#   python: ">=3.11"
#   dependencies: []            # third-party packages that it may import, e.g. [fastapi, httpx]
#   non_functional:
#     - answers within a second

# The command that starts the finished program. It must print something and exit with 0, or listen on a port:
# run: "python -m my_tool"

# Acceptance checks say what is right. They are sealed before the first call: no agent can change them.
# acceptance:
#   - id: AC1
#     statement: what must be true
#     # milestone: MVP          # only if you plan the milestones yourself, below; else the planner decides
#     check: |                  # Python statements, run one after the other as a test
#       from my_tool import answer
#       assert answer("question") == 42
#   - id: AC2
#     statement: what must be true too
#     holdout: true             # never shown to an agent; used for the final verdict only
#     check: |
#       from my_tool import answer
#       assert answer("") is None

# The milestones, if you would rather plan them yourself:
# milestones:
#   - id: MVP
#     title: The core
#     description: What it does. (Written with | it may end with a function that you have begun.)
#     acceptance_criteria: [a statement that a test can check]
#     dependencies: []

# Limits of the whole run; leave out any that you don't want. attempts is per milestone (default 3):
# limits: {usd: 5, tokens: 400000, minutes: 60, calls: 500, attempts: 3}
"""
