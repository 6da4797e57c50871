"""The help page, and the made-up radiograph that the first day offers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from django.conf import settings
from pydicom import dcmread

from radiology.intake import examine
from scripts import made_up

pytestmark = pytest.mark.django_db
SAMPLE = settings.BASE_DIR / "static" / "samples" / "pneumoniapp-made-up.dcm"


def test_everybody_may_read_it(client, doctor_client, settings):
    settings.CONTACT_EMAIL = "desk@example.org"
    for asks in (client, doctor_client):
        page = asks.get("/help/").content.decode()
        assert "mailto:desk@example.org" in page
        assert page.count("data-class=") == 3
        assert "<kbd>j</kbd>" in page


@pytest.mark.parametrize("address", ["/radiographs/", "/readings/new/"])
def test_the_first_day_offers_it(doctor_client, address):
    assert SAMPLE.name in doctor_client.get(address).content.decode()


def test_it_is_what_its_program_draws():
    stored, drawn = (dcmread(io.BytesIO(c)) for c in (SAMPLE.read_bytes(), made_up.sample()))
    assert stored.SOPInstanceUID == drawn.SOPInstanceUID
    difference = np.abs(stored.pixel_array.astype(int) - drawn.pixel_array.astype(int))
    assert difference.max() <= 2  # libraries round differently


def test_it_says_of_itself_that_it_is_made_up():
    dataset = dcmread(SAMPLE)
    assert "Made up" in dataset.DerivationDescription
    assert str(dataset.PatientName) == "Made up^"
    assert SAMPLE.stat().st_size < 400_000


def test_it_is_accepted():
    with SAMPLE.open("rb") as file:
        examine(file)
