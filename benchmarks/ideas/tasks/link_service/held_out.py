"""Behaviour that follows from the idea's features and stands in none of its visible checks."""

import pytest


@pytest.fixture
def client():
    """A client of the service."""
    from fastapi.testclient import TestClient
    from link_service import app

    return TestClient(app)


def code_of(client, url):
    """Return the code of an address."""
    return client.post("/links", json={"url": url}).json()["code"]


def test_a_known_address_keeps_its_code(client):
    first = client.post("/links", json={"url": "https://example.org/again"})
    second = client.post("/links", json={"url": "https://example.org/again"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["code"] == second.json()["code"]


def test_other_addresses_have_other_codes_of_letters_and_digits(client):
    codes = {code_of(client, f"http://example.org/{n}") for n in range(20)}
    assert len(codes) == 20
    assert all(len(code) == 6 and code.isalnum() for code in codes)


def test_visits_are_counted(client):
    code = code_of(client, "https://example.org/visits")
    assert client.get(f"/links/{code}").json() == {"code": code, "url": "https://example.org/visits", "visits": 0}
    for _ in range(3):
        client.get(f"/go/{code}", follow_redirects=False)
    assert client.get(f"/links/{code}").json()["visits"] == 3


def test_looking_at_a_code_is_no_visit(client):
    code = code_of(client, "https://example.org/look")
    client.get(f"/links/{code}")
    assert client.get(f"/links/{code}").json()["visits"] == 0


def test_a_removed_code_is_gone_everywhere(client):
    code = code_of(client, "https://example.org/gone")
    assert client.delete(f"/links/{code}").status_code == 204
    assert client.get(f"/links/{code}").status_code == 404
    assert client.get(f"/go/{code}", follow_redirects=False).status_code == 404


def test_a_removed_address_can_be_added_again(client):
    code = code_of(client, "https://example.org/twice")
    client.delete(f"/links/{code}")
    assert client.post("/links", json={"url": "https://example.org/twice"}).status_code == 201


def test_an_unknown_code_is_not_found_to_follow_or_remove(client):
    assert client.get("/go/nothere", follow_redirects=False).status_code == 404
    assert client.delete("/links/nothere").status_code == 404


def test_an_address_without_a_scheme_is_refused(client):
    assert client.post("/links", json={"url": "example.org"}).status_code == 422
    assert client.post("/links", json={"url": "example.org/http://"}).status_code == 422
    assert len(code_of(client, "http://example.org")) == 6
