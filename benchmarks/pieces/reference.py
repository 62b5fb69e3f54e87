"""A class that passes all of its checks, for each of classes.yaml: the proof that it can be done."""

from __future__ import annotations


class LruCache:
    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("size")
        self._size = size
        self._kept: dict[str, object] = {}

    def put(self, key: str, value: object) -> None:
        self._kept.pop(key, None)
        self._kept[key] = value
        if len(self._kept) > self._size:
            del self._kept[next(iter(self._kept))]

    def get(self, key: str) -> object:
        self._kept[key] = self._kept.pop(key)
        return self._kept[key]

    def __len__(self) -> int:
        return len(self._kept)


class Account:
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._changes: list[int] = []

    @property
    def balance(self) -> int:
        return sum(self._changes)

    def deposit(self, amount: int) -> None:
        if amount <= 0:
            raise ValueError("amount")
        self._changes.insert(0, amount)

    def withdraw(self, amount: int) -> None:
        if not 0 < amount <= self.balance:
            raise ValueError("amount")
        self._changes.insert(0, -amount)

    def history(self) -> list[int]:
        return list(self._changes)


class TextCursor:
    def __init__(self, text: str) -> None:
        self.text, self.position = text, len(text)

    def left(self, n: int) -> None:
        self.position = max(0, self.position - n)

    def right(self, n: int) -> None:
        self.position = min(len(self.text), self.position + n)

    def insert(self, s: str) -> None:
        self.text = self.text[: self.position] + s + self.text[self.position :]
        self.position += len(s)

    def delete(self, n: int) -> str:
        start = max(0, self.position - n)
        removed = self.text[start : self.position]
        self.text = self.text[:start] + self.text[self.position :]
        self.position = start
        return removed


class Poll:
    def __init__(self, options: list[str]) -> None:
        if len(options) < 2 or len(set(options)) < len(options):
            raise ValueError("options")
        self._options = options
        self._votes: dict[str, str] = {}

    def vote(self, voter: str, option: str) -> None:
        if option not in self._options:
            raise ValueError(option)
        self._votes[voter] = option

    def results(self) -> dict[str, int]:
        return {o: list(self._votes.values()).count(o) for o in self._options}

    def winner(self) -> str | None:
        found = self.results()
        best = [o for o, n in found.items() if n and n == max(found.values())]
        return best[0] if len(best) == 1 else None


class TaskList:
    def __init__(self) -> None:
        self._titles: dict[int, str] = {}
        self._done: set[int] = set()
        self._removed: list[tuple[int, str]] = []
        self._last = 0

    def add(self, title: str) -> int:
        self._last += 1
        self._titles[self._last] = title
        return self._last

    def done(self, number: int) -> None:
        if number not in self._titles:
            raise KeyError(number)
        self._done.add(number)

    def remove(self, number: int) -> None:
        self._removed.append((number, self._titles.pop(number)))

    def open(self) -> list[str]:
        return [title for number, title in sorted(self._titles.items()) if number not in self._done]

    def undo(self) -> str:
        number, title = self._removed.pop()
        self._titles[number] = title
        return title


class Playlist:
    def __init__(self, songs: list[str]) -> None:
        self._songs, self._at = list(songs), 0

    @property
    def current(self) -> str | None:
        return self._songs[self._at] if self._songs else None

    def _go(self, by: int) -> str:
        self._at = (self._at + by) % len(self._songs)
        return self._songs[self._at]

    def next(self) -> str:
        return self._go(1)

    def back(self) -> str:
        return self._go(-1)

    def add(self, song: str) -> None:
        self._songs.insert(self._at + 1, song)

    def remove(self, song: str) -> None:
        at = self._songs.index(song)
        del self._songs[at]
        if at < self._at:
            self._at -= 1
        self._at = self._at % len(self._songs) if self._songs else 0


class Thermostat:
    def __init__(self, low: float, high: float) -> None:
        if low >= high:
            raise ValueError("low")
        self.low, self.high, self.on, self.switches = low, high, False, 0
        self._seen: list[float] = []

    def measure(self, degrees: float) -> bool:
        self._seen.append(degrees)
        wanted = True if degrees < self.low else False if degrees > self.high else self.on
        self.switches += wanted != self.on
        self.on = wanted
        return self.on

    def average(self) -> float:
        last = self._seen[-3:]
        if not last:
            raise ValueError("nothing")
        return sum(last) / len(last)


class Seats:
    def __init__(self, rows: int, width: int) -> None:
        self._rows = [[f"{chr(65 + r)}{n}" for n in range(1, width + 1)] for r in range(rows)]
        self._booked: dict[str, str] = {}

    def book(self, name: str, seat: str) -> None:
        if seat in self._booked or not any(seat in row for row in self._rows):
            raise ValueError(seat)
        self._booked[seat] = name

    def cancel(self, name: str) -> int:
        mine = [s for s, n in self._booked.items() if n == name]
        for seat in mine:
            del self._booked[seat]
        return len(mine)

    def free(self) -> list[str]:
        return [s for row in self._rows for s in row if s not in self._booked]

    def best(self, n: int) -> list[str] | None:
        for row in self._rows:
            for at in range(len(row) - n + 1):
                if not any(s in self._booked for s in row[at : at + n]):
                    return row[at : at + n]
        return None


class Ledger:
    def __init__(self) -> None:
        self._sums: dict[str, int] = {}

    def record(self, account: str, amount: int) -> None:
        if not amount:
            raise ValueError("amount")
        self._sums[account] = self.balance(account) + amount

    def balance(self, account: str) -> int:
        return self._sums.get(account, 0)

    def transfer(self, source: str, target: str, amount: int) -> None:
        if not 0 < amount <= self.balance(source):
            raise ValueError("amount")
        self.record(source, -amount)
        self.record(target, amount)

    def accounts(self) -> list[str]:
        return sorted((a for a, n in self._sums.items() if n), key=lambda a: (-self._sums[a], a))


class Clipboard:
    def __init__(self, size: int = 3) -> None:
        self._size = size
        self._texts: list[str] = []
        self._pinned: set[str] = set()

    def copy(self, text: str) -> None:
        if not text:
            raise ValueError("empty")
        self._texts = [text, *(t for t in self._texts if t != text)]
        loose = [t for t in self._texts if t not in self._pinned]
        for old in loose[self._size :]:
            self._texts.remove(old)

    def paste(self, n: int = 0) -> str:
        return self._texts[n]

    def pin(self, text: str) -> None:
        self._pinned.add(text)
