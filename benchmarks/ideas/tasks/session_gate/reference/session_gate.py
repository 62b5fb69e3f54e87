"""Log-ins by password, and sessions that end."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets

ROUNDS = 20_000
"""Few, so that tests are quick; a real site takes more."""


def _slow(password: str, salt: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS)


class Gate:
    """Users, their sessions, and their failures."""

    def __init__(self, lifetime: float = 1800, max_failures: int = 3, lock_seconds: float = 300) -> None:
        self._lifetime = lifetime
        self._max_failures = max_failures
        self._lock_seconds = lock_seconds
        self._passwords: dict[str, tuple[bytes, bytes]] = {}
        self._failures: dict[str, tuple[int, float]] = {}
        self._sessions: dict[str, tuple[str, float]] = {}

    def register(self, user: str, password: str) -> None:
        """Add a user."""
        if user in self._passwords:
            raise ValueError("the name is taken")
        if len(password) < 8:
            raise ValueError("the password is too short")
        salt = os.urandom(16)
        self._passwords[user] = salt, _slow(password, salt)

    def login(self, user: str, password: str, now: float) -> str:
        """Return a new session."""
        if user not in self._passwords:
            raise PermissionError("name or password is wrong")
        failures, last = self._failures.get(user, (0, now))
        if failures >= self._max_failures:
            if now - last < self._lock_seconds:
                raise PermissionError("too many failures; wait")
            failures = 0
        salt, digest = self._passwords[user]
        if not hmac.compare_digest(_slow(password, salt), digest):
            self._failures[user] = failures + 1, now
            raise PermissionError("name or password is wrong")
        self._failures.pop(user, None)
        session = secrets.token_urlsafe(32)
        self._sessions[session] = user, now
        return session

    def user_of(self, session: str, now: float) -> str | None:
        """Return whose session it is, and prolong it."""
        user, last = self._sessions.get(session, ("", 0.0))
        if not user:
            return None
        if now - last >= self._lifetime:
            del self._sessions[session]
            return None
        self._sessions[session] = user, now
        return user

    def logout(self, session: str) -> None:
        """End a session."""
        self._sessions.pop(session, None)

    def logout_all(self, user: str) -> None:
        """End all sessions of a user."""
        self._sessions = {s: (owner, at) for s, (owner, at) in self._sessions.items() if owner != user}
