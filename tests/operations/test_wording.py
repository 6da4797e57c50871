"""Whatever the record of access may hold has words, for every kind of object and reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.urls import reverse
from django.utils import translation

from operations.audit.wording import REASONS, object_text
from operations.services import access_record

APPS = ("accounts", "patients", "radiology", "inference", "operations", "ml_training")
# These hand on what they are given; the places that call them are looked at themselves.
HANDS_ON = ("operations/services.py", "operations/audit/search.py", "operations/admin_audit.py")
STATUSES = ("401", "403", "404")


def sources() -> Iterator[tuple[str, ast.Module]]:
    for app in APPS:
        for path in sorted((Path(settings.BASE_DIR) / app).rglob("*.py")):
            name = str(path.relative_to(settings.BASE_DIR))
            if "migrations" not in path.parts and name not in HANDS_ON:
                yield name, ast.parse(path.read_text())


def given(tree: ast.Module, keyword: str) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from (one.value for one in node.keywords if one.arg == keyword)


def texts(value: ast.expr, tree: ast.Module) -> set[str]:
    """What ``value`` may be; nothing for what can't be told."""
    if isinstance(value, ast.Constant):
        return {value.value}
    if isinstance(value, ast.Name):
        for node in tree.body:
            if isinstance(node, ast.Assign) and value.id in {
                getattr(target, "id", "") for target in node.targets
            }:
                return texts(node.value, tree)
    if ast.unparse(value) == "f'refusal.{status}'":
        return {f"refusal.{status}" for status in STATUSES}
    if found := re.fullmatch(r"(\w+)\._meta\.label_lower", ast.unparse(value)):
        known = {model.__name__: model._meta.label_lower for model in apps.get_models()}
        return {known[found[1]]}
    if ast.unparse(value) == "self.opts.label_lower":
        return {model._meta.label_lower for model in apps.get_models()}
    return set()


def object_types() -> dict[str, set[str]]:
    """By place of the code, each kind of object that it writes."""
    return {
        f"{name}:{value.lineno}": texts(value, tree)
        for name, tree in sources()
        for value in given(tree, "object_type")
    }


def test_every_kind_of_object_that_the_code_writes_has_words():
    found = object_types()
    assert len(found) >= 20
    assert not [place for place, kinds in found.items() if not kinds], "not understood"
    kinds = {"operations.filekey", "operations.restore", "accounts.session"}
    assert kinds <= set.union(*found.values())
    for place, kinds in found.items():
        for kind in kinds:
            assert object_text(kind) != kind, f"{place}: {kind} has no words"


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_kind_of_object_in_the_database_has_words(language):
    with translation.override(language):
        raw = [
            m for m in apps.get_models() if object_text(m._meta.label_lower) == m._meta.label_lower
        ]
    assert raw == []


# What the services of an app compose; the scan below finds the rest.
COMPOSED = (
    *(f"consent_{state}" for state in ("given", "withdrawn", "unknown")),
    *("logged_in", "logged_out", "session_ended", "session_idle", "session_old"),
    *("second_factor_added", "second_factor_removed", "recovery_codes_made"),
)


def reasons() -> dict[str, str]:
    """By place of the code, the code of each reason that stands there as a text."""
    found = {}
    for name, tree in sources():
        for node in ast.walk(tree):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "")
            if called not in ("access_record", "access_record_many", "refusal_explain"):
                continue
            for value in (one.value for one in node.keywords if one.arg == "reason"):
                first = value.values[0] if isinstance(value, ast.JoinedStr) else value
                if isinstance(first, ast.Constant) and first.value:
                    found[f"{name}:{value.lineno}"] = first.value.partition(":")[0]
    return found


def test_every_reason_that_the_code_writes_has_words():
    found = reasons()
    assert len(found) >= 8
    for place, code in [*found.items(), *((code, code) for code in COMPOSED)]:
        assert code in REASONS, f"{place}: {code} has no words"


@pytest.mark.django_db
def test_the_admins_list_shows_them_and_filters_by_them(admin_client):
    kinds = ("accounts.session", "operations.filekey", "operations.restore")
    for kind in kinds:
        access_record(actor=None, action="update", object_type=kind, object_id="1")
    url = reverse("admin:operations_accessevent_changelist")
    page = admin_client.get(url).text
    for kind in kinds:
        assert f">{kind}<" not in page
        rows = admin_client.get(url, {"object_type": kind}).context["cl"].result_list
        assert {row.object_type for row in rows} == {kind}
