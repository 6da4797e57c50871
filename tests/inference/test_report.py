"""The reports of a reading and of a patient: who gets them, and what they say."""

import datetime as dt
import io

import cv2
import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import translation
from pypdf import PdfReader

from inference.explanation import CLEAR_BELOW, map_png
from inference.models import Analysis, Review
from inference.report import content
from operations.models import AccessEvent
from tests.accounts.factories import DoctorFactory
from tests.inference.factories import AnalysisFactory, ModelVersionFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import chest_pixels

pytestmark = pytest.mark.django_db


def preview_jpeg() -> bytes:
    return cv2.imencode(".jpg", chest_pixels(256, 224, bits_stored=8))[1].tobytes()


@pytest.fixture
def patient(doctor):
    return PatientFactory(owner=doctor, identifier="IPP 4711/b")


@pytest.fixture
def read(patient):
    """``read(day, **fields)``: a finished reading of ``patient`` with its two pictures."""

    def make(day="2024-03-05", **fields):
        day = dt.date.fromisoformat(day)
        analysis = AnalysisFactory(
            radiograph__patient=patient, radiograph__acquired_on=day, **fields
        )
        activation = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
        analysis.map.save("map.png", ContentFile(map_png(activation)))
        analysis.radiograph.preview.save("preview.jpg", ContentFile(preview_jpeg()))
        return analysis

    return make


def reading_url(analysis):
    return reverse("inference:report", args=[analysis.radiograph_id])


def patient_url(patient):
    return reverse("inference:patient_report", args=[patient.pk])


def document(response) -> PdfReader:
    assert response.status_code == 200
    return PdfReader(io.BytesIO(response.content))


def text_of(response) -> str:
    """What is written on all pages, each white space as one space."""
    pages = document(response).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_a_report_of_a_reading_says_all_there_is(doctor_client, doctor, read):
    analysis = read()
    Review.objects.create(
        analysis=analysis,
        doctor=doctor,
        verdict="contested",
        label="normal",
        reason="not_pneumonia",
        comment="A nipple shadow.\nSee the lateral.",
    )
    text = text_of(doctor_client.get(reading_url(analysis)))
    for said in (
        "Reading of the chest radiograph of 5 Mar 2024",
        "IPP 4711/b",
        "Lung opacity",
        "High certainty",
        "Normal 5%",
        "Lung opacity 85%",
        "Abnormal without opacity 10%",
        "Contested: Normal",
        "A nipple shadow. See the lateral.",
        str(doctor),
        str(analysis.model_version),
        "History of the patient",
        "5 Mar 2024 (this one)",
        "It is not a medical device",
        "Page 1 of",
    ):
        assert said in text, said


def test_a_marked_region_is_framed_and_numbered(doctor_client, doctor, read):
    analysis = read()
    judgement = {"analysis": analysis, "doctor": doctor, "verdict": "contested", "label": "normal"}
    Review.objects.create(**judgement, region=[0, 0, 0.1, 0.1], is_current=None)  # taken back
    plain = doctor_client.get(reading_url(analysis))
    assert "numbered frames" not in text_of(plain)
    Review.objects.create(**judgement, reason="artefact", region=[0.2, 0.3, 0.6, 0.9])
    marked = doctor_client.get(reading_url(analysis))
    assert "The numbered frames are the regions that doctors marked." in text_of(marked)
    assert text_of(marked).count("Region: frame 1 on the radiograph") == 1
    first, second = (page.get_contents().get_data() for page in document(marked).pages[:2])
    undrawn = [page.get_contents().get_data() for page in document(plain).pages[:2]]
    drawn = max(first.count(b" S"), second.count(b" S"))
    assert drawn > max(page.count(b" S") for page in undrawn)


def test_a_report_links_to_the_model_card(doctor_client, read):
    analysis = read()
    pages = document(doctor_client.get(reading_url(analysis))).pages
    links = [
        note.get_object()["/A"]["/URI"] for page in pages for note in page.get("/Annots") or []
    ]
    assert links == [f"http://testserver{analysis.model_version.card_url()}"]


def test_reports_speak_the_reader_s_language(client_for, doctor, read):
    read("2023-01-02")
    analysis = read()
    response = client_for(doctor, language="fr").get(reading_url(analysis))
    text = text_of(response)
    assert "Opacité pulmonaire" in text
    assert "85 %" in text
    assert "05/03/2024" in text
    assert document(response).trailer["/Root"]["/Lang"] == "fr"
    with translation.override("fr"):
        history = [analysis, *Analysis.objects.exclude(pk=analysis.pk)]
        chart = content._history(history, 9)["parts"][0]
    assert "Opacité pulmonaire : 02/01/2023 85 %" in chart["alt"].replace("\u00a0", " ")


def test_a_report_is_a_private_file_whose_name_tells_nothing(doctor_client, read, patient):
    for url in (reading_url(read()), patient_url(patient)):
        response = doctor_client.get(url)
        assert response["Content-Type"] == "application/pdf"
        assert response["Cache-Control"] == "private, no-store"
        assert "4711" not in response["Content-Disposition"]
        info = document(response).metadata
        assert "4711" not in f"{info.title} {info.subject} {info.author}"


def test_making_a_report_is_recorded(doctor_client, doctor, read, patient):
    analysis = read()
    doctor_client.get(reading_url(analysis))
    doctor_client.get(patient_url(patient))
    found = AccessEvent.objects.filter(actor=doctor, action="read")
    assert set(found.values_list("route", "object_id")) == {
        ("inference:report", str(analysis.radiograph_id)),
        ("inference:patient_report", str(patient.pk)),
    }


