"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest

RIGHT, WRONG = "correct horse", "wrong horse"


def gate_with(*users, **options):
    """Return a gate that knows ``users``, all with the same password."""
    from session_gate import Gate

    gate = Gate(**options)
    for user in users:
        gate.register(user, RIGHT)
    return gate


def fail(gate, user, now, times=1):
    """Give a wrong password."""
    for _ in range(times):
        with pytest.raises(PermissionError):
            gate.login(user, WRONG, now=now)


def test_a_name_is_taken_once():
    with pytest.raises(ValueError):
        gate_with("ann", "ann")


def test_a_short_password_is_refused():
    from session_gate import Gate

    gate = Gate()
    with pytest.raises(ValueError):
        gate.register("ann", "1234567")
    gate.register("ann", "12345678")
    assert gate.user_of(gate.login("ann", "12345678", now=0), now=0) == "ann"


def test_a_user_that_is_not_known_is_refused():
    with pytest.raises(PermissionError):
        gate_with("ann").login("bob", RIGHT, now=0)


def test_each_login_has_a_session_of_its_own():
    gate = gate_with("ann", "bob")
    first, second, third = (gate.login(user, RIGHT, now=0) for user in ("ann", "ann", "bob"))
    assert len({first, second, third}) == 3
    gate.logout(first)
    assert (gate.user_of(second, now=1), gate.user_of(third, now=1)) == ("ann", "bob")


def test_use_prolongs_a_session():
    gate = gate_with("ann", lifetime=60)
    session = gate.login("ann", RIGHT, now=0)
    assert [gate.user_of(session, now=now) for now in (50, 100, 150)] == ["ann"] * 3
    assert gate.user_of(session, now=211) is None


def test_a_session_that_has_ended_stays_so():
    gate = gate_with("ann", lifetime=60)
    session = gate.login("ann", RIGHT, now=0)
    assert gate.user_of(session, now=59) == "ann"
    assert gate.user_of(session, now=200) is None
    assert gate.user_of(session, now=201) is None


def test_after_three_failures_the_right_password_is_refused_too():
    gate = gate_with("ann")
    fail(gate, "ann", now=100, times=3)
    with pytest.raises(PermissionError):
        gate.login("ann", RIGHT, now=399)
    assert gate.user_of(gate.login("ann", RIGHT, now=401), now=401) == "ann"


def test_two_failures_do_not_lock_and_a_login_sets_the_count_back():
    gate = gate_with("ann")
    fail(gate, "ann", now=0, times=2)
    gate.login("ann", RIGHT, now=1)
    fail(gate, "ann", now=2, times=2)
    assert gate.user_of(gate.login("ann", RIGHT, now=3), now=3) == "ann"


def test_a_lock_is_for_one_user_alone():
    gate = gate_with("ann", "bob", max_failures=1, lock_seconds=50)
    fail(gate, "ann", now=0)
    with pytest.raises(PermissionError):
        gate.login("ann", RIGHT, now=49)
    assert gate.user_of(gate.login("bob", RIGHT, now=1), now=1) == "bob"


def test_a_lock_does_not_end_sessions():
    gate = gate_with("ann")
    session = gate.login("ann", RIGHT, now=0)
    fail(gate, "ann", now=1, times=3)
    assert gate.user_of(session, now=2) == "ann"


def test_logout_all_ends_the_sessions_of_one_user():
    gate = gate_with("ann", "bob")
    first, second, other = (gate.login(user, RIGHT, now=0) for user in ("ann", "ann", "bob"))
    gate.logout_all("ann")
    assert [gate.user_of(session, now=1) for session in (first, second, other)] == [None, None, "bob"]


def test_an_unknown_session_is_nobody_and_can_be_logged_out():
    gate = gate_with("ann")
    session = gate.login("ann", RIGHT, now=0)
    gate.logout("no such session")
    assert gate.user_of("no such session", now=0) is None
    assert gate.user_of(session, now=0) == "ann"
