"""What an administrator looks for is found, and stands in no address."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.urls import reverse

from operations.admin_search import seal, unseal
from tests.patients.factories import PatientFactory

PATIENTS = "/admin/patients/patient/"
DOCTORS = "/admin/accounts/doctor/"
EVENTS = "/admin/operations/accessevent/"


def sent(client, path: str, **values: str):
    """What the search form does: the redirect, and the page it leads to."""
    redirect = client.post(path, {"_search": "1", **values})
    assert redirect.status_code == 302, redirect.content[:2000]
    return redirect["Location"], client.get(redirect["Location"])


def addresses(page) -> str:
    return "\n".join(re.findall(r"(?:href|action|src)=\"([^\"]*)\"", page.content.decode()))


@pytest.mark.parametrize("how", ["form", "typed"])
def test_the_words_are_found_and_no_link_has_them(admin_client, doctor, how):
    patients = [PatientFactory(owner=doctor, identifier=f"Planted-{n:03}") for n in range(60)]
    PatientFactory(owner=doctor, identifier="Another")
    if how == "form":
        address, page = sent(
            admin_client, PATIENTS, q=" Planted- ", training_consent__exact="unknown"
        )
        assert "planted" not in address.lower()
    else:
        page = admin_client.get(PATIENTS, {"q": "Planted-"})
    assert page.context["cl"].result_count == len(patients)
    assert page.context["cl"].query.lower() == "planted-"
    assert "planted" not in addresses(page).lower()
    following = re.search(r'href="(\?[^"]*p=2[^"]*)"', page.text)[1].replace("&amp;", "&")
    second = admin_client.get(PATIENTS + following)
    assert second.context["cl"].result_count == len(patients)
    assert len(second.context["cl"].result_list) == 10
    assert "planted" not in addresses(second).lower()


def test_a_doctor_is_found_by_address_and_a_change_leads_back(admin_client, doctor):
    address, page = sent(admin_client, DOCTORS, q=doctor.email)
    assert page.context["cl"].result_count == 1
    assert doctor.email not in address + addresses(page)
    change = re.search(rf'href="({DOCTORS}{doctor.pk}/change/[^"]*)"', page.text)[1]
    back = admin_client.get(change.replace("&amp;", "&"))
    assert doctor.email not in addresses(back).replace("mailto:", "")


def test_the_form_of_the_record_and_its_export_keep_the_doctor_sealed(admin_client, doctor):
    PatientFactory(owner=doctor)
    address, page = sent(admin_client, EVENTS, doctor=doctor.email, since="2020-01-01", until="")
    assert doctor.email not in address + addresses(page)
    assert f'value="{doctor.email}"' in page.text
    assert "since=2020-01-01" in address
    assert "until" not in address
    # The other form takes along what this one has asked, and the other way round.
    sealed = dict(parse_qsl(urlsplit(address).query))["doctor"]
    both, page = sent(admin_client, EVENTS, q=doctor.email, doctor=sealed)
    assert page.context["cl"].query == doctor.email
    assert f'name="doctor" value="{doctor.email}"' in page.text
    export = re.search(r'href="([^"]*export.csv[^"]*)"', page.text)[1].replace("&amp;", "&")
    assert doctor.email not in export + both
    assert admin_client.get(export).status_code == 200


def test_an_action_on_what_was_found_is_no_search(admin_client, doctor, other_doctor):
    address, _page = sent(admin_client, DOCTORS, q=doctor.email)
    given = {"action": "suspend", "_selected_action": [other_doctor.pk, doctor.pk], "index": "0"}
    admin_client.post(address, given)
    doctor.refresh_from_db()
    other_doctor.refresh_from_db()
    assert doctor.verification == "suspended"
    assert other_doctor.verification == "verified"


def test_nothing_asked_is_the_whole_list(admin_client, doctor):
    address, page = sent(admin_client, DOCTORS, q="  ")
    assert urlsplit(address).query == ""
    assert page.context["cl"].result_count >= 2


def test_what_was_sealed_with_an_earlier_secret_is_still_read(settings):
    sealed = seal("é 4711")
    assert "4711" not in sealed
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another", [settings.SECRET_KEY]
    assert unseal(sealed) == "é 4711"
    assert unseal("plain") == "plain"


def test_every_search_of_the_admin_is_sealed(admin_client):
    from django.contrib import admin

    for model, page in admin.site._registry.items():
        if page.search_fields and model._meta.app_label != "auth":
            path = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            form = re.search(
                r'<form id="changelist-search".*?</form>', admin_client.get(path).text, re.S
            )
            assert 'method="post"' in form[0], path
            assert "csrfmiddlewaretoken" in form[0]
