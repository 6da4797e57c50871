"""Every refusal has a stable code, a client's status and a sentence that its facts fill."""

import re

from pneumoniapp.errors import REGISTRY, sentence_for
from radiology import errors

FACTS = {
    "allocated": 32,
    "attribute": "SOPInstanceUID",
    "columns": 9000,
    "found": "CT",
    "frames": 2,
    "limit": 64,
    "rows": 9000,
    "stored": 20,
}


def classes() -> list[type]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and value.__module__ == errors.__name__ and value.code
    ]


def test_each_is_registered_under_its_code_with_its_status():
    assert len(classes()) == 35
    for error in classes():
        assert REGISTRY[error.code] is error
        passing = error.code in ("storage_unavailable", "decoding_interrupted")
        assert (error.status == 503) if passing else (400 <= error.status < 500)


def test_each_sentence_is_filled_by_what_the_docstring_names(english):
    for error in classes():
        names = set(re.findall(r"%\((\w+)\)", str(error.sentence)))
        described = set(re.findall(r"``(\w+)``", error.__doc__ or ""))
        assert names <= set(FACTS)
        if names:
            assert names == described, error
        params = {name: FACTS[name] for name in names}
        sentence = sentence_for(error.code, params)
        assert sentence.endswith(".")
        assert "%" not in sentence
