"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

from datetime import date, timedelta

import pytest

DAY = date(2026, 3, 2)


@pytest.fixture
def library(tmp_path):
    """An empty library."""
    from book_loans import Library

    opened = Library(tmp_path / "library.db")
    yield opened
    opened.close()


def test_everything_is_kept_in_the_file(tmp_path):
    from book_loans import Library

    first = Library(tmp_path / "kept.db")
    book, member = first.add_book("Emma", copies=2), first.add_member("Ann")
    first.lend(book, member, DAY)
    first.close()
    second = Library(tmp_path / "kept.db")
    assert second.available(book) == 1
    assert second.give_back(book, member, DAY) == 0
    second.close()


def test_a_fine_is_20_cents_for_each_day_late(library):
    book, member = library.add_book("Emma"), library.add_member("Ann")
    due = library.lend(book, member, DAY)
    assert library.give_back(book, member, due + timedelta(days=3)) == 60


def test_a_copy_that_came_back_can_be_lent_again(library):
    book, ann, bob = library.add_book("Emma"), library.add_member("Ann"), library.add_member("Bob")
    library.lend(book, ann, DAY)
    library.give_back(book, ann, DAY)
    assert library.lend(book, bob, DAY) == DAY + timedelta(days=21)
    assert library.available(book) == 0


def test_a_member_can_not_have_a_book_twice(library):
    book, member = library.add_book("Emma", copies=3), library.add_member("Ann")
    library.lend(book, member, DAY)
    with pytest.raises(ValueError):
        library.lend(book, member, DAY)
    assert library.available(book) == 2


def test_a_member_can_borrow_the_same_book_again_later(library):
    book, member = library.add_book("Emma"), library.add_member("Ann")
    library.lend(book, member, DAY)
    library.give_back(book, member, DAY)
    later = DAY + timedelta(days=100)
    due = library.lend(book, member, later)
    assert library.give_back(book, member, due + timedelta(days=1)) == 20


def test_a_fourth_book_is_refused_until_one_comes_back(library):
    member = library.add_member("Ann")
    books = [library.add_book(title) for title in ("A", "B", "C", "D")]
    for book in books[:3]:
        library.lend(book, member, DAY)
    with pytest.raises(ValueError):
        library.lend(books[3], member, DAY)
    assert library.available(books[3]) == 1
    library.give_back(books[0], member, DAY)
    assert library.lend(books[3], member, DAY) == DAY + timedelta(days=21)


def test_what_is_not_known_can_not_be_lent(library):
    book, member = library.add_book("Emma"), library.add_member("Ann")
    with pytest.raises(ValueError):
        library.lend(book + 999, member, DAY)
    with pytest.raises(ValueError):
        library.lend(book, member + 999, DAY)


def test_only_who_has_a_book_can_give_it_back(library):
    book, ann, bob = library.add_book("Emma", copies=2), library.add_member("Ann"), library.add_member("Bob")
    library.lend(book, ann, DAY)
    with pytest.raises(ValueError):
        library.give_back(book, bob, DAY)
    assert library.available(book) == 1


def test_the_latest_come_first_in_what_is_overdue(library):
    ann, bob = library.add_member("Ann"), library.add_member("Bob")
    emma, ulysses = library.add_book("Emma"), library.add_book("Ulysses")
    library.lend(emma, ann, DAY + timedelta(days=5))
    library.lend(ulysses, bob, DAY)
    rows = [tuple(row) for row in library.overdue(DAY + timedelta(days=30))]
    assert rows == [("Bob", "Ulysses", 9), ("Ann", "Emma", 4)]


def test_a_book_is_not_overdue_on_its_due_day_or_once_it_is_back(library):
    member = library.add_member("Ann")
    emma, ulysses = library.add_book("Emma"), library.add_book("Ulysses")
    due = library.lend(emma, member, DAY)
    library.lend(ulysses, member, DAY)
    assert list(library.overdue(due)) == []
    library.give_back(ulysses, member, due)
    assert [tuple(row)[1] for row in library.overdue(due + timedelta(days=1))] == ["Emma"]
