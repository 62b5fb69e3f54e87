"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest


def test_what_is_stored_is_a_text_without_the_password():
    from password_tokens import hash_password

    stored = hash_password("correct horse")
    assert isinstance(stored, str)
    assert "correct" not in stored


def test_an_empty_password_is_refused():
    from password_tokens import hash_password

    with pytest.raises(ValueError):
        hash_password("")


def test_passwords_may_have_any_letters():
    from password_tokens import hash_password, verify_password

    stored = hash_password("pässwörd$:.| 密码")
    assert verify_password("pässwörd$:.| 密码", stored) is True
    assert verify_password("password$:.| 密码", stored) is False


def test_a_stored_text_of_another_shape_gives_false():
    from password_tokens import verify_password

    for stored in ("", "nonsense", "a$b$c", "a:b:c:d"):
        assert verify_password("correct horse", stored) is False


def test_a_damaged_stored_text_gives_false():
    from password_tokens import hash_password, verify_password

    stored = hash_password("correct horse")
    assert verify_password("correct horse", stored[: len(stored) // 2]) is False


def test_a_token_runs_out_after_its_lifetime():
    from password_tokens import make_token, read_token

    token = make_token("ann", "s3cret", 1000, lifetime=60)
    assert read_token(token, "s3cret", 1059) == "ann"
    with pytest.raises(ValueError):
        read_token(token, "s3cret", 1060)


def test_the_lifetime_is_an_hour_unless_given():
    from password_tokens import make_token, read_token

    token = make_token("ann", "s3cret", 0)
    assert read_token(token, "s3cret", 3599) == "ann"
    with pytest.raises(ValueError):
        read_token(token, "s3cret", 3600)


def test_a_changed_token_is_refused():
    from password_tokens import make_token, read_token

    token = make_token("ann", "s3cret", 1000)
    for changed in (token[:-4], token[4:], f"{token[:-1]}{'a' if token[-1] != 'a' else 'b'}xyz"):
        with pytest.raises(ValueError):
            read_token(changed, "s3cret", 1500)


def test_what_is_no_token_is_refused():
    from password_tokens import read_token

    for token in ("", "nonsense", "a.b.c", "a:b:c", "...."):
        with pytest.raises(ValueError):
            read_token(token, "s3cret", 1500)


def test_a_user_may_have_any_name():
    from password_tokens import make_token, read_token

    for user in ("ann.smith@example.org", "a:b|c.d", "Zoë"):
        assert read_token(make_token(user, "s3cret", 1000), "s3cret", 1001) == user
