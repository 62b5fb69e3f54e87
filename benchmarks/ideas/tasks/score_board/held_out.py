"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest


def board_of(*moves):
    """Return a board on which these points were added."""
    from score_board import ScoreBoard

    board = ScoreBoard()
    for player, points in moves:
        board.add(player, points)
    return board


def test_players_do_not_mix():
    board = board_of(("ann", 5), ("bob", 1), ("ann", 2))
    assert (board.total("ann"), board.total("bob")) == (7, 1)


def test_boards_do_not_mix():
    board_of(("ann", 5))
    assert board_of(("bob", 1)).ranking() == [("bob", 1)]


def test_the_same_points_are_ranked_by_name():
    board = board_of(("cyd", 4), ("ann", 4), ("bob", 9))
    assert board.ranking() == [("bob", 9), ("ann", 4), ("cyd", 4)]


def test_points_may_be_negative():
    board = board_of(("ann", -3), ("bob", 0), ("cyd", 2), ("cyd", -7))
    assert board.ranking() == [("bob", 0), ("ann", -3), ("cyd", -5)]


def test_several_may_lead():
    assert board_of(("cyd", 4), ("bob", 1), ("ann", 4)).leaders() == ["ann", "cyd"]


def test_without_players_nobody_leads_and_nobody_is_ranked():
    board = board_of()
    assert (board.leaders(), board.ranking()) == ([], [])


def test_an_empty_name_is_refused():
    board = board_of()
    with pytest.raises(ValueError):
        board.add("", 1)


def test_a_new_player_is_gone_after_undo():
    board = board_of(("ann", 5), ("bob", 3))
    board.undo()
    assert board.ranking() == [("ann", 5)]
    with pytest.raises(KeyError):
        board.total("bob")


def test_several_adds_are_taken_back_one_by_one():
    board = board_of(("ann", 5), ("bob", 3), ("ann", 1))
    board.undo()
    board.undo()
    assert board.ranking() == [("ann", 5)]


def test_without_an_add_nothing_is_taken_back():
    board = board_of(("ann", 5))
    board.undo()
    with pytest.raises(IndexError):
        board.undo()
