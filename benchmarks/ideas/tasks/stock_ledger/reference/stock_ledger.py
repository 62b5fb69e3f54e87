"""What a shop has in stock, in an SQLite file."""

from __future__ import annotations

import sqlite3
from pathlib import Path


class Stock:
    """The stock in one file. Levels are the sums of movements."""

    def __init__(self, path: str | Path) -> None:
        self._connection = sqlite3.connect(path)
        with self._connection:
            self._connection.execute(
                "CREATE TABLE IF NOT EXISTS movement (id INTEGER PRIMARY KEY, item TEXT NOT NULL, quantity INTEGER)"
            )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def receive(self, item: str, quantity: int) -> None:
        """Add to an item."""
        self._move(item, quantity, 1)

    def withdraw(self, item: str, quantity: int) -> None:
        """Take away from an item."""
        self._move(item, quantity, -1)

    def _move(self, item: str, quantity: int, sign: int) -> None:
        if quantity <= 0:
            raise ValueError("a quantity must be above 0")
        if sign < 0 and quantity > self.level(item):
            raise ValueError(f"there is not so much of {item}")
        with self._connection:
            self._connection.execute("INSERT INTO movement (item, quantity) VALUES (?, ?)", (item, sign * quantity))

    def level(self, item: str) -> int:
        """Return how much there is."""
        return sum(self.movements(item))

    def movements(self, item: str) -> list[int]:
        """Return the movements of an item."""
        rows = self._connection.execute("SELECT quantity FROM movement WHERE item = ? ORDER BY id", (item,))
        return [quantity for (quantity,) in rows]

    def low(self, threshold: int) -> list[str]:
        """Return the items of which there is less than ``threshold``."""
        rows = self._connection.execute(
            "SELECT item FROM movement GROUP BY item HAVING SUM(quantity) < ? ORDER BY item", (threshold,)
        )
        return [item for (item,) in rows]
