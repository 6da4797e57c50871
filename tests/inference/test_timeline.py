"""The patient's timeline: every reading of every radiograph, and reading them again."""

import datetime as dt
import re

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from inference.models import Analysis
from inference.services import review_create
from inference.timeline import PAGE_SIZE
from tests.inference.factories import AnalysisFactory, ModelVersionFactory
from tests.radiology.factories import RadiographFactory

pytestmark = pytest.mark.django_db


def patient_url(patient):
    return reverse("patients:detail", args=[patient.pk])


def again_url(analysis):
    return reverse("inference:read_again", args=[analysis.radiograph_id])


def entries(page: str) -> list[str]:
    return page.split('<li class="timeline-entry"')[1:]


@pytest.fixture
def production():
    return ModelVersionFactory(in_production=True)


@pytest.fixture
def outdated(patient, production):
    """A reading by a version that is not the one in production any more."""
    return AnalysisFactory(radiograph__patient=patient, model_version=ModelVersionFactory())


# --- The timeline ---------------------------------------------------------------------------


def test_newest_first_with_all_that_is_known(doctor_client, patient):
    for day in (1, 3, 2):
        radiograph = RadiographFactory(patient=patient, acquired_on=dt.date(2024, 1, day))
        AnalysisFactory(radiograph=radiograph)
    radiograph.preview.save("", ContentFile(b"\xff\xd8"))
    judged = Analysis.objects.get(acquired_on=dt.date(2024, 1, 3))
    review_create(analysis=judged, doctor=patient.owner, verdict="approved")
    page = doctor_client.get(patient_url(patient)).text
    found = entries(page)
    assert [re.search(r'datetime="([^"]+)"', one)[1] for one in found] == [
        "2024-01-03", "2024-01-02", "2024-01-01",
    ]  # fmt: skip
    assert reverse("radiology:preview", args=[radiograph.pk]) in found[1]
    for text in ("Lung opacity", "High certainty", "85%", "10%", "5%", str(judged.model_version)):
        assert text in found[0]
    assert "Approved" in found[0]
    assert "Not judged by you yet" in found[1]
    assert "The numbers of the chart" in page


def test_unfinished_and_failed_ones_say_so(doctor_client, patient):
    AnalysisFactory(queued=True, radiograph__patient=patient)
    AnalysisFactory(failed=True, radiograph__patient=patient)
    AnalysisFactory(unlike=True, radiograph__patient=patient)
    unlike, failed, queued = entries(doctor_client.get(patient_url(patient)).text)
    assert "Queued" in queued
    assert "Failed" in failed
    assert "Not like what the model knows" in unlike
    assert "85%" not in unlike  # means nothing there
    assert "Lung opacity" not in unlike


def test_what_is_withheld_is_not_told(doctor_client, doctor, patient, production):
    """Who reads first sees the radiographs alone: no class, number, point or judgement."""
    doctor.read_first = True
    doctor.save()
    for day in (1, 2):
        radiograph = RadiographFactory(patient=patient, acquired_on=dt.date(2024, 1, day))
        AnalysisFactory(radiograph=radiograph, model_version=production)
        AnalysisFactory(radiograph=radiograph, is_current=None)
    page = doctor_client.get(patient_url(patient)).text
    assert len(entries(page)) == 2
    for text in (
        "Lung opacity",
        "85%",
        "High certainty",
        "Not judged by you yet",
        '<svg class="chart',
    ):
        assert text not in page
    assert "1 earlier reading" in page


def test_pages_of_a_long_timeline(doctor_client, patient):
    for day in range(1, PAGE_SIZE + 3):
        radiograph = RadiographFactory(patient=patient, acquired_on=dt.date(2024, 1, day))
        AnalysisFactory(radiograph=radiograph)
    first = doctor_client.get(patient_url(patient)).text
    assert len(entries(first)) == PAGE_SIZE
    onward = re.search(r'rel="next" href="([^"]+)"', first)[1]
    second = doctor_client.get(patient_url(patient) + onward.replace("&amp;", "&")).text
    assert len(entries(second)) == 2
    assert 'rel="prev"' in second
    assert second.count('<g class="chart-series"') == 3  # the chart is whole on each page


