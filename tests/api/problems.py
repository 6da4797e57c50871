"""What every refusal of the API looks like."""

from __future__ import annotations


def assert_problem(response, status: int, code: str, **errors: str) -> dict:
    """``response`` is the problem ``code``; ``errors`` are the codes expected by field."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"/api/problems/{code}/"
    assert body["title"]
    assert body["detail"]
    found = {
        name: [entry["code"] for entry in entries]
        for name, entries in body.get("errors", {}).items()
    }
    assert found == {name: [value] for name, value in errors.items()}
    return body
