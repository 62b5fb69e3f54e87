"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest


def test_and_binds_stronger_than_or():
    from boolean_search import matches

    assert matches("cat OR dog AND bird", "cat") is True
    assert matches("bird AND dog OR cat", "cat") is True
    assert matches("dog AND bird OR dog AND cow", "bird cow") is False


def test_not_binds_stronger_than_and():
    from boolean_search import matches

    assert matches("NOT cat AND dog", "dog") is True
    assert matches("NOT cat AND dog", "bird") is False


def test_parentheses_can_be_negated():
    from boolean_search import matches

    assert matches("NOT (cat OR dog)", "bird") is True
    assert matches("NOT (cat OR dog)", "dog") is False


def test_a_double_negation_is_none():
    from boolean_search import matches

    assert matches("NOT NOT cat", "cat") is True
    assert matches("NOT NOT cat", "dog") is False


def test_words_side_by_side_are_joined_by_and():
    from boolean_search import matches

    assert matches("cat dog", "dog, cat") is True
    assert matches("cat dog", "cat") is False
    assert matches("cat (dog OR bird) NOT cow", "cat bird") is True


def test_operators_may_be_in_small_letters():
    from boolean_search import matches

    assert matches("cat and not dog", "cat") is True
    assert matches("cat or dog", "dog") is True


def test_quotes_join_with_operators_and_ignore_punctuation():
    from boolean_search import matches

    assert matches('"Red Cat" OR dog', "red, cat!") is True
    assert matches('NOT "red cat"', "red cat") is False


def test_parentheses_must_match():
    from boolean_search import matches

    for query in ("(cat", "cat)", "(cat AND (dog)"):
        with pytest.raises(ValueError):
            matches(query, "cat dog")


def test_an_empty_query_is_refused():
    from boolean_search import matches

    with pytest.raises(ValueError):
        matches("   ", "cat")


def test_an_operator_needs_something_to_work_on():
    from boolean_search import matches

    for query in ("AND cat", "cat OR", "NOT", "cat AND OR dog"):
        with pytest.raises(ValueError):
            matches(query, "cat dog")


def test_quotes_must_be_closed():
    from boolean_search import matches

    with pytest.raises(ValueError):
        matches('"red cat', "red cat")


def test_search_refuses_a_bad_query_and_may_find_nothing():
    from boolean_search import search

    assert search("cow", {"a": "cat"}) == []
    with pytest.raises(ValueError):
        search("(", {"a": "cat"})
