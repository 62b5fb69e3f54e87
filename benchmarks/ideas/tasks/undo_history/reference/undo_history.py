"""Undo and redo."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class History(Generic[T]):
    """The states of a document, of which one is current."""

    def __init__(self, first: T, limit: int = 100) -> None:
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self._limit = limit
        self._states = [first]
        self._at = 0

    @property
    def current(self) -> T:
        """The state that is shown now."""
        return self._states[self._at]

    @property
    def can_undo(self) -> bool:
        """Whether there is a state before."""
        return self._at > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is a state after."""
        return self._at < len(self._states) - 1

    def push(self, state: T) -> None:
        """Make ``state`` the current one."""
        self._states = [*self._states[: self._at + 1], state][-self._limit :]
        self._at = len(self._states) - 1

    def undo(self) -> T:
        """Go back by one state."""
        if not self.can_undo:
            raise IndexError("nothing can be undone")
        self._at -= 1
        return self.current

    def redo(self) -> T:
        """Go forward by one state."""
        if not self.can_redo:
            raise IndexError("nothing can be redone")
        self._at += 1
        return self.current
