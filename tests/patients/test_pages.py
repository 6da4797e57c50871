"""The pages about patients, as a doctor's browser asks for them."""

import datetime as dt

import pytest
from django.urls import reverse

from inference.services import review_create
from operations.models import AccessEvent
from patients.models import Patient
from tests.accounts.factories import DoctorFactory
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory

pytestmark = pytest.mark.django_db

LIST, NEW, SEARCH = (reverse(f"patients:{name}") for name in ("list", "create", "search"))
FIELDS = {"identifier": "IPP 77", "sex": "M", "birth_date": "1961-07-05"}


def detail(patient):
    return reverse("patients:detail", args=[patient.pk])


def edit(patient):
    return reverse("patients:update", args=[patient.pk])


def test_an_empty_list_says_how_to_begin(doctor_client):
    response = doctor_client.get(LIST)
    assert reverse("inference:new") in response.text
    assert "No patient yet" in response.text


def test_the_list_shows_own_patients_alone(doctor_client, doctor):
    mine, theirs = PatientFactory(owner=doctor), PatientFactory()
    RadiographFactory(patient=mine, acquired_on=dt.date(2024, 3, 2))
    page = doctor_client.get(LIST).text
    assert mine.identifier in page
    assert 'datetime="2024-03-02"' in page
    assert theirs.identifier not in page


def test_the_list_costs_the_same_for_many_rows(doctor_client, doctor, django_assert_num_queries):
    for _ in range(3):
        RadiographFactory(patient=PatientFactory(owner=doctor))
    doctor_client.get(LIST)  # the read is recorded once in five minutes
    with django_assert_num_queries(5):  # session, doctor, keys, page, radiographs
        doctor_client.get(LIST)
    for _ in range(27):
        PatientFactory(owner=doctor)
    with django_assert_num_queries(5):
        page = doctor_client.get(LIST)
    assert page.text.count("<tr>") == 26
    after = page.context["page"].after
    with django_assert_num_queries(7):  # the row after which it starts, the record of another page
        page = doctor_client.get(LIST, {"after": after})
    assert page.text.count("<tr>") == 6


@pytest.mark.parametrize("sort", ["identifier", "birth_date", "birth_date_desc", "oldest", "x"])
def test_the_list_is_sorted_and_keeps_the_sort_across_pages(doctor_client, doctor, sort):
    PatientFactory.create_batch(26, owner=doctor)
    response = doctor_client.get(LIST, {"sort": sort})
    rows = list(response.context["page"])
    key = {"identifier": "identifier", "birth_date": "birth_date", "birth_date_desc": "birth_date"}
    name = key.get(sort, "created_at")
    values = [getattr(row, name) for row in rows]
    assert values == sorted(values, reverse=sort in ("birth_date_desc", "x"))
    after = response.context["page"].after
    rest = doctor_client.get(LIST, {"sort": sort, "after": after})
    assert len(rest.context["page"]) == 1
    assert f"after={after}" in response.text


def test_no_identifier_stands_in_an_address(doctor_client, doctor):
    for number in range(26):
        PatientFactory(owner=doctor, identifier=f"SECRET{number}")
    page = doctor_client.get(LIST, {"sort": "identifier"}).text
    for attribute in ("href", "action", "hx-get", "hx-post"):
        for part in page.split(f'{attribute}="')[1:]:
            assert "SECRET" not in part.split('"')[0]


def test_search_answers_rows_to_htmx_and_a_page_without_it(doctor_client, doctor):
    PatientFactory(owner=doctor, identifier="AB-1")
    PatientFactory(owner=doctor, identifier="CD-2")
    PatientFactory(identifier="AB-3")
    fragment = doctor_client.post(SEARCH, {"q": "ab"}, headers={"hx-request": "true"}).text
    assert "AB-1" in fragment
    assert "CD-2" not in fragment
    assert "AB-3" not in fragment
    assert "<html" not in fragment
    page = doctor_client.post(SEARCH, {"q": "ab"}).text
    assert "AB-1" in page
    assert "<html" in page
    assert "No patient matches" in doctor_client.post(SEARCH, {"q": "zz"}).text


def test_search_is_never_a_get(doctor_client):
    assert doctor_client.get(SEARCH, {"q": "ab"}).status_code == 405


def test_choices_keep_the_patient_chosen_before(doctor_client, doctor):
    chosen = PatientFactory(owner=doctor, identifier="AB-1")
    PatientFactory(owner=doctor, identifier="CD-2")
    theirs = PatientFactory(identifier="EF-3")
    data = {"q": "cd", "as": "choices", "patient": str(chosen.pk)}
    fragment = doctor_client.post(SEARCH, data, headers={"hx-request": "true"}).text
    assert fragment.index("AB-1") < fragment.index("CD-2")
    assert fragment.count("checked") == 1
    for key in (str(theirs.pk), "new", "rubbish"):
        other = doctor_client.post(SEARCH, data | {"patient": key})
        assert other.status_code == 200
        assert "checked" not in other.text
        assert "EF-3" not in other.text


