"""Second readings: who is asked sees one radiograph and no more; where doctors differ shows."""

import pytest
from django.core import mail
from django.core.files.base import ContentFile
from django.urls import reverse
from rest_framework.test import APIClient

from inference.agreement import agreement_of, in_dispute
from inference.errors import NothingToDecideError
from inference.models import Analysis, Review
from inference.services import review_create, review_decide
from operations.models import AccessEvent
from radiology.models import Radiograph, SecondReading
from radiology.second_readings import MOST_OPEN
from radiology.tasks import tell_second_reader
from tests.accounts.factories import AdminFactory, DoctorFactory, token_for
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db

LIST = reverse("inference:second_readings")
HERE = "If a doctor who may practise here has this address"


@pytest.fixture
def patient(doctor):
    return PatientFactory(owner=doctor, identifier="IPP-SECRET-7")


@pytest.fixture
def analysis(patient):
    analysis = AnalysisFactory(radiograph__patient=patient)
    analysis.map.save("map.png", ContentFile(b"\x89PNG"))
    analysis.radiograph.preview.save("preview.jpg", ContentFile(b"\xff\xd8\xff"))
    return analysis


def page_url(analysis):
    return reverse("inference:reading", args=[analysis.radiograph_id])


def review_url(analysis):
    return reverse("inference:review", args=[analysis.pk])


def ask(client, analysis, address, **options):
    url = reverse("inference:second_reading_new", args=[analysis.radiograph_id])
    return client.post(url, {"address": address}, follow=True, **options)


def withdraw(client, second):
    return client.post(reverse("inference:second_reading_end", args=[second.pk]), follow=True)


@pytest.fixture
def asked(doctor_client, analysis, other_doctor):
    """``other_doctor`` is asked to read ``analysis``'s radiograph as well."""
    ask(doctor_client, analysis, other_doctor.email)
    return SecondReading.objects.get()


# --- To ask --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["email", "registration_number"])
def test_a_colleague_is_asked_by_address_or_number(
    doctor_client, other_doctor_client, other_doctor, analysis, by
):
    assert other_doctor_client.get(page_url(analysis)).status_code == 404
    address = getattr(other_doctor, by)
    assert HERE in ask(doctor_client, analysis, f" {address.upper()} ").text
    second = SecondReading.objects.get()
    assert (second.reader, second.address) == (other_doctor, address)
    assert other_doctor_client.get(page_url(analysis)).status_code == 200
    event = AccessEvent.objects.get(object_type="radiology.secondreading", action="create")
    assert event.object_id == str(second.pk)


@pytest.mark.parametrize("who", ["nobody", "pending", "suspended", "closed", "admin"])
def test_the_answer_does_not_tell_who_has_an_account(doctor_client, analysis, other_doctor, who):
    accounts = {
        "pending": lambda: DoctorFactory(pending=True),
        "suspended": lambda: DoctorFactory(suspended=True),
        "closed": lambda: DoctorFactory(is_active=False),
        "admin": AdminFactory,
    }
    made = accounts[who]() if who in accounts else None
    address = made.email if made else "nobody@example.org"
    known = ask(doctor_client, analysis, other_doctor.email).text
    unknown = ask(doctor_client, analysis, address).text
    assert HERE in known
    assert HERE in unknown
    # Both stand in the list alike, and can be withdrawn.
    assert f"<span>{other_doctor.email}<" in unknown
    assert f"<span>{address}<" in unknown
    assert SecondReading.objects.get(address=address).reader is None
    if made and not made.is_staff:
        assert made.pk not in SecondReading.objects.values_list("reader", flat=True)
        made.verification, made.is_active = "verified", True
        made.save()
        assert not Radiograph.objects.visible_to(made).filter(pk=analysis.radiograph_id).exists()


@pytest.mark.parametrize("address", ["", "somebody", "12345678901", "a@", "x" * 300])
def test_what_is_no_address_is_refused(doctor_client, analysis, address):
    assert "Write an e-mail address" in ask(doctor_client, analysis, address).text
    assert not SecondReading.objects.exists()


