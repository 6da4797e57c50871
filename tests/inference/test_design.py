"""The living page shows what is there: every component, every colour with its contrast."""

from __future__ import annotations

import re

import pytest

from inference.design import COMPONENTS, SAMPLES, contrast, contrasts

pytestmark = pytest.mark.django_db


def test_every_component_is_shown(admin_client):
    page = admin_client.get("/design/").content.decode()
    files = {file.stem for file in COMPONENTS.glob("*.html")}
    assert set(re.findall(r'data-component="(\w+)"', page)) == files == set(SAMPLES)


def test_doctors_and_visitors_find_no_such_page(doctor_client, client):
    assert doctor_client.get("/design/").status_code == 404
    assert client.get("/design/").status_code == 404


def test_developers_need_no_account(client, settings):
    settings.DEBUG = True
    assert client.get("/design/").status_code == 200


def test_contrast_as_the_guideline_defines_it():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("pair", contrasts(), ids=lambda pair: f"{pair['front']}-{pair['back']}")
def test_colours_stand_out_from_what_is_behind_them(pair):
    for theme in pair["themes"]:
        assert theme["ratio"] >= pair["least"], theme
