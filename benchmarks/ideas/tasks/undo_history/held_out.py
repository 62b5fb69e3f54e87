"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest


def filled(count, **options):
    """Return a history of the states 0 to count - 1."""
    from undo_history import History

    history = History(0, **options)
    for state in range(1, count):
        history.push(state)
    return history


def test_several_states_are_undone_in_order():
    history = filled(4)
    assert [history.undo(), history.undo(), history.undo()] == [2, 1, 0]
    assert history.current == 0


def test_several_states_are_redone_in_order():
    history = filled(3)
    history.undo()
    history.undo()
    assert [history.redo(), history.redo()] == [1, 2]


def test_a_push_after_undo_forgets_what_could_be_redone():
    history = filled(3)
    history.undo()
    history.push(9)
    assert history.can_redo is False
    with pytest.raises(IndexError):
        history.redo()
    assert history.undo() == 1


def test_redo_is_possible_only_after_undo():
    history = filled(2)
    with pytest.raises(IndexError):
        history.redo()
    history.undo()
    assert (history.can_undo, history.can_redo) == (False, True)


def test_a_refused_undo_changes_nothing():
    history = filled(2)
    history.undo()
    with pytest.raises(IndexError):
        history.undo()
    assert (history.current, history.redo()) == (0, 1)


def test_the_oldest_state_is_forgotten_beyond_the_limit():
    history = filled(5, limit=3)
    assert [history.undo(), history.undo()] == [3, 2]
    assert history.can_undo is False


def test_a_limit_of_one_keeps_the_current_state_alone():
    history = filled(3, limit=1)
    assert history.current == 2
    assert history.can_undo is False


def test_a_limit_below_one_is_refused():
    from undo_history import History

    with pytest.raises(ValueError):
        History("a", limit=0)


def test_a_state_may_be_none():
    from undo_history import History

    history = History("a")
    history.push(None)
    history.push("c")
    assert history.undo() is None
    assert history.undo() == "a"