def test_nobody_asks_themselves(doctor_client, doctor, analysis):
    assert "not your own" in ask(doctor_client, analysis, doctor.email).text
    assert not SecondReading.objects.exists()


def test_to_ask_twice_is_to_ask_once(doctor_client, analysis, asked):
    ask(doctor_client, analysis, asked.address)
    assert SecondReading.objects.get() == asked


def test_who_is_verified_since_is_reached_by_asking_again(doctor_client, analysis):
    late = DoctorFactory(verification="pending")
    ask(doctor_client, analysis, late.email)
    late.verification = "verified"
    late.save()
    ask(doctor_client, analysis, late.email)
    ask(doctor_client, analysis, late.email)
    readers = SecondReading.objects.filter(address=late.email).order_by("pk")
    assert [(one.reader, one.is_open) for one in readers] == [(None, None), (late, True)]


def test_only_so_many_are_asked(doctor_client, analysis):
    for number in range(MOST_OPEN):
        ask(doctor_client, analysis, f"d{number}@example.org")
    assert "withdraw one first" in ask(doctor_client, analysis, "more@example.org").text
    assert SecondReading.objects.count() == MOST_OPEN


def test_who_is_asked_gets_one_mail(
    analysis, asked, patient, django_capture_on_commit_callbacks, other_doctor
):
    with django_capture_on_commit_callbacks(execute=True):
        tell_second_reader(str(asked.pk))
    (message,) = mail.outbox
    assert message.to == [other_doctor.email]
    for secret in (patient.identifier, str(patient.pk), str(analysis.radiograph_id)):
        assert secret not in message.subject + message.body
    SecondReading.objects.filter(pk=asked.pk).update(reader=None)
    with django_capture_on_commit_callbacks(execute=True):
        tell_second_reader(str(asked.pk))
    assert len(mail.outbox) == 1


# --- What is seen --------------------------------------------------------------------------


def test_the_reader_sees_the_reading_and_nothing_else(
    other_doctor_client, analysis, patient, asked
):
    AnalysisFactory(radiograph__patient=patient)
    radiograph = analysis.radiograph_id
    for name in ("reading", "viewer"):
        page = other_doctor_client.get(reverse(f"inference:{name}", args=[radiograph])).text
        assert "Second reading of a colleague" in page
        for secret in (patient.identifier, str(patient.pk), "1976", "History of the patient"):
            assert secret not in page, secret
    status = reverse("inference:status", args=[radiograph]) + "?shown=queued"
    assert "History" not in other_doctor_client.get(status).text
    assert other_doctor_client.get(reverse("radiology:preview", args=[radiograph])).getvalue()
    assert other_doctor_client.get(reverse("inference:map", args=[analysis.pk])).getvalue()


@pytest.mark.parametrize("read_first", [False, True])
@pytest.mark.parametrize("status", ["done", "failed", "queued"])
def test_the_reader_is_warned_without_the_patients_facts(
    doctor_client, other_doctor_client, other_doctor, analysis, asked, read_first, status
):
    other_doctor.read_first = read_first
    other_doctor.save()
    Analysis.objects.filter(pk=analysis.pk).update(status=status)
    Radiograph.objects.filter(pk=analysis.radiograph_id).update(
        warnings=[
            {"code": "birth_date_mismatch", "file": "1931-05-02", "given": "1950-01-01"},
            {"code": "age_mismatch", "file": 93, "given": 49},
            {"code": "sex_mismatch", "file": "O", "given": "F"},
            {"code": "view_unknown"},
        ]
    )
    pages = [page_url(analysis), reverse("inference:viewer", args=[analysis.radiograph_id])]
    pages.append(reverse("inference:status", args=[analysis.radiograph_id]) + "?shown=other")
    if status == "done":
        assert "1931" in doctor_client.get(pages[0]).text
    texts = [other_doctor_client.get(page).text for page in pages]
    assert texts[0].count("what is known of the patient disagree") == 1
    assert "frontal view" in texts[0]
    for text in texts:
        for secret in ("1931", "1976", "93 years", "gives the sex", "birth date"):
            assert secret not in text, secret


