"""Two radiographs of one patient side by side: which, for whom, and what is said of them."""

import datetime as dt
import re
from collections import Counter

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from inference.comparison import comparison_choices
from inference.models import Analysis
from inference.services import review_create
from operations.models import AccessEvent
from tests.inference.factories import AnalysisFactory, ModelVersionFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory

pytestmark = pytest.mark.django_db


def compare_url(patient, **sides):
    query = "&".join(f"{name}={one.radiograph_id}" for name, one in sides.items())
    return reverse("inference:compare", args=[patient.pk]) + (f"?{query}" if query else "")


@pytest.fixture
def production():
    return ModelVersionFactory(in_production=True)


@pytest.fixture
def of_day(patient, production):
    """``of_day(3)``: the reading of a radiograph of that day in January 2024."""

    def make(day: int, *, view: str = "PA", **fields) -> Analysis:
        radiograph = RadiographFactory(
            patient=patient, acquired_on=dt.date(2024, 1, day), view_position=view
        )
        return AnalysisFactory(**{"radiograph": radiograph, "model_version": production} | fields)

    return make


# --- Which two ---------------------------------------------------------------------------------


def test_two_readings_with_their_difference(doctor_client, patient, of_day):
    before = of_day(1, p_normal=0.7, p_lung_opacity=0.126, p_not_normal=0.174, label="normal")
    after = of_day(2)
    review_create(analysis=before, doctor=patient.owner, verdict="approved")
    page = doctor_client.get(compare_url(patient, left=before, right=after)).text
    rows = re.findall(r"<tr data-class.*?</tr>", page, re.DOTALL)
    cells = [re.findall(r"(?:<td>|<strong>)([^<]+)<", row) for row in rows]
    assert cells == [["70%", "5%", "−65"], ["13%", "85%", "+72"], ["17%", "10%", "−7"]]
    for text in ("Approved", "Not judged by you yet", "High certainty", "right minus left"):
        assert text in page
    assert "Compare with care" not in page
    assert "Read again" not in page


def test_the_selection_of_the_timeline_puts_the_older_one_left(doctor_client, patient, of_day):
    first, second = of_day(1), of_day(2)
    page = doctor_client.get(reverse("patients:detail", args=[patient.pk])).text
    assert page.count('form="compare-form"') == 2
    response = doctor_client.get(
        compare_url(patient), {"radiograph": [second.radiograph_id, first.radiograph_id]}
    )
    assert response.url == compare_url(patient, left=first, right=second)


@pytest.mark.parametrize("count", [1, 3])
def test_not_two_selected(doctor_client, patient, of_day, count):
    keys = [of_day(day).radiograph_id for day in range(1, count + 1)]
    response = doctor_client.get(compare_url(patient), {"radiograph": keys}, follow=True)
    assert response.redirect_chain[0][0] == reverse("patients:detail", args=[patient.pk])
    assert "Select exactly two radiographs" in response.text


def test_one_side_goes_with_the_radiograph_before(doctor_client, patient, of_day):
    first, second, third = of_day(1), of_day(2), of_day(3)

    def onto(**sides):
        return doctor_client.get(compare_url(patient, **sides)).url

    assert onto() == compare_url(patient, left=second, right=third)
    assert onto(right=second) == compare_url(patient, left=first, right=second)
    assert onto(left=third) == compare_url(patient, left=second, right=third)
    # The oldest goes with the one after it.
    assert onto(right=first) == compare_url(patient, left=first, right=second)


def test_one_radiograph_has_nothing_beside_it(doctor_client, patient, of_day):
    response = doctor_client.get(compare_url(patient), follow=True)
    assert "takes two radiographs" in response.text
    only = of_day(1)
    response = doctor_client.get(compare_url(patient, left=only, right=only), follow=True)
    assert "two different radiographs" in response.text
    assert "compare-form" not in response.text


def test_sides_are_swapped_and_chosen(doctor_client, patient, of_day):
    first, second, third = of_day(1), of_day(2), of_day(3)
    page = doctor_client.get(compare_url(patient, left=first, right=third)).text
    assert f'href="{compare_url(patient, left=third, right=first)}"'.replace("&", "&amp;") in page
    assert page.count(f'<option value="{second.radiograph_id}"') == 2
    assert re.findall(r'<option value="([^"]+)" selected', page) == [
        str(first.radiograph_id), str(third.radiograph_id),
    ]  # fmt: skip


# --- For whom ------------------------------------------------------------------------------------


def test_what_is_anothers_or_of_another_patient_is_not_found(doctor_client, patient, of_day):
    mine = of_day(1)
    elsewhere = AnalysisFactory(radiograph__patient=PatientFactory(owner=patient.owner))
    theirs = AnalysisFactory()
    for other in (elsewhere, theirs):
        for sides in (
            {"left": mine, "right": other},
            {"left": other, "right": mine},
            {"right": other},
        ):
            assert doctor_client.get(compare_url(patient, **sides)).status_code == 404
        keys = [mine.radiograph_id, other.radiograph_id]
        selected = doctor_client.get(compare_url(patient), {"radiograph": keys})
        assert selected.status_code == 404
    their_patient = theirs.radiograph.patient
    assert doctor_client.get(compare_url(their_patient)).status_code == 404
    assert not AccessEvent.objects.filter(object_type="radiology.radiograph").exists()