def test_the_radiograph_is_copied_and_the_map_laid_over_it(doctor_client, read):
    analysis = read()
    data = doctor_client.get(reading_url(analysis)).content
    with analysis.radiograph.preview.open() as file:
        assert data.count(file.read()) == 1
    analysis.map.delete()
    bare = doctor_client.get(reading_url(analysis)).content
    assert len(PdfReader(io.BytesIO(bare)).pages[0].images) == 1
    assert content.MAP_FROM == CLEAR_BELOW


def test_a_report_without_a_preview_says_so(doctor_client, read):
    analysis = read()
    preview = analysis.radiograph.preview
    preview.storage.delete(preview.name)
    assert "No preview of this radiograph." in text_of(doctor_client.get(reading_url(analysis)))


def test_a_damaged_picture_does_not_keep_the_report_back(doctor_client, read):
    analysis = read()
    analysis.radiograph.preview.save("preview.jpg", ContentFile(preview_jpeg()[:100]))
    text = text_of(doctor_client.get(reading_url(analysis)))
    assert "The stored pictures of this radiograph are damaged." in text
    assert "Lung opacity 85%" in text


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_there_is_no_report_without_a_reading(doctor_client, patient, state):
    analysis = AnalysisFactory(radiograph__patient=patient, **{state: True})
    response = doctor_client.get(reading_url(analysis))
    assert response.status_code == 409
    assert "analysis_not_done" in response.text
    page = doctor_client.get(reverse("inference:reading", args=[analysis.radiograph_id])).text
    assert reading_url(analysis) not in page


def test_an_image_that_the_model_does_not_know_gets_no_class(doctor_client, read):
    version = ModelVersionFactory(with_sets=True, in_production=True)
    text = text_of(doctor_client.get(reading_url(read(unlike=True, model_version=version))))
    assert "A person must read it" in text
    assert "The probabilities below mean nothing for such an image." in text


def test_a_storage_that_fails_is_a_passing_fault(doctor_client, read, fail_storage):
    analysis = read()
    fail_storage()
    assert doctor_client.get(reading_url(analysis)).status_code == 503


def test_a_patient_s_report_has_every_reading(doctor_client, doctor, read, patient):
    new = ModelVersionFactory(name="new", in_production=True)
    last = read("2024-03-05", model_version=new)
    old = AnalysisFactory(
        radiograph=last.radiograph, is_current=None, model_version=ModelVersionFactory(name="old")
    )
    read("2021-07-14", model_version=old.model_version)
    AnalysisFactory(
        failed=True, radiograph__patient=patient, radiograph__acquired_on=dt.date(2020, 1, 2)
    )
    AnalysisFactory(radiograph__acquired_on=dt.date(1999, 9, 9))
    Review.objects.create(analysis=old, doctor=doctor, verdict="approved", label="lung_opacity")
    Review.objects.create(
        analysis=last, doctor=DoctorFactory(last_name="Zola"), verdict="contested", label="normal"
    )
    # What others judged is heard by who judged as well.
    assert "Zola" not in text_of(doctor_client.get(patient_url(patient)))
    Review.objects.create(analysis=last, doctor=doctor, verdict="approved", label="lung_opacity")
    response = doctor_client.get(patient_url(patient))
    text = text_of(response)
    for said in (
        "IPP 4711/b",
        "5 Mar 2024 Lung opacity 5% 85% 10%",
        "(replaced by a later reading)",
        "14 Jul 2021",
        "2 Jan 2020 Failed",
        "Approved",
        "Contested: Normal",
        "Zola",
        "Models that read",
    ):
        assert said in text, said
    assert "1999" not in text


def test_a_patient_without_radiographs_has_a_report(doctor_client, patient):
    text = text_of(doctor_client.get(patient_url(patient)))
    assert "No radiograph of this patient has been received yet." in text


def test_a_long_history_says_that_it_is_not_whole(doctor_client, read, monkeypatch):
    monkeypatch.setattr(content, "SHORT_HISTORY", 2)
    last = [read(f"2024-03-0{day}") for day in (1, 2, 3)][-1]
    text = text_of(doctor_client.get(reading_url(last)))
    assert "Only the newest readings are listed here: 2." in text
    assert "1 Mar 2024" not in text.rpartition("Certainty Model")[2]


def test_each_report_costs_a_fixed_number_of_queries(
    doctor_client, doctor, read, patient, django_assert_num_queries
):
    for day in ("2024-03-01", "2024-03-02", "2024-03-03"):
        analysis = read(day)
        Review.objects.create(
            analysis=analysis, doctor=doctor, verdict="approved", label="lung_opacity"
        )
    for url, queries in ((reading_url(analysis), 6), (patient_url(patient), 5)):
        doctor_client.get(url)  # the look is recorded once
        with django_assert_num_queries(queries):
            doctor_client.get(url)


def test_the_pages_offer_what_can_be_taken_away(doctor_client, read, patient):
    analysis = read()
    page = doctor_client.get(reverse("inference:reading", args=[analysis.radiograph_id])).text
    assert reading_url(analysis) in page
    assert "De-identified DICOM file (" in page
    analysis.radiograph.transfer_syntax_uid = "1.2.840.10008.1.2.1.99"
    analysis.radiograph.save()
    page = doctor_client.get(reverse("inference:reading", args=[analysis.radiograph_id])).text
    assert "De-identified DICOM file (" not in page
    page = doctor_client.get(reverse("patients:detail", args=[patient.pk])).text
    assert patient_url(patient) in page
