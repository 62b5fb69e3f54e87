"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest


def test_initials_of_many_words_in_any_case():
    from name_tags import initials

    assert initials("johann sebastian Bach") == "J.S.B."


def test_initials_part_words_at_tabs_and_line_feeds():
    from name_tags import initials

    assert initials("\tMarie \n Curie  ") == "M.C."


def test_sort_name_keeps_the_order_of_the_other_words():
    from name_tags import sort_name

    assert sort_name("Johann Sebastian Bach") == "Bach, Johann Sebastian"


def test_sort_name_has_single_spaces():
    from name_tags import sort_name

    assert sort_name("  Johann   Sebastian\tBach ") == "Bach, Johann Sebastian"


def test_sort_name_refuses_a_name_without_words():
    from name_tags import sort_name

    with pytest.raises(ValueError):
        sort_name("")


def test_short_name_of_exactly_the_limit_is_left():
    from name_tags import short_name

    assert short_name("Grace Hopper", 12) == "Grace Hopper"
    assert short_name("Grace Hopper", 11) == "G. Hopper"


def test_short_name_leaves_out_middle_words():
    from name_tags import short_name

    assert short_name("Johann Sebastian Bach", 15) == "J. Bach"


def test_short_name_of_one_word_stays():
    from name_tags import short_name

    assert short_name("Aristophanes", 5) == "Aristophanes"


def test_short_name_refuses_a_name_without_words():
    from name_tags import short_name

    with pytest.raises(ValueError):
        short_name(" \t", 5)
