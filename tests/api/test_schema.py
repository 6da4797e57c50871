"""The description of the API is complete, true to the routes, and needs nothing from elsewhere."""

from __future__ import annotations

import copy
import re
from io import StringIO

import pytest
from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile
from django.core.management import call_command

from inference.api.examples import DONE_RADIOGRAPH, QUEUED_RADIOGRAPH
from pneumoniapp.api.docs import schema
from pneumoniapp.errors import REGISTRY
from tests.inference.factories import AnalysisFactory

from .problems import assert_problem

METHODS = {"get", "post", "put", "patch", "delete"}


def operations():
    for path, item in schema()["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def test_the_document_is_valid_and_made_without_a_warning(capsys):
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())
    assert capsys.readouterr().err == ""


@pytest.mark.django_db
def test_it_is_served_to_everybody_in_english(client):
    response = client.get("/api/schema/", headers={"accept-language": "fr"})
    assert response["Content-Type"] == "application/vnd.oai.openapi+json"
    assert response.json() == schema()
    assert "Record a patient" in response.content.decode()


def test_every_operation_says_what_it_does_and_how_it_fails():
    for path, method, operation in operations():
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["tags"], where
        responses = operation["responses"]
        assert {"400", "429"} <= responses.keys(), where
        assert ("401" in responses) == bool(operation.get("security", [{}])[0]) or (
            path.endswith("/auth/token/")
        ), where
        assert ("404" in responses) >= ("{" in path), where
        for status, response in responses.items():
            if status < "400":
                continue
            content = response["content"]["application/problem+json"]
            assert content["schema"]["$ref"].endswith("/Problem"), where
            for example in content["examples"].values():
                assert example["value"]["status"] == int(status)
                assert example["value"]["code"] in REGISTRY


def test_bodies_are_described_as_closed():
    schemas = schema()["components"]["schemas"]
    sent = {name for name in schemas if name.endswith("Request")}
    assert sent
    for name in sent:
        assert schemas[name]["additionalProperties"] is False, name


def test_tags_are_the_ones_described():
    described = {tag["name"] for tag in schema()["tags"]}
    assert {tag for _, _, operation in operations() for tag in operation["tags"]} == described


@pytest.mark.django_db
def test_the_docs_page_takes_everything_from_here_under_the_strict_policy(client):
    response = client.get("/api/docs/")
    assert response.status_code == 200
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    page = response.content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert all(address.startswith("/") for address in addresses)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", page)
    files = [a.removeprefix("/static/") for a in addresses if a.startswith("/static/")]
    assert len(files) >= 4
    for file in files:
        assert finders.find(file), file


@pytest.mark.django_db
def test_the_docs_page_only_answers_to_get(client):
    assert client.post("/api/docs/").status_code == 405
    assert_problem(client.get("/api/docs/nothing/"), 404, "not_found")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("traits", "example"),
    [({"certain": True}, DONE_RADIOGRAPH), ({"queued": True}, QUEUED_RADIOGRAPH)],
)
def test_the_examples_have_the_shape_of_real_answers(api, doctor, traits, example):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor, **traits)
    if "certain" in traits:
        analysis.map.save("map.png", ContentFile(b"\x89PNG"))
        analysis.radiograph.preview.save("preview.jpg", ContentFile(b"\xff\xd8\xff"))
    answer = api.get(f"/api/v1/radiographs/{analysis.radiograph_id}/").json()
    for body in (answer, example := copy.deepcopy(example)):
        body["warnings"] = body["analysis"]["timings"] = None
    assert shape(answer) == shape(example)


def shape(value):
    """The names and kinds of values in a body."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return type(value).__name__


def test_a_program_finds_its_way_from_the_root(client):
    assert client.get("/api/").url == "/api/docs/"
    addresses = client.get("/api/v1/").json()
    assert addresses["radiographs"] == "http://testserver/api/v1/radiographs/"
    assert addresses["docs"] == "http://testserver/api/docs/"
    for address in addresses.values():
        assert client.get(address).status_code in (200, 401, 405), address
    assert client.post("/api/v1/").status_code == 405