def test_a_replaced_reading_is_folded_under_the_new_one(doctor_client, patient, production):
    old = ModelVersionFactory(name="older")
    current = AnalysisFactory(radiograph__patient=patient, model_version=production)
    replaced = AnalysisFactory(
        radiograph=current.radiograph, is_current=None, model_version=old, p_lung_opacity=0.77
    )
    review_create(
        analysis=replaced,
        doctor=patient.owner,
        verdict="contested",
        label="normal",
        reason="artefact",
    )
    for url in (
        patient_url(patient),
        reverse("inference:reading", args=[current.radiograph_id]),
    ):
        page = doctor_client.get(url).text
        assert str(old) in page
        earlier = page[page.index('<ol class="earlier">') :]
        assert "77%" in earlier
        assert "Contested" in earlier
        assert "Read again with the current model" not in page
    assert "1 earlier reading" in doctor_client.get(patient_url(patient)).text


def test_the_chart_names_the_versions_where_they_change(doctor_client, patient, production):
    old = ModelVersionFactory(name="older")
    for day, version in ((1, old), (20, production)):
        radiograph = RadiographFactory(patient=patient, acquired_on=dt.date(2024, 1, day))
        AnalysisFactory(radiograph=radiograph, model_version=version)
    page = doctor_client.get(patient_url(patient)).text
    chart = page[page.index('<figure class="chart-card">') : page.index("</figure>")]
    assert chart.count('class="chart-change"') == 1
    assert re.findall(r'class="chart-letter">(\w)</strong>', chart) == ["A", "B"]
    assert str(old) in chart
    assert re.findall(r'<path d="M[^"]+L', chart.split('class="chart-legend"')[0]) == []


# --- Read again -------------------------------------------------------------------------------


def test_reading_again_keeps_the_old_reading(doctor_client, patient, outdated, production):
    for url in (
        patient_url(patient),
        reverse("inference:reading", args=[outdated.radiograph_id]),
    ):
        page = doctor_client.get(url).text
        assert f'action="{again_url(outdated)}"' in page
        assert f"Now in use: {production}" in page
    back = patient_url(patient)
    response = doctor_client.post(again_url(outdated), {"next": back})
    assert response.url == back
    outdated.refresh_from_db()
    assert outdated.is_current is None
    assert outdated.p_lung_opacity == 0.85
    current = Analysis.objects.current().get(radiograph=outdated.radiograph_id)
    assert current.status == "queued"
    page = doctor_client.get(back).text
    assert "queued to be read again" in page
    assert "1 earlier reading" in page
    # A second press changes nothing, and says why.
    response = doctor_client.post(again_url(outdated))
    assert response.url == reverse("inference:reading", args=[outdated.radiograph_id])
    assert Analysis.objects.filter(radiograph=outdated.radiograph_id).count() == 2


def test_what_the_version_in_production_read_is_not_read_again(doctor_client, patient, production):
    analysis = AnalysisFactory(radiograph__patient=patient, model_version=production)
    page = doctor_client.get(patient_url(patient)).text
    assert "Read again with the current model" not in page
    response = doctor_client.post(again_url(analysis), follow=True)
    assert "has read it already" in response.text
    assert Analysis.objects.count() == 1


def test_without_a_version_in_production_nothing_is_offered(doctor_client, patient):
    AnalysisFactory(radiograph__patient=patient, model_version=ModelVersionFactory())
    assert "Read again" not in doctor_client.get(patient_url(patient)).text


@pytest.mark.parametrize("onto", ["https://example.org/", "//example.org/", "javascript:x", ""])
def test_reading_again_leads_nowhere_else(doctor_client, outdated, onto):
    response = doctor_client.post(again_url(outdated), {"next": onto})
    assert response.url == reverse("inference:reading", args=[outdated.radiograph_id])


def test_anothers_radiograph_is_not_read_again(doctor_client):
    theirs = AnalysisFactory()
    assert doctor_client.post(again_url(theirs)).status_code == 404
    assert Analysis.objects.count() == 1


@pytest.mark.parametrize(
    "onto", ["abc", "inference:list", "", "//example.org/", "\\\\x", "http://["]
)
def test_reading_again_leads_back_to_a_path_of_ours_alone(doctor_client, patient, production, onto):
    analysis = AnalysisFactory(radiograph__patient=patient)
    response = doctor_client.post(again_url(analysis), {"next": onto})
    assert response.status_code == 302
    assert response.url == reverse("inference:reading", args=[analysis.radiograph_id])
