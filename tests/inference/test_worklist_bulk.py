"""Reading several readings of the worklist again, and exporting them."""

from __future__ import annotations

import csv
import io
from uuid import uuid4

import pytest
from django.urls import reverse

from inference import worklist_bulk
from inference.models import Analysis
from inference.services import review_create
from operations.models import AccessEvent
from patients.models import Patient
from pneumoniapp.spreadsheets import safe
from tests.inference.factories import AnalysisFactory, ModelVersionFactory
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db

REREAD = reverse("inference:worklist_reread")
EXPORT = reverse("inference:worklist_export")


@pytest.fixture
def patient(doctor):
    return PatientFactory(owner=doctor)


@pytest.fixture
def made(patient):
    def make(**fields) -> Analysis:
        return AnalysisFactory(radiograph__patient=patient, **fields)

    return make


def reread(client, *analyses):
    return client.post(REREAD, {"radiograph": [row.radiograph_id for row in analyses]})


def rows_of(response, delimiter: str = ",") -> list[list[str]]:
    content = response.getvalue()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig")), delimiter=delimiter))


# --- Read again -------------------------------------------------------------------------------


def test_each_selected_reading_gets_its_own_answer(doctor_client, made):
    old = ModelVersionFactory()
    ModelVersionFactory(in_production=True)
    by_old, failed = made(model_version=old), made(failed=True)
    by_new, queued = made(), made(queued=True)
    theirs = AnalysisFactory(failed=True)
    response = reread(doctor_client, by_old, failed, by_new, queued, theirs)
    assert [bool(outcome.problem) for outcome in response.context["outcomes"]] == [
        False,
        False,
        True,
        True,
    ]
    assert "has read it already" in response.text
    assert "is being read already" in response.text
    assert "1 selected radiograph is not among yours" in response.text
    assert str(theirs.radiograph_id) not in response.text
    for row in (failed, theirs, by_old):
        row.refresh_from_db()
    assert (failed.status, theirs.status) == ("queued", "failed")
    assert by_old.is_current is None
    assert by_old.radiograph.analyses.current().get().status == "queued"
    assert Analysis.objects.filter(radiograph=by_new.radiograph).count() == 1


def test_without_a_model_in_production_nothing_is_read_again(doctor_client, made):
    failed = made(failed=True)
    assert reread(doctor_client, failed).context["queued"] == 0
    failed.refresh_from_db()
    assert failed.status == "failed"


@pytest.mark.parametrize("url", [REREAD, EXPORT])
@pytest.mark.parametrize("selection", [[], ["x", ""], [str(uuid4()) for _ in range(201)]], ids=len)
def test_nothing_or_too_much_selected_is_said(doctor_client, url, selection):
    page = doctor_client.post(url, {"radiograph": selection}, follow=True)
    assert page.redirect_chain[0][0] == reverse("inference:worklist")
    assert [message.level_tag for message in page.context["messages"]] == ["error"]


# --- Export -----------------------------------------------------------------------------------


def test_the_selected_readings_are_exported(doctor_client, doctor, made):
    first, second, left = made(uncertain=True), made(failed=True), made()
    theirs = AnalysisFactory()
    right = {"label": "normal", "reason": "artefact", "comment": "A button."}
    review_create(analysis=first, doctor=doctor, verdict="contested", **right)
    selection = [row.radiograph_id for row in (first, second, theirs)]
    response = doctor_client.post(EXPORT, {"radiograph": selection, "what": "selected"})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"].startswith('attachment; filename="worklist-')
    heading, *rows = rows_of(response)
    lines = {row[-1]: dict(zip(heading, row, strict=True)) for row in rows}
    assert list(lines) == [str(second.radiograph_id), str(first.radiograph_id)]
    line = lines[str(first.radiograph_id)]
    assert line["Patient"] == first.radiograph.patient.identifier
    assert line["Class"] == "Lung opacity or Abnormal without opacity"
    assert line["Probability: Lung opacity"] == "0.8500"
    assert line["Judgement"] == "Contested"
    assert line["Right class"] == "Normal"
    assert line["Reason"] == "Artefact or device"
    assert line["Comment"] == "A button."
    assert lines[str(second.radiograph_id)]["Error code"] == "undecodable"
    assert str(left.radiograph_id) not in lines


def test_every_exported_radiograph_is_recorded(doctor_client, doctor, made):
    rows = [made(), made()]
    AnalysisFactory()
    doctor_client.post(EXPORT, {"what": "all"})
    events = AccessEvent.objects.filter(actor=doctor, action="read")
    assert {(event.object_id, event.route) for event in events} == {
        (str(row.radiograph_id), "inference:worklist_export") for row in rows
    }


def test_all_that_match_are_exported_and_no_more(doctor_client, made, monkeypatch):
    wanted = [made(certain=True, p_lung_opacity=p) for p in (0.9, 0.8, 0.7)]
    made(uncertain=True)
    query = {"what": "all", "place": "certainty=certain&after=x&status=rib"}
    rows = rows_of(doctor_client.post(EXPORT, query))
    assert [row[-1] for row in rows[1:]] == [str(row.radiograph_id) for row in wanted]
    monkeypatch.setattr(worklist_bulk, "EXPORT_LIMIT", 2)
    monkeypatch.setattr(worklist_bulk, "EXPORT_CHUNK", 1)
    rows = rows_of(doctor_client.post(EXPORT, query))
    assert [row[-1] for row in rows[1:3]] == [str(row.radiograph_id) for row in wanted[:2]]
    assert rows[3:] == [["Only the first 2 readings are in this file."]]


def test_in_french_a_french_spreadsheet_reads_it(client_for, doctor, made):
    made()
    rows = rows_of(client_for(doctor, language="fr").post(EXPORT, {"what": "all"}), ";")
    assert "0,8500" in rows[1]


def test_no_cell_is_a_formula(doctor_client, made, patient):
    made()
    Patient.objects.filter(pk=patient.pk).update(identifier='=HYPERLINK("//example.org")')
    rows = rows_of(doctor_client.post(EXPORT, {"what": "all"}))
    assert rows[1][1] == '\'=HYPERLINK("//example.org")'


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "  =1", "\t1", "\r1", "\n=1", "＝1"])
def test_what_would_be_a_formula_is_text(text):
    assert safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "A-1", "1 = 2", "0.85", "IPP 7"])
def test_other_text_stays(text):
    assert safe(text) == text


def test_an_export_takes_as_many_queries_for_more_rows(
    doctor_client, made, django_assert_num_queries
):
    for _ in range(8):
        made()
    # session, doctor, keys, records in a transaction (3), rows, the doctor's judgements
    with django_assert_num_queries(8):
        doctor_client.post(EXPORT, {"what": "all"}).getvalue()
