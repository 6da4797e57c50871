"""The checks that a whole installation has."""

from operations import health


def test_every_part_of_a_reading_is_checked():
    assert set(health._entries) == {
        "database",
        "broker",
        "storage",
        "workers",
        "queue",
        "model",
        "backup",
        "audit",
    }


def test_the_answer_of_all_of_them(client, transactional_db):
    health._last.clear()
    answer = client.get("/health/ready").json()
    health._last.clear()
    ready = {name: facts["ok"] for name, facts in answer["checks"].items()}
    # Neither a worker nor a model is there in the tests; all else is.
    assert ready == {
        "database": True,
        "broker": True,
        "storage": True,
        "workers": False,
        "queue": True,
        "model": False,
        # Off, which is said and is no fault.
        "backup": True,
        "audit": True,
    }
    assert answer["checks"]["queue"]["queued"] == 0
