"""Books, members and loans of a small library, in an SQLite file."""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta
from pathlib import Path

LOAN = timedelta(days=21)
FINE = 20
AT_A_TIME = 3
_TABLES = """
CREATE TABLE IF NOT EXISTS book (id INTEGER PRIMARY KEY, title TEXT NOT NULL, copies INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS member (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS loan (book INTEGER NOT NULL, member INTEGER NOT NULL, due TEXT NOT NULL,
    PRIMARY KEY (book, member));
"""


class Library:
    """The library in one file. A loan is a row as long as the copy is lent."""

    def __init__(self, path: str | Path) -> None:
        self._connection = sqlite3.connect(path)
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add_book(self, title: str, copies: int = 1) -> int:
        """Add a book and return its id."""
        return self._insert("INSERT INTO book (title, copies) VALUES (?, ?)", title, copies)

    def add_member(self, name: str) -> int:
        """Add a member and return the id."""
        return self._insert("INSERT INTO member (name) VALUES (?)", name)

    def available(self, book_id: int) -> int:
        """Return how many copies are not lent."""
        copies = self._number("SELECT copies FROM book WHERE id = ?", book_id)
        if copies is None:
            raise ValueError(f"there is no book {book_id}")
        return copies - (self._number("SELECT COUNT(*) FROM loan WHERE book = ?", book_id) or 0)

    def lend(self, book_id: int, member_id: int, day: date) -> date:
        """Lend a copy and return the day it is due."""
        if self._number("SELECT id FROM member WHERE id = ?", member_id) is None:
            raise ValueError(f"there is no member {member_id}")
        if self.available(book_id) < 1:
            raise ValueError("no copy is left")
        if self._number("SELECT 1 FROM loan WHERE book = ? AND member = ?", book_id, member_id):
            raise ValueError("the member has the book already")
        if (self._number("SELECT COUNT(*) FROM loan WHERE member = ?", member_id) or 0) >= AT_A_TIME:
            raise ValueError(f"a member can have {AT_A_TIME} books at a time")
        due = day + LOAN
        self._insert("INSERT INTO loan VALUES (?, ?, ?)", book_id, member_id, due.isoformat())
        return due

    def give_back(self, book_id: int, member_id: int, day: date) -> int:
        """Take a copy back and return the fine in cents."""
        pair = (book_id, member_id)
        row = self._connection.execute("SELECT due FROM loan WHERE book = ? AND member = ?", pair).fetchone()
        if row is None:
            raise ValueError("the member does not have the book")
        with self._connection:
            self._connection.execute("DELETE FROM loan WHERE book = ? AND member = ?", pair)
        return FINE * max(0, (day - date.fromisoformat(row[0])).days)

    def overdue(self, day: date) -> list[tuple[str, str, int]]:
        """Return member, title and days late of what is late on ``day``."""
        rows = self._connection.execute(
            "SELECT name, title, due FROM loan JOIN book ON book.id = book JOIN member ON member.id = member "
            "WHERE due < ? ORDER BY due, name, title",
            (day.isoformat(),),
        )
        return [(name, title, (day - date.fromisoformat(due)).days) for name, title, due in rows]

    def _insert(self, statement: str, *values: object) -> int:
        with self._connection:
            return int(self._connection.execute(statement, values).lastrowid or 0)

    def _number(self, query: str, *values: object) -> int | None:
        row = self._connection.execute(query, values).fetchone()
        return None if row is None else int(row[0])
