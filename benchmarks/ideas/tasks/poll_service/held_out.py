"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest


@pytest.fixture
def client():
    """A client of the service."""
    from fastapi.testclient import TestClient
    from poll_service import app

    return TestClient(app)


def poll_of(client, *options):
    """Make a poll and return its address."""
    made = client.post("/polls", json={"question": "Which?", "options": list(options)})
    return f"/polls/{made.json()['id']}"


def vote(client, poll, voter, option):
    """Vote and return the status."""
    return client.post(f"{poll}/votes", json={"voter": voter, "option": option}).status_code


def test_a_poll_needs_two_different_options(client):
    for options in ([], ["a"], ["a", "b", "a"]):
        assert client.post("/polls", json={"question": "Which?", "options": options}).status_code == 422


def test_a_poll_needs_a_question(client):
    assert client.post("/polls", json={"question": "", "options": ["a", "b"]}).status_code == 422
    assert client.post("/polls", json={"question": "Q", "options": ["a", "b"]}).json()["question"] == "Q"


def test_polls_have_ids_of_their_own(client):
    first, second = poll_of(client, "a", "b"), poll_of(client, "c", "d")
    assert first != second
    assert client.get(first).json()["options"] == ["a", "b"]
    assert client.get(second).json()["question"] == "Which?"


def test_an_option_that_is_not_there_is_refused_and_not_counted(client):
    poll = poll_of(client, "a", "b")
    assert vote(client, poll, "ann", "c") == 422
    assert client.get(f"{poll}/results").json()["total"] == 0
    assert vote(client, poll, "ann", "a") == 201


def test_a_second_vote_does_not_change_the_first(client):
    poll = poll_of(client, "a", "b")
    assert [vote(client, poll, "ann", "a"), vote(client, poll, "ann", "a")] == [201, 409]
    assert client.get(f"{poll}/results").json()["counts"] == {"a": 1, "b": 0}


def test_a_voter_has_a_vote_in_each_poll(client):
    first, second = poll_of(client, "a", "b"), poll_of(client, "a", "b")
    assert [vote(client, first, "ann", "a"), vote(client, second, "ann", "b")] == [201, 201]


def test_without_votes_nobody_wins(client):
    results = client.get(f"{poll_of(client, 'a', 'b')}/results").json()
    assert results == {"counts": {"a": 0, "b": 0}, "total": 0, "winner": None}


def test_nobody_wins_a_tie_and_the_most_votes_win(client):
    poll = poll_of(client, "a", "b", "c")
    vote(client, poll, "ann", "c")
    vote(client, poll, "bob", "b")
    assert client.get(f"{poll}/results").json()["winner"] is None
    vote(client, poll, "cyd", "b")
    assert client.get(f"{poll}/results").json() == {"counts": {"a": 0, "b": 2, "c": 1}, "total": 3, "winner": "b"}


def test_a_closed_poll_takes_no_vote_and_keeps_its_results(client):
    poll = poll_of(client, "a", "b")
    vote(client, poll, "ann", "a")
    assert client.post(f"{poll}/close").status_code == 200
    assert vote(client, poll, "bob", "b") == 409
    assert client.get(f"{poll}/results").json() == {"counts": {"a": 1, "b": 0}, "total": 1, "winner": "a"}


def test_a_poll_that_is_not_known_is_not_found_anywhere(client):
    assert client.get("/polls/999999/results").status_code == 404
    assert client.post("/polls/999999/close").status_code == 404
    assert vote(client, "/polls/999999", "ann", "a") == 404