def test_the_patient_the_lists_and_what_the_owner_does_stay_closed(
    other_doctor_client, other_doctor, analysis, patient, asked
):
    radiograph = analysis.radiograph_id
    closed = [
        reverse("patients:detail", args=[patient.pk]),
        reverse("inference:report", args=[radiograph]),
        reverse("inference:patient_report", args=[patient.pk]),
    ]
    for url in closed:
        assert other_doctor_client.get(url).status_code == 404
    for name, key in (
        ("retry", radiograph),
        ("worklist_approve", analysis.pk),
        ("second_reading_new", radiograph),
        ("second_reading_end", asked.pk),
    ):
        assert other_doctor_client.post(reverse(f"inference:{name}", args=[key])).status_code == 404
    for url in (reverse("inference:list"), reverse("inference:worklist")):
        assert str(radiograph) not in other_doctor_client.get(url).text
    reread = reverse("inference:worklist_reread")
    other_doctor_client.post(reread, {"radiograph": str(radiograph)})
    assert Analysis.objects.count() == 1
    export = other_doctor_client.post(reverse("inference:worklist_export"), {"what": "all"})
    assert patient.identifier not in export.getvalue().decode()


def test_programs_of_the_reader_see_the_analysis_alone(other_doctor, analysis, patient, asked):
    api = APIClient()
    token = token_for(other_doctor)
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    assert api.get(f"/api/v1/analyses/{analysis.pk}/").status_code == 200
    assert api.get(f"/api/v1/radiographs/{analysis.radiograph_id}/").status_code == 404
    assert api.post(f"/api/v1/analyses/{analysis.pk}/retry/").status_code == 404
    for name in ("radiographs", "analyses", "patients"):
        assert api.get(f"/api/v1/{name}/").json()["results"] == []
    assert patient.identifier not in api.get(f"/api/v1/analyses/{analysis.pk}/").text
    given = api.post(f"/api/v1/analyses/{analysis.pk}/reviews/", {"verdict": "approved"})
    assert given.status_code == 201


def test_to_withdraw_closes_every_door(
    doctor_client, other_doctor_client, other_doctor, analysis, asked
):
    other_doctor_client.post(review_url(analysis), {"verdict": "approved"})
    withdraw(doctor_client, asked)
    for url in (
        page_url(analysis),
        reverse("inference:viewer", args=[analysis.radiograph_id]),
        reverse("inference:map", args=[analysis.pk]),
        reverse("radiology:preview", args=[analysis.radiograph_id]),
    ):
        assert other_doctor_client.get(url).status_code == 404
    assert other_doctor_client.post(review_url(analysis)).status_code == 404
    assert str(analysis.radiograph_id) not in other_doctor_client.get(LIST).text
    assert Review.objects.count() == 1
    # Asked again, it is open again.
    ask(doctor_client, analysis, other_doctor.email)
    assert other_doctor_client.get(page_url(analysis)).status_code == 200


def test_a_suspended_reader_sees_nothing(other_doctor, analysis, asked):
    other_doctor.verification = "suspended"
    assert not Analysis.objects.visible_to(other_doctor).exists()
    assert not Radiograph.objects.visible_to(other_doctor).exists()


@pytest.mark.parametrize("count", [1, 8])
def test_the_list_costs_the_same(
    other_doctor_client, other_doctor, doctor, patient, count, django_assert_num_queries
):
    for analysis in AnalysisFactory.create_batch(count, radiograph__patient=patient):
        SecondReading.objects.create(
            radiograph=analysis.radiograph,
            asked_by=doctor,
            address=other_doctor.email,
            reader=other_doctor,
        )
        review_create(analysis=analysis, doctor=other_doctor, verdict="approved")
    other_doctor_client.get(LIST)
    with django_assert_num_queries(6):  # session, doctor, keys, rows, readings, judgements
        page = other_doctor_client.get(LIST)
    assert len(page.context["rows"]) == count


# --- Doctors who differ --------------------------------------------------------------------


def contest(client, analysis, label="normal"):
    data = {"verdict": "contested", "label": label, "reason": "artefact"}
    return client.post(review_url(analysis), data)


