"""Finding texts by queries with AND, OR, NOT, parentheses and quotes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_TOKEN = re.compile(r'\s*(?:(?P<sign>[()])|"(?P<quoted>[^"]*)"|(?P<word>[^\s()"]+)|(?P<bad>"))')

Test = Callable[[list[str]], bool]


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _tokens(query: str) -> list[tuple[str, str]]:
    """Return kind and text of each part: sign, operator or phrase."""
    tokens = []
    for match in _TOKEN.finditer(query.rstrip()):
        if match["bad"]:
            raise ValueError("a quotation is not closed")
        if match["sign"]:
            tokens.append(("sign", match["sign"]))
        elif match["word"] and match["word"].upper() in ("AND", "OR", "NOT"):
            tokens.append(("operator", match["word"].upper()))
        else:
            tokens.append(("phrase", match["quoted"] or match["word"] or ""))
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.left = tokens

    def take(self, *token: str) -> bool:
        if self.left and self.left[0] == token:
            self.left = self.left[1:]
            return True
        return False

    def either(self) -> Test:
        tests = [self.both()]
        while self.take("operator", "OR"):
            tests.append(self.both())
        return lambda words: any(test(words) for test in tests)

    def both(self) -> Test:
        tests = [self.single()]
        while self.take("operator", "AND") or (self.left and self.left[0] not in (("sign", ")"), ("operator", "OR"))):
            tests.append(self.single())
        return lambda words: all(test(words) for test in tests)

    def single(self) -> Test:
        if self.take("operator", "NOT"):
            inner = self.single()
            return lambda words: not inner(words)
        if self.take("sign", "("):
            inner = self.either()
            if not self.take("sign", ")"):
                raise ValueError("a parenthesis is not closed")
            return inner
        if not self.left or self.left[0][0] != "phrase":
            raise ValueError("something to look for is missing")
        wanted = _words(self.left[0][1])
        self.left = self.left[1:]
        if not wanted:
            raise ValueError("there are no letters or digits to look for")
        return lambda words: any(words[n : n + len(wanted)] == wanted for n in range(len(words)))


def _parsed(query: str) -> Test:
    parser = _Parser(_tokens(query))
    test = parser.either()
    if parser.left:
        raise ValueError("a parenthesis is not opened")
    return test


def matches(query: str, text: str) -> bool:
    """Return whether ``text`` matches ``query``."""
    return _parsed(query)(_words(text))


def search(query: str, documents: Mapping[str, str]) -> list[str]:
    """Return the sorted names of the texts that match."""
    test = _parsed(query)
    return sorted(name for name, text in documents.items() if test(_words(text)))
