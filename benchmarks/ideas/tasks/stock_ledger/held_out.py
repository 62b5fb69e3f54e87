"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest


@pytest.fixture
def path(tmp_path):
    """Where the stock is kept."""
    return tmp_path / "stock.db"


def test_the_next_stock_on_the_same_path_knows_what_was_done(path):
    from stock_ledger import Stock

    first = Stock(path)
    first.receive("tea", 5)
    first.withdraw("tea", 1)
    first.close()
    second = Stock(path)
    assert second.level("tea") == 4
    assert list(second.movements("tea")) == [5, -1]
    second.close()


def test_the_file_is_one_of_sqlite(path):
    from stock_ledger import Stock

    stock = Stock(path)
    stock.receive("tea", 1)
    stock.close()
    assert path.read_bytes().startswith(b"SQLite format 3\0")


def test_a_path_may_be_a_text(path):
    from stock_ledger import Stock

    stock = Stock(str(path))
    stock.receive("tea", 3)
    assert stock.level("tea") == 3
    stock.close()


def test_a_refused_withdrawal_changes_nothing(path):
    from stock_ledger import Stock

    stock = Stock(path)
    stock.receive("tea", 2)
    with pytest.raises(ValueError):
        stock.withdraw("tea", 3)
    assert (stock.level("tea"), list(stock.movements("tea"))) == (2, [2])
    stock.close()


def test_everything_there_is_can_be_withdrawn(path):
    from stock_ledger import Stock

    stock = Stock(path)
    stock.receive("tea", 2)
    stock.withdraw("tea", 2)
    assert (stock.level("tea"), list(stock.movements("tea"))) == (0, [2, -2])
    stock.close()


def test_an_item_that_is_not_known_can_not_be_withdrawn(path):
    from stock_ledger import Stock

    stock = Stock(path)
    with pytest.raises(ValueError):
        stock.withdraw("milk", 1)
    stock.close()


def test_a_quantity_must_be_above_zero(path):
    from stock_ledger import Stock

    stock = Stock(path)
    stock.receive("tea", 5)
    for quantity in (0, -1):
        with pytest.raises(ValueError):
            stock.receive("tea", quantity)
        with pytest.raises(ValueError):
            stock.withdraw("tea", quantity)
    assert stock.level("tea") == 5
    stock.close()


def test_items_do_not_mix(path):
    from stock_ledger import Stock

    stock = Stock(path)
    stock.receive("tea", 5)
    stock.receive("milk", 1)
    stock.withdraw("tea", 1)
    assert (stock.level("tea"), stock.level("milk"), list(stock.movements("milk"))) == (4, 1, [1])
    stock.close()


def test_low_names_what_is_below_the_threshold_sorted(path):
    from stock_ledger import Stock

    stock = Stock(path)
    for item, quantity in (("tea", 2), ("salt", 9), ("milk", 1), ("rice", 3)):
        stock.receive(item, quantity)
    stock.withdraw("milk", 1)
    assert list(stock.low(3)) == ["milk", "tea"]
    stock.close()


def test_an_item_may_have_any_name(path):
    from stock_ledger import Stock

    stock = Stock(path)
    name = 'Granny\'s "best"; DROP TABLE x; --'
    stock.receive(name, 2)
    assert stock.level(name) == 2
    assert list(stock.low(3)) == [name]
    stock.close()