def test_nobody_hears_the_other_before_they_have_judged(
    doctor_client, other_doctor_client, other_doctor, analysis, asked
):
    contest(other_doctor_client, analysis)
    page = doctor_client.get(page_url(analysis)).text
    assert "Another doctor has judged this reading" in page
    assert str(other_doctor) not in page
    assert "Contested" not in page
    api = APIClient()
    token = token_for(analysis.radiograph.owner)
    api.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    assert api.get(f"/api/v1/analyses/{analysis.pk}/reviews/").json()["results"] == []
    doctor_client.post(review_url(analysis), {"verdict": "approved"})
    page = doctor_client.get(page_url(analysis)).text
    assert str(other_doctor) in page
    assert "see this differently" in page
    assert len(api.get(f"/api/v1/analyses/{analysis.pk}/reviews/").json()["results"]) == 2


def test_the_owner_s_judgement_alone_stands_in_the_worklist(
    doctor_client, other_doctor_client, analysis, asked
):
    contest(other_doctor_client, analysis)
    analysis.refresh_from_db()
    assert analysis.judgement == ""


def state(analysis) -> tuple[str, str]:
    found = agreement_of(analysis.reviews.all())
    return found.state, found.label


def test_a_third_judgement_settles_it(doctor_client, other_doctor_client, analysis, asked, doctor):
    doctor_client.post(review_url(analysis), {"verdict": "approved"})
    assert state(analysis) == ("", "")
    contest(other_doctor_client, analysis)
    assert state(analysis) == ("differ", "")
    assert "see this differently" in doctor_client.get(LIST).text
    third = DoctorFactory()
    ask(doctor_client, analysis, third.email)
    review_create(
        analysis=analysis, doctor=third, verdict="contested", label="normal", reason="artefact"
    )
    assert state(analysis) == ("majority", "normal")
    assert "most of them see: Normal" in doctor_client.get(page_url(analysis)).text


def test_a_change_of_mind_ends_the_dispute(doctor_client, other_doctor_client, analysis, asked):
    doctor_client.post(review_url(analysis), {"verdict": "approved"})
    contest(other_doctor_client, analysis)
    contest(doctor_client, analysis)
    assert state(analysis) == ("agree", "normal")
    assert "The doctors agree: Normal" in doctor_client.get(page_url(analysis)).text


@pytest.fixture
def disputed(doctor_client, other_doctor_client, analysis, asked):
    doctor_client.post(review_url(analysis), {"verdict": "approved"})
    contest(other_doctor_client, analysis)
    return analysis


def decide(client, label, *analyses):
    url = reverse("admin:inference_analysis_changelist")
    keys = [str(one.pk) for one in analyses]
    return client.post(url, {"action": f"decide_{label}", "_selected_action": keys}, follow=True)


def test_an_administrator_finds_and_decides_it(admin_client, admin, doctor_client, disputed):
    AnalysisFactory()
    found = admin_client.get(
        reverse("admin:inference_analysis_changelist"), {"judgements": "differ"}
    )
    assert [row.pk for row in found.context["cl"].queryset] == [disputed.pk]
    shown = admin_client.get(reverse("admin:inference_analysis_change", args=[disputed.pk])).text
    assert "Artefact or device" in shown
    assert "1 reading was decided" in decide(admin_client, "normal", disputed).text
    decision = Review.objects.get(kind="decision")
    assert (decision.doctor, decision.label, decision.is_current) == (admin, "normal", None)
    assert state(disputed) == ("decided", "normal")
    page = doctor_client.get(page_url(disputed)).text
    assert "It was decided: Normal" in page
    assert "Decision of an administrator" in page
    assert not in_dispute(Analysis.objects.all()).exists()
    assert "left alone" in decide(admin_client, "normal", disputed).text
    assert Review.objects.filter(is_current=True).count() == 2


def test_only_what_is_in_dispute_is_decided(admin, analysis):
    with pytest.raises(NothingToDecideError):
        review_decide(analysis=analysis, by=admin, label="normal")


def test_an_administrator_without_the_permission_decides_nothing(client_for, disputed):
    client = client_for(AdminFactory(is_superuser=False))
    assert decide(client, "normal", disputed).status_code in (403, 404)
    assert not Review.objects.filter(kind="decision").exists()
