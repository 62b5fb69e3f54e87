"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest


def test_the_first_and_the_last_number_are_taken():
    from shelf_labels import make_label

    assert (make_label("B", 1), make_label("B", 999)) == ("B-001", "B-999")


def test_numbers_below_one_are_refused():
    from shelf_labels import make_label

    for number in (0, -3):
        with pytest.raises(ValueError):
            make_label("A", number)


def test_a_section_is_made_of_letters_alone():
    from shelf_labels import make_label

    for section in ("", "A1", "A-B", "A B"):
        with pytest.raises(ValueError):
            make_label(section, 5)


def test_a_section_may_have_several_letters():
    from shelf_labels import read_label

    assert read_label("MAP-120") == ("MAP", 120)


def test_the_number_is_read_as_an_int():
    from shelf_labels import read_label

    number = read_label("Q-099")[1]
    assert (type(number), number) == (int, 99)


def test_what_is_made_can_be_read():
    from shelf_labels import make_label, read_label

    assert read_label(make_label("atlas", 42)) == ("ATLAS", 42)


def test_a_text_of_another_shape_is_refused():
    from shelf_labels import read_label

    for text in ("", "A007", "A-7", "A-0007", "a-007", "-007", "A-00x", "A-007 "):
        with pytest.raises(ValueError):
            read_label(text)


def test_the_next_label_carries_over_and_keeps_its_section():
    from shelf_labels import next_label

    assert (next_label("A-009"), next_label("MAP-199")) == ("A-010", "MAP-200")


def test_there_is_no_next_label_after_the_last():
    from shelf_labels import next_label

    assert next_label("A-998") == "A-999"
    with pytest.raises(ValueError):
        next_label("A-999")
