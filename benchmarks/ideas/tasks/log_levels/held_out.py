"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import subprocess
import sys
from datetime import datetime

LOG = """\
2026-03-01T09:59:59 INFO web: started
2026-03-01T10:00:00 ERROR payment: card refused: no money
Traceback of something
  at line 7

2026-03-01T10:05:00 DEBUG payment: trying again
2026-03-01T11:00:00 INFO payment: paid
2026-03-01T12:00:00 ERROR web: gone
2026-03-01T12:30:00 WARNING web: back
2026-03-01T12:31:00 ERROR web: gone again
"""


def command(folder, *arguments, text=LOG):
    """Run the command on a file that holds ``text``."""
    file = folder / "app.log"
    file.write_text(text, encoding="utf-8")
    argv = [sys.executable, "-m", "log_levels", str(file), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


def test_a_message_may_hold_a_colon():
    from log_levels import parse_line

    line = "2026-03-01T10:00:00 ERROR payment: card refused: no money"
    assert parse_line(line) == (datetime(2026, 3, 1, 10), "ERROR", "payment", "card refused: no money")


def test_a_time_that_does_not_exist_is_another_shape():
    from log_levels import parse_line

    assert parse_line("2026-02-28T10:00:00 INFO web: x") is not None
    assert parse_line("2026-02-30T10:00:00 INFO web: x") is None


def test_lines_of_another_shape_are_not_counted():
    from log_levels import level_counts

    assert level_counts(["nonsense", "", "2026-03-01T10:00:00 INFO web: x"]) == {"INFO": 1}


def test_levels_with_the_same_count_are_in_alphabetical_order(tmp_path):
    done = command(tmp_path)
    assert (done.returncode, done.stdout.splitlines()) == (0, ["ERROR 3", "INFO 2", "DEBUG 1", "WARNING 1"])


def test_since_takes_that_time_in(tmp_path):
    done = command(tmp_path, "--since", "2026-03-01T12:00:00")
    assert (done.returncode, done.stdout.splitlines()) == (0, ["ERROR 2", "WARNING 1"])


def test_source_counts_only_its_own_lines(tmp_path):
    done = command(tmp_path, "--source", "payment")
    assert (done.returncode, done.stdout.splitlines()) == (0, ["DEBUG 1", "ERROR 1", "INFO 1"])


def test_both_filters_can_be_given_together(tmp_path):
    done = command(tmp_path, "--source", "payment", "--since", "2026-03-01T10:30:00")
    assert (done.returncode, done.stdout.splitlines()) == (0, ["INFO 1"])


def test_skipped_lines_are_said_without_the_empty_ones(tmp_path):
    assert "skipped 2 lines" in command(tmp_path).stderr


def test_nothing_is_said_where_no_line_was_skipped(tmp_path):
    done = command(tmp_path, text="2026-03-01T10:00:00 INFO web: x\n\n")
    assert (done.stdout.strip(), done.stderr.strip()) == ("INFO 1", "")


def test_a_file_that_is_not_there_ends_with_exit_code_2(tmp_path):
    argv = [sys.executable, "-m", "log_levels", str(tmp_path / "nowhere.log")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 2
    assert done.stderr.strip()


def test_without_an_argument_the_command_says_how_it_is_used():
    argv = [sys.executable, "-m", "log_levels"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0
    assert done.stdout.strip()
