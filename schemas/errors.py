"""Every error that Milepost raises on purpose.

::

    MilepostError
    ├── InputError            bad input or configuration                 exit code 2
    ├── LimitReached          a limit ended the run                      exit code 3
    ├── Unavailable           model, sandbox or git can't be used        exit code 4
    │   └── Leak              the sandbox is there, but does not hold
    └── AgentFailure          one agent call gave nothing usable; fails the attempt, never the run
        ├── DoesNotFit        the prompt is too long for the model
        ├── InvalidOutput     still invalid after the corrections
        ├── Refused           the model declined
        └── Truncated         cut off by the token limit
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

__all__ = [
    "AgentFailure",
    "DoesNotFit",
    "ExitCode",
    "InputError",
    "InvalidOutput",
    "Leak",
    "LimitReached",
    "MilepostError",
    "Refused",
    "Truncated",
    "Unavailable",
]


class ExitCode(IntEnum):
    """What the command line returns."""

    OK = 0
    NOT_ACCEPTED = 1
    BAD_INPUT = 2
    LIMIT = 3
    UNAVAILABLE = 4
    INTERRUPTED = 130


class MilepostError(Exception):
    """Base of all errors here; its text says what was wrong, where, and what to do."""

    exit_code = ExitCode.NOT_ACCEPTED


class InputError(MilepostError):
    """Bad input or configuration. ``problems`` holds one message per problem."""

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems: Sequence[str] = problems


class LimitReached(MilepostError):
    """A limit of the run would be, or is, exceeded. ``limit`` is its name in the configuration."""

    exit_code = ExitCode.LIMIT

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


class Unavailable(MilepostError):
    """The model, the sandbox or the project's git can't be used; the text names what to install, set or end."""

    exit_code = ExitCode.UNAVAILABLE


class Leak(Unavailable):
    """The sandbox lets an attack through. No other one takes its place unasked: that would be a silent downgrade."""


class AgentFailure(MilepostError):
    """An agent produced nothing usable. The attempt fails, the run goes on."""


class InvalidOutput(AgentFailure):
    """The reply did not validate, not even after it was sent back with the error."""


class Refused(AgentFailure):
    """The model declined to answer."""


class DoesNotFit(AgentFailure):
    """A prompt is longer than the model's context. Nothing of it is kept: once that is larger, it can be asked anew."""


class Truncated(AgentFailure):
    """The reply was cut off at its token limit and what arrived is not usable."""