def test_a_new_patient_is_recorded_and_shown(doctor_client, doctor):
    response = doctor_client.post(NEW, FIELDS)
    patient = Patient.objects.get()
    assert response.url == detail(patient)
    assert (patient.owner, patient.identifier, patient.sex) == (doctor, "IPP 77", "M")
    assert "IPP 77" in doctor_client.get(response.url).text


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("identifier", "", "This field is required."),
        ("identifier", "<script>", "Use letters, digits"),
        ("identifier", "x" * 65, "at most 64 characters"),
        ("sex", "", "This field is required."),
        ("sex", "Q", "Select a valid choice"),
        ("birth_date", "31/02/1990", "Enter a valid date."),
        ("birth_date", "2990-01-01", "be in the future"),
        ("birth_date", "1700-01-01", "before 1880"),
    ],
)
def test_each_mistake_has_its_sentence_and_nothing_typed_is_lost(
    doctor_client, field, value, sentence
):
    response = doctor_client.post(NEW, FIELDS | {field: value})
    assert response.status_code == 422
    assert sentence in " ".join(response.context["form"].errors[field])
    for name, kept in (FIELDS | {field: value}).items():
        assert str(response.context["form"][name].value()) == kept
    assert not Patient.objects.exists()


def test_a_taken_identifier_is_said_beside_it(doctor_client, doctor):
    PatientFactory(owner=doctor, identifier="ipp 77")
    response = doctor_client.post(NEW, FIELDS)
    assert response.status_code == 422
    assert response.context["form"].errors.get_json_data()["identifier"][0]["code"] == (
        "patient_exists"
    )


def test_a_patient_is_corrected(doctor_client, doctor):
    patient = PatientFactory(owner=doctor)
    assert f'value="{patient.identifier}"' in doctor_client.get(edit(patient)).text
    assert doctor_client.post(edit(patient), FIELDS).url == detail(patient)
    patient.refresh_from_db()
    assert patient.identifier == "IPP 77"
    refused = doctor_client.post(edit(patient), FIELDS | {"birth_date": "2990-01-01"})
    assert refused.status_code == 422
    patient.refresh_from_db()
    assert patient.birth_date == dt.date(1961, 7, 5)
    RadiographFactory(patient=patient, acquired_on=dt.date(2024, 3, 2))
    refused = doctor_client.post(edit(patient), FIELDS | {"birth_date": "2024-03-03"})
    assert refused.status_code == 422
    assert "birth_date" in refused.context["form"].errors


def test_the_patient_page_shows_the_history(doctor_client, doctor):
    patient = PatientFactory(owner=doctor)
    assert "No radiograph yet" in doctor_client.get(detail(patient)).text
    for day in (1, 2):
        radiograph = RadiographFactory(patient=patient, acquired_on=dt.date(2024, 1, day))
        AnalysisFactory(radiograph=radiograph)
    AnalysisFactory()
    page = doctor_client.get(detail(patient)).text
    assert page.count('class="row-link"') == 2
    assert '<svg class="chart"' in page


def test_the_patient_page_costs_the_same_for_a_long_history(
    doctor_client, doctor, django_assert_num_queries
):
    patient = PatientFactory(owner=doctor)
    review(AnalysisFactory(radiograph__patient=patient), doctor)
    doctor_client.get(detail(patient))
    # Session, doctor, patient; for the chart the readings; for the timeline a page of keys
    # and their readings, what these replaced, reviews, the version in production.
    with django_assert_num_queries(9):
        doctor_client.get(detail(patient))
    for analysis in AnalysisFactory.create_batch(12, radiograph__patient=patient):
        review(AnalysisFactory(radiograph=analysis.radiograph, is_current=None), doctor)
    with django_assert_num_queries(9):
        doctor_client.get(detail(patient))


def review(analysis, doctor):
    return review_create(analysis=analysis, doctor=doctor, verdict="approved")


def test_reads_are_recorded(doctor_client, doctor):
    patient = PatientFactory(owner=doctor)
    for url in (LIST, detail(patient), edit(patient)):
        doctor_client.get(url)
    events = AccessEvent.objects.filter(actor=doctor, action="read")
    assert set(events.values_list("object_type", "object_id")) == {
        ("patients.patient", "list"),
        ("patients.patient", str(patient.pk)),
    }


def test_anothers_patient_does_not_exist(doctor_client):
    theirs = PatientFactory()
    for url in (detail(theirs), edit(theirs)):
        assert doctor_client.get(url).status_code == 404
    assert doctor_client.post(edit(theirs), FIELDS).status_code == 404
    assert Patient.objects.get().identifier == theirs.identifier


def test_only_a_practising_doctor_comes_in(client, client_for, admin_client, settings):
    settings.DOCTOR_VERIFICATION_REQUIRED = True
    waiting = client_for(DoctorFactory(pending=True))
    for url in (LIST, NEW):
        assert client.get(url).url.startswith(reverse("account_login"))
        assert admin_client.get(url).url == reverse("admin:index")
        assert waiting.get(url).url == reverse("accounts:waiting")
    assert waiting.post(NEW, FIELDS).url == reverse("accounts:waiting")
    assert not Patient.objects.exists()


def test_the_admin_looks_patients_up(admin_client):
    patient = PatientFactory(identifier="FIND-ME")
    PatientFactory(identifier="NOT-ME")
    url = reverse("admin:patients_patient_changelist")
    page = admin_client.get(url, {"q": "FIND"}).text
    assert "FIND-ME" in page
    assert "NOT-ME" not in page
    change = reverse("admin:patients_patient_change", args=[patient.pk])
    assert "FIND-ME" in admin_client.get(change).text
    assert admin_client.post(change, FIELDS).status_code == 403
    assert AccessEvent.objects.filter(object_id=str(patient.pk), action="read").exists()


def test_the_admin_list_costs_the_same_for_many_rows(admin_client, django_assert_num_queries):
    url = reverse("admin:patients_patient_changelist")
    PatientFactory.create_batch(2)
    admin_client.get(url)
    with django_assert_num_queries(4):  # session, administrator, capped count, page
        admin_client.get(url)
    PatientFactory.create_batch(10)
    with django_assert_num_queries(4):
        admin_client.get(url)