@pytest.mark.parametrize("query", ["left=1&right=2", "radiograph=1&radiograph=2", "left=x"])
def test_what_is_no_key_is_not_found(doctor_client, patient, of_day, query):
    of_day(1)
    of_day(2)
    assert doctor_client.get(f"{compare_url(patient)}?{query}").status_code == 404


def test_both_reads_are_recorded(doctor_client, patient, of_day):
    sides = {"left": of_day(1), "right": of_day(2)}
    doctor_client.get(compare_url(patient, **sides))
    events = AccessEvent.objects.filter(object_type="radiology.radiograph", action="read")
    assert set(events.values_list("object_id", flat=True)) == {
        str(side.radiograph_id) for side in sides.values()
    }


def test_it_costs_the_same_for_a_long_history(
    doctor_client, patient, of_day, django_assert_num_queries
):
    first, second = of_day(1), of_day(2)
    url = compare_url(patient, left=first, right=second)
    review_create(analysis=first, doctor=patient.owner, verdict="approved")
    doctor_client.get(url)
    # Session, doctor, patient; both readings, what they replaced, reviews, the version in
    # production; the radiographs to choose from.
    with django_assert_num_queries(8):
        doctor_client.get(url)
    for day in range(3, 12):
        AnalysisFactory(radiograph=of_day(day).radiograph, is_current=None)
    AnalysisFactory(radiograph=first.radiograph, is_current=None)
    with django_assert_num_queries(8):
        doctor_client.get(url)


# --- What is said ------------------------------------------------------------------------------


def test_readings_of_two_versions_come_with_a_warning(doctor_client, patient, of_day, production):
    old = ModelVersionFactory(name="older")
    before, after = of_day(1, model_version=old), of_day(2)
    url = compare_url(patient, left=before, right=after)
    page = doctor_client.get(url).text
    assert f"({old} on the left, {production} on the right)" in page
    again = reverse("inference:read_again", args=[before.radiograph_id])
    assert page.count(f'action="{again}"') == 1
    assert reverse("inference:read_again", args=[after.radiograph_id]) not in page
    assert doctor_client.post(again, {"next": url}).url == url
    page = doctor_client.get(url).text
    assert "while a reading is missing" in page
    assert "1 earlier reading" in page


def test_two_old_readings_of_one_version_can_be_read_again(doctor_client, patient, of_day):
    old = ModelVersionFactory()
    sides = {"left": of_day(1, model_version=old), "right": of_day(2, model_version=old)}
    page = doctor_client.get(compare_url(patient, **sides)).text
    assert "Compare with care" not in page
    assert page.count("Read again with the current model") == 2


@pytest.mark.parametrize(
    ("views", "text"),
    [(("PA", "AP"), "PA on the left, AP on the right"), (("PA", ""), "is not known")],
)
def test_other_projections_come_with_a_warning(doctor_client, patient, of_day, views, text):
    left, right = (of_day(day, view=view) for day, view in enumerate(views, start=1))
    assert text in doctor_client.get(compare_url(patient, left=left, right=right)).text


def test_what_is_unlike_has_no_difference(doctor_client, patient, of_day, production):
    left, right = of_day(1), of_day(2, unlike=True)
    page = doctor_client.get(compare_url(patient, left=left, right=right)).text
    assert "neither would their difference" in page
    assert "compare-table" not in page


def test_what_is_withheld_is_not_told(doctor_client, doctor, patient, of_day):
    doctor.read_first = True
    doctor.save()
    left, right = of_day(1), of_day(2)
    page = doctor_client.get(compare_url(patient, left=left, right=right)).text
    assert "once you have judged both" in page
    for text in ("85%", "Lung opacity", "High certainty", "Not judged by you yet"):
        assert text not in page


def test_no_id_stands_twice(doctor_client, patient, of_day):
    sides = {}
    for name, day in (("left", 1), ("right", 2)):
        one = sides[name] = of_day(day)
        one.map.save("", ContentFile(b"\x89PNG"))
        one.radiograph.preview.save("", ContentFile(b"\xff\xd8"))
    page = doctor_client.get(compare_url(patient, **sides)).text
    counts = Counter(re.findall(r'\sid="([^"]*)"', page))
    assert {"left-map-switch", "right-map-switch"} <= counts.keys()
    assert [name for name, count in counts.items() if count > 1] == []
    named = re.findall(r'\s(?:for|aria-labelledby|aria-describedby)="([^"]*)"', page)
    assert set(" ".join(named).split()) <= counts.keys()


def test_the_reading_leads_to_the_comparison(doctor_client, patient, of_day):
    only = of_day(1)
    url = reverse("inference:reading", args=[only.radiograph_id])
    assert "Compare with the radiograph before" not in doctor_client.get(url).text
    of_day(2)
    assert compare_url(patient, right=only) in doctor_client.get(url).text


def test_radiographs_of_one_day_are_told_apart_by_when_they_came(doctor, patient, of_day):
    for day in (1, 1, 2):
        of_day(day)
    choices = comparison_choices(doctor, patient)
    assert [choice.is_alone for choice in choices] == [True, False, False]
    assert choices[1].received_at > choices[2].received_at
