"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import subprocess
import sys

import pytest

SALES = "region,amount,kind\nwest,10,a\neast,2.25,b\nwest,,a\nnorth,40,b\neast,0.5,a\n"


def command(folder, text, *arguments):
    """Run the command on a file that holds ``text``."""
    file = folder / "table.csv"
    file.write_text(text, encoding="utf-8")
    argv = [sys.executable, "-m", "csv_totals", str(file), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


def test_an_empty_cell_counts_as_nothing():
    from csv_totals import group_totals

    assert group_totals([{"g": "a", "v": ""}, {"g": "a", "v": "2"}], "g", "v") == {"a": 2.0}


def test_negative_amounts_are_added_too():
    from csv_totals import group_totals

    assert group_totals([{"g": "a", "v": "-2.5"}, {"g": "a", "v": "1"}], "g", "v") == {"a": -1.5}


def test_a_cell_that_is_no_number_is_refused():
    from csv_totals import group_totals

    with pytest.raises(ValueError):
        group_totals([{"g": "a", "v": "much"}], "g", "v")


def test_cells_in_quotes_may_hold_commas(tmp_path):
    from csv_totals import read_rows

    file = tmp_path / "t.csv"
    file.write_text('name,amount\n"Smith, Ann",3\n', encoding="utf-8")
    assert list(map(dict, read_rows(file))) == [{"name": "Smith, Ann", "amount": "3"}]


def test_white_space_around_names_and_cells_does_not_count(tmp_path):
    from csv_totals import read_rows

    file = tmp_path / "t.csv"
    file.write_text("region , amount\nnorth , 3\n", encoding="utf-8")
    assert list(map(dict, read_rows(file))) == [{"region": "north", "amount": "3"}]


def test_the_command_groups_by_the_column_that_is_named(tmp_path):
    done = command(tmp_path, SALES, "kind", "amount")
    assert (done.returncode, done.stdout.splitlines()) == (0, ["a: 10.50", "b: 42.25"])


def test_top_prints_the_largest_first(tmp_path):
    done = command(tmp_path, SALES, "region", "amount", "--top", "2")
    assert (done.returncode, done.stdout.splitlines()) == (0, ["north: 40.00", "west: 10.00"])


def test_a_column_that_is_not_there_ends_with_exit_code_2(tmp_path):
    done = command(tmp_path, SALES, "country", "amount")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip()


def test_a_value_that_is_no_number_ends_with_exit_code_2(tmp_path):
    done = command(tmp_path, SALES, "region", "kind")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip()
