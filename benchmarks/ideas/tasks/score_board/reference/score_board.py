"""The points of the players of a game."""

from __future__ import annotations


class ScoreBoard:
    """All that was added, in order; everything else follows from it."""

    def __init__(self) -> None:
        self._added: list[tuple[str, int]] = []

    def add(self, player: str, points: int) -> None:
        """Add points to a player."""
        if not player:
            raise ValueError("a player needs a name")
        self._added.append((player, points))

    def undo(self) -> None:
        """Take back what was added last."""
        self._added.pop()

    def _totals(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for player, points in self._added:
            totals[player] = totals.get(player, 0) + points
        return totals

    def total(self, player: str) -> int:
        """Return the points of a player."""
        return self._totals()[player]

    def ranking(self) -> list[tuple[str, int]]:
        """Return players and points, the most points first."""
        return sorted(self._totals().items(), key=lambda pair: (-pair[1], pair[0]))

    def leaders(self) -> list[str]:
        """Return the players with the most points."""
        ranking = self.ranking()
        return [player for player, points in ranking if points == ranking[0][1]]
