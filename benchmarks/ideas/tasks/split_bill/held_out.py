"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest


def test_several_odd_cents_go_to_the_first_persons():
    from split_bill import split_evenly

    assert split_evenly(11, 4) == [3, 3, 3, 2]


def test_there_may_be_more_people_than_cents():
    from split_bill import split_evenly

    assert split_evenly(2, 5) == [1, 1, 0, 0, 0]


def test_cents_left_over_by_weights_go_to_the_first_persons():
    from split_bill import split_by_weight

    assert split_by_weight(100, [1, 1, 1]) == [34, 33, 33]
    assert split_by_weight(101, [2, 2, 3]) == [29, 29, 43]


def test_a_weight_of_zero_pays_nothing_where_nothing_is_left_over():
    from split_bill import split_by_weight

    assert split_by_weight(900, [0, 1, 2]) == [0, 300, 600]


def test_weights_that_add_up_to_zero_are_refused():
    from split_bill import split_by_weight

    with pytest.raises(ValueError):
        split_by_weight(100, [0, 0])


def test_a_negative_weight_is_refused():
    from split_bill import split_by_weight

    with pytest.raises(ValueError):
        split_by_weight(100, [3, -1])


def test_small_amounts_have_a_leading_zero():
    from split_bill import format_cents

    assert (format_cents(5), format_cents(0)) == ("0.05", "0.00")


def test_negative_amounts_have_a_leading_minus_sign():
    from split_bill import format_cents

    assert (format_cents(-1234), format_cents(-5)) == ("-12.34", "-0.05")


def test_one_decimal_is_tens_of_cents():
    from split_bill import parse_amount

    assert parse_amount(" 12.5 ") == 1250


def test_amounts_are_exact():
    from split_bill import parse_amount

    assert [parse_amount(text) for text in ("0.29", "1.15", "4.35", "16.08")] == [29, 115, 435, 1608]


def test_three_decimals_are_refused():
    from split_bill import parse_amount

    with pytest.raises(ValueError):
        parse_amount("1.234")


def test_words_are_no_amount():
    from split_bill import parse_amount

    for text in ("", "ten", "1.2.3"):
        with pytest.raises(ValueError):
            parse_amount(text)
