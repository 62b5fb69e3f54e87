"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import hashlib
import subprocess
import sys


def filled(folder, files):
    """Write path → content into ``folder``, and return it."""
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


def command(folder):
    """Run the command on ``folder``."""
    argv = [sys.executable, "-m", "dupe_finder", str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


def test_the_digest_takes_bytes_as_they_are(tmp_path):
    from dupe_finder import file_digest

    content = bytes(range(256)) * 1000 + b"\r\n"
    filled(tmp_path, {"a.bin": content})
    assert file_digest(tmp_path / "a.bin") == hashlib.sha256(content).hexdigest()


def test_files_in_subfolders_are_found(tmp_path):
    from dupe_finder import find_duplicates

    filled(tmp_path, {"z.txt": b"1", "sub/deep/a.txt": b"1", "sub/other.txt": b"2"})
    assert find_duplicates(tmp_path) == [["sub/deep/a.txt", "z.txt"]]


def test_groups_are_sorted_by_their_first_path(tmp_path):
    from dupe_finder import find_duplicates

    filled(tmp_path, {"d": b"1", "b": b"2", "c": b"2", "e": b"1", "a": b"3"})
    assert find_duplicates(tmp_path) == [["b", "c"], ["d", "e"]]


def test_a_group_may_have_more_than_two_files(tmp_path):
    from dupe_finder import find_duplicates

    filled(tmp_path, {"c": b"x", "a": b"x", "b": b"x"})
    assert find_duplicates(tmp_path) == [["a", "b", "c"]]


def test_empty_files_are_no_duplicates(tmp_path):
    from dupe_finder import find_duplicates

    filled(tmp_path, {"a": b"", "b": b"", "c": b"x", "d": b"x"})
    assert find_duplicates(tmp_path) == [["c", "d"]]


def test_files_of_the_same_size_may_differ(tmp_path):
    from dupe_finder import find_duplicates

    filled(tmp_path, {"a": b"xy", "b": b"yx"})
    assert find_duplicates(tmp_path) == []


def test_the_command_parts_groups_by_an_empty_line(tmp_path):
    done = command(filled(tmp_path, {"a": b"1", "b": b"1", "s/c": b"2", "s/d": b"2"}))
    assert (done.returncode, done.stdout.strip().split("\n")) == (0, ["a", "b", "", "s/c", "s/d"])


def test_a_folder_that_is_not_there_ends_with_exit_code_2(tmp_path):
    done = command(tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr.strip()


def test_a_file_in_place_of_a_folder_ends_with_exit_code_2(tmp_path):
    filled(tmp_path, {"a": b"1"})
    done = command(tmp_path / "a")
    assert done.returncode == 2
    assert done.stderr.strip()
