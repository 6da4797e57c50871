"""What a doctor marks on the image when contesting: kept as shares of it, and shown again."""

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from inference.errors import ReviewRegionInvalidError, ReviewRegionUnexpectedError
from inference.models import Review
from inference.regions import region_checked, region_read, region_text
from inference.services import review_create
from tests.accounts.factories import token_for
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db

CONTEST = {"verdict": "contested", "label": "normal", "reason": "artefact"}


@pytest.fixture
def analysis(doctor):
    return AnalysisFactory(radiograph__patient=PatientFactory(owner=doctor))


def url(analysis):
    return reverse("inference:review", args=[analysis.pk])


def page(client, analysis):
    return client.get(reverse("inference:reading", args=[analysis.radiograph_id])).text


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("", None),
        (" ", None),
        ("0.1,0.2,0.5,0.6", [0.1, 0.2, 0.5, 0.6]),
        ("0,0,1,1", [0, 0, 1, 1]),
        ("0.123456, 0.2,0.5,0.6", [0.1235, 0.2, 0.5, 0.6]),
    ],
)
def test_a_region_is_read(text, region):
    assert region_read(text) == region
    assert region_read(region_text(region)) == region


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "0.1,0.2,0.5",
        "0.1,0.2,0.5,0.6,0.7",
        "0.5,0.2,0.1,0.6",
        "0.1,0.6,0.5,0.2",
        "0.1,0.2,0.1,0.6",
        "-0.1,0.2,0.5,0.6",
        "0.1,0.2,0.5,1.1",
        "nan,0.2,0.5,0.6",
        "0.1,0.2,inf,0.6",
        "0.10001,0.2,0.10002,0.6",
    ],
)
def test_what_is_no_rectangle_is_refused(doctor_client, analysis, text):
    with pytest.raises(ReviewRegionInvalidError):
        region_read(text)
    response = doctor_client.post(url(analysis), CONTEST | {"region": text})
    assert response.status_code == 422
    assert "no rectangle within the image" in response.text
    assert not Review.objects.exists()


def test_nothing_drawn_is_nothing():
    assert region_checked(None) is None
    assert region_text(None) == ""


def test_a_region_is_kept_and_shown_again(doctor_client, analysis):
    doctor_client.post(url(analysis), CONTEST | {"region": "0.1,0.2,0.5,0.6"})
    assert Review.objects.get().region == [0.1, 0.2, 0.5, 0.6]
    assert 'data-region="0.1000,0.2000,0.5000,0.6000"' in page(doctor_client, analysis)
    doctor_client.post(url(analysis), CONTEST)
    assert Review.objects.get(is_current=True).region is None
    assert page(doctor_client, analysis).count("data-region=") == 1


def test_who_approves_marks_nothing(doctor_client, doctor, analysis):
    with pytest.raises(ReviewRegionUnexpectedError):
        review_create(
            analysis=analysis, doctor=doctor, verdict="approved", region=[0.1, 0.2, 0.5, 0.6]
        )
    assert not Review.objects.exists()


@pytest.mark.parametrize(
    ("region", "status", "code"),
    [
        ([0.1, 0.2, 0.5, 0.6], 201, None),
        ([0, 0, 1, 1], 201, None),
        ([0.5, 0.2, 0.1, 0.6], 409, "review_region_invalid"),
        ([0.1, 0.2, 0.5], 400, "invalid"),
        ([0.1, 0.2, 0.5, 1.6], 400, "invalid"),
        (["0.1", 0.2, 0.5, 0.6], 400, "invalid"),
        ([True, 0.2, 0.5, 0.6], 400, "invalid"),
        ("0.1,0.2,0.5,0.6", 400, "invalid"),
        (None, 400, "invalid"),
    ],
)
def test_programs_send_a_region(doctor, analysis, region, status, code):
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Token {token_for(doctor)}")
    reviews = f"/api/v1/analyses/{analysis.pk}/reviews/"
    response = api.post(reviews, CONTEST | {"region": region}, format="json")
    assert response.status_code == status
    if code is None:
        assert response.json()["region"] == region
        assert api.get(reviews).json()["results"][0]["region"] == region
    else:
        assert response.json()["code"] == code
        assert not Review.objects.exists()
