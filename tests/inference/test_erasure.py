"""Erasing a patient: who may, when, all of it, nobody comes back; and the term of retention."""

import datetime as dt
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from inference.models import Analysis, Review
from inference.privacy import erasure as module
from inference.privacy.erasure import (
    erasure_carry_out,
    erasure_request,
    erasures_repeat,
    erasures_sweep,
)
from inference.privacy.rows import related
from inference.registry import shipped_directories
from inference.services import analysis_run, model_register, review_create
from operations.models import AccessEvent
from operations.storage import stored_files
from patients.models import Erasure, Patient, Tombstone
from patients.retention import retention_end, retention_end_of, retention_over
from radiology.models import Radiograph, SecondReading, Upload
from tests.accounts.factories import AdminFactory, DoctorFactory
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("english")]

REASON = {"cause": "patient", "comment": "PLANTEDCOMMENT"}


def record(doctor, **values) -> Patient:
    """A patient with everything that may hang at one."""
    values = {"identifier": "PLANTEDIDENTIFIER", "birth_date": dt.date(1940, 1, 1)} | values
    patient = PatientFactory(owner=doctor, **values)
    radiograph = RadiographFactory(patient=patient)
    radiograph.preview.save("", ContentFile(b"preview"))
    radiograph.depth.save("", ContentFile(b"depth"))
    AnalysisFactory(radiograph=radiograph, is_current=None)
    analysis = AnalysisFactory(radiograph=radiograph)
    analysis.map.save("", ContentFile(b"map"))
    review_create(analysis=analysis, doctor=doctor, verdict="approved")
    SecondReading.objects.create(
        radiograph=radiograph, asked_by=doctor, address="planted.reader@example.org"
    )
    return patient


def overdue(patient) -> Patient:
    Radiograph.objects.filter(patient=patient).update(acquired_on=dt.date(1999, 1, 1))
    return patient


def names() -> set[str]:
    folders = ("radiographs", "analyses", "uploads")
    return {file.name for folder in folders for file in stored_files(folder)}


def everything() -> str:
    return "\n".join(
        repr(row)
        for model in apps.get_models(include_auto_created=True)
        for row in model._base_manager.values_list()
    )


def address(patient) -> str:
    return reverse("inference:patient_erasure", args=[patient.pk])


def test_before_the_term_the_request_waits(doctor_client, doctor, mailoutbox):
    admin, patient = AdminFactory(), record(doctor)
    page = doctor_client.get(address(patient))
    assert "The record has to be kept until" in page.text
    assert "15 January 2044" in page.text.replace("Jan ", "January ")
    assert doctor_client.post(address(patient), {"cause": ""}).status_code == 422
    refused = doctor_client.post(address(patient), {"cause": "other", "comment": " "})
    assert refused.context["form"].errors.get_json_data()["comment"][0]["code"] == "erasure_reason"

    answer = doctor_client.post(address(patient), REASON)

    assert answer.url == reverse("patients:detail", args=[patient.pk])
    erasure = Erasure.objects.get()
    assert (erasure.state, erasure.requested_by, erasure.due_on) == (
        "pending",
        doctor,
        dt.date(2044, 1, 15),
    )
    assert Patient.objects.filter(pk=patient.pk).exists()
    assert len(names()) == 4
    assert "The erasure is asked for" in doctor_client.get(answer.url).text
    assert [mail.to for mail in mailoutbox] == [[admin.email]]
    assert "PLANTED" not in mailoutbox[0].body + mailoutbox[0].subject
    assert doctor_client.post(address(patient), REASON).status_code == 422
    assert Erasure.objects.count() == 1


def test_after_the_term_it_is_done_at_once(doctor_client, doctor):
    patient, other = overdue(record(doctor)), record(doctor, identifier="OTHER-1")
    kept = {name for name in names() if str(other.radiographs.get().pk) in name}
    kept |= {analysis.map.name for analysis in Analysis.objects.filter(radiograph__patient=other)}
    kept.discard("")
    before = AccessEvent.objects.filter(patient=str(patient.pk)).count()
    Upload.objects.create(owner=doctor, size=5)
    Upload.objects.update(changed_at=timezone.now() - dt.timedelta(hours=2))
    default_storage.save(f"uploads/{Upload.objects.get().pk}/0", ContentFile(b"12345"))
    assert "is erased at once" in doctor_client.get(address(patient)).text

    answer = doctor_client.post(address(patient), REASON)

    assert answer.url == reverse("patients:list")
    assert not Patient.objects.filter(pk=patient.pk).exists()
    assert names() == kept
    assert not Upload.objects.exists()
    told = everything().replace("OTHER-1", "")
    assert "PLANTED" not in told
    # The record of access is whole, and tells of the erasure by keys alone.
    events = AccessEvent.objects.filter(patient=str(patient.pk))
    assert events.count() > before
    assert events.filter(action="delete", reason=f"erasure:{Erasure.objects.get().pk}").exists()
    assert Erasure.objects.get().counts["radiology.radiograph"] == 1
    # The other patient's rows are there.
    assert (Radiograph.objects.count(), Analysis.objects.count()) == (1, 2)
    assert (Review.objects.count(), SecondReading.objects.count()) == (1, 1)
    call_command("verify_audit", verbosity=0)


def test_every_table_and_file_below_a_patient_is_known():
    """A new table with files must say in which folder they lie."""
    tables = list(related(Patient))
    assert {"radiology.radiograph", "inference.analysis", "inference.review"} <= {
        one.model._meta.label_lower for one in tables
    }
    with_files = {
        one.model
        for one in tables
        if any(isinstance(field, models.FileField) for field in one.model._meta.fields)
    }
    assert with_files == {Radiograph, Analysis}


def test_a_process_killed_before_the_files_leaves_them_to_the_sweeper(doctor, monkeypatch):
    patient = overdue(record(doctor))
    with monkeypatch.context() as killed:
        killed.setattr(module, "_files_remove", lambda _erasure: 1 / 0)
        erasure_request(patient=patient, by=doctor, cause="patient")
    erasure = Erasure.objects.get()
    assert erasure.state == "erasing"
    assert not Patient.objects.exists()
    assert len(names()) == 4

    erasures_sweep()
    assert names() == set()
    assert Erasure.objects.get().state == "erasing"

    # What a reading that was under way adds late is removed as well.
    folders = erasure.folders
    assert len(folders) == 3
    late = f"{folders[0]}/preview.jpg"
    default_storage.save(late, ContentFile(b"late"))
    Erasure.objects.update(decided_at=timezone.now() - 2 * module.SETTLED)
    assert erasures_sweep() == 0
    assert names() == set()
    assert erasures_sweep() == 1
    assert (Erasure.objects.get().state, Erasure.objects.get().folders) == ("done", [])
    assert not any((Path(django_settings.MEDIA_ROOT) / folder).exists() for folder in folders)


def test_a_process_killed_among_the_rows_has_removed_none(doctor, monkeypatch):
    patient = overdue(record(doctor))
    before = everything()
    monkeypatch.setattr(Tombstone.objects, "get_or_create", lambda **_values: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        erasure_request(patient=patient, by=doctor, cause="patient")
    assert everything() == before
    assert len(names()) == 4


def test_a_reading_of_an_erased_patient_ends_quietly(doctor):
    model_register(directory=shipped_directories()[-1], promote=True)
    patient = overdue(record(doctor))
    waiting = AnalysisFactory(
        radiograph=RadiographFactory(patient=patient, acquired_on=dt.date(1999, 1, 1)),
        status="queued",
    )
    erasure_request(patient=patient, by=doctor, cause="patient")
    assert analysis_run(analysis_id=waiting.pk) is False


def test_an_administrator_decides(doctor, admin_client, admin):
    patient, other = record(doctor), record(doctor, identifier="OTHER-1")
    for each in (patient, other):
        erasure_request(patient=each, by=doctor, cause="patient")
    first, second = (Erasure.objects.get(patient_key=each.pk) for each in (patient, other))

    def page(erasure):
        return reverse("admin:patients_erasure_change", args=[erasure.pk])

    def decide(erasure, **values):
        url = reverse("admin:patients_erasure_decide", args=[erasure.pk])
        return admin_client.post(url, values, follow=True)

    assert "Erase now, for good" in admin_client.get(page(first)).text
    assert "Say why." in decide(first, decision="erase", reason=" ").text
    assert Patient.objects.count() == 2

    decide(first, decision="erase", reason="Court order.")
    decide(second, decision="refuse", reason="The term runs.")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, first.decided_by, first.decision) == ("erasing", admin, "Court order.")
    assert (second.state, second.decision) == ("refused", "The term runs.")
    assert list(Patient.objects.all()) == [other]
    assert "decided already" in decide(second, decision="erase", reason="Again.").text
    assert list(Patient.objects.all()) == [other]
    assert "Erase now, for good" not in admin_client.get(page(second)).text
    # Refused once, it may be asked for again.
    assert erasure_request(patient=other, by=doctor, cause="patient").state == "pending"


def test_the_admin_exports_and_begins_an_erasure(doctor, admin_client, client_for):
    patient = record(doctor)
    export = reverse("admin:patients_patient_export", args=[patient.pk])
    erase = reverse("admin:patients_patient_erase", args=[patient.pk])
    page = admin_client.get(reverse("admin:patients_patient_change", args=[patient.pk])).text
    assert export in page
    assert erase in page
    assert b"".join(admin_client.post(export)).startswith(b"PK")
    assert admin_client.get(export).status_code == 405
    begun = admin_client.post(erase)
    erasure = Erasure.objects.get()
    assert begun.url == reverse("admin:patients_erasure_change", args=[erasure.pk])
    # Neither without the permission.
    staff = client_for(AdminFactory(is_superuser=False))
    decide = reverse("admin:patients_erasure_decide", args=[erasure.pk])
    for url in (export, erase, decide):
        assert staff.post(url, {"decision": "erase", "reason": "x"}).status_code == 403
    assert Patient.objects.exists()


def test_who_was_erased_does_not_come_back_with_an_older_backup(backups, doctor, run_command):
    patient = overdue(record(doctor))
    key, kept = patient.pk, record(doctor, identifier="OTHER-1")
    run_command("backup")
    erasure_request(patient=patient, by=doctor, cause="patient")
    assert run_command("erase")[1][2] == "erasing\t1"

    call_command("flush", interactive=False, verbosity=0)
    for path in sorted(Path(django_settings.MEDIA_ROOT).rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    status, lines = run_command("restore", "latest")

    assert status == 0
    assert lines[-1] == "1 patients who were erased since were erased again."
    assert list(Patient.objects.all()) == [kept]
    assert len(names()) == 4
    assert Erasure.objects.get(patient_key=key).cause == "backup"
    assert "PLANTEDIDENTIFIER" not in everything()
    assert run_command("erase", "--again")[1][0] == "0 patients were erased again"


def test_another_secret_key_still_knows_the_erased(doctor, settings):
    patient = overdue(record(doctor))
    copy = Patient.objects.get(pk=patient.pk)
    erasure_request(patient=patient, by=doctor, cause="patient")
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    copy.save(force_insert=True)
    assert erasures_repeat() == 1
    assert not Patient.objects.exists()


@pytest.mark.parametrize(
    ("born", "last", "until"),
    [
        ("1950-01-01", "2020-06-30", "2040-06-30"),  # twenty years after the last radiograph
        ("2018-03-05", "2020-06-30", "2046-03-05"),  # a child: until the 28th birthday
        ("2012-06-30", "2020-06-30", "2040-06-30"),  # the same day
        ("2000-02-29", "2004-02-29", "2028-02-29"),
        ("1950-01-01", "2004-02-29", "2024-02-29"),
        ("1996-02-29", "2001-02-28", "2024-02-29"),
    ],
)
def test_the_term_of_retention(born, last, until):
    day = dt.date.fromisoformat
    assert retention_end(birth_date=day(born), last=day(last)) == day(until)


def test_the_term_is_a_setting(settings):
    settings.RETENTION_YEARS, settings.RETENTION_AGE = 10, 18
    born, last = dt.date(2010, 1, 1), dt.date(2012, 2, 29)
    assert retention_end(birth_date=born, last=last) == dt.date(2028, 1, 1)
    settings.RETENTION_AGE = 0
    assert retention_end(birth_date=born, last=last) == dt.date(2022, 3, 1)


def test_retention_is_listed_first_and_then_carried_out(doctor, run_command):
    patient, kept = overdue(record(doctor)), record(doctor, identifier="OTHER-1")
    child = record(doctor, identifier="CHILD-1", birth_date=timezone.localdate())
    overdue(child)
    before = everything()

    status, lines = run_command("retention", "--dry-run")
    assert status == 0
    assert lines == [
        f"{patient.pk}\t1 radiographs\tuntil 2019-01-01",
        "1 patients with 1 radiographs would be erased",
    ]
    assert everything() == before

    assert run_command("retention")[1][-1] == "1 patients with 1 radiographs were erased"
    assert set(Patient.objects.all()) == {kept, child}
    assert Erasure.objects.get().cause == "term"
    assert run_command("retention")[1] == ["0 patients with 0 radiographs were erased"]


@pytest.mark.parametrize(("years", "age"), [(20, 28), (3, 18), (10, 0), (1, 7), (9999, 28)])
def test_the_database_finds_the_same_days(doctor, settings, time_machine, years, age):
    """Day by day around a leap day, as ``retention_end`` says for each row."""
    settings.RETENTION_YEARS, settings.RETENTION_AGE = years, age
    days = [dt.date(2024, 2, 26) + dt.timedelta(days=number) for number in range(6)]
    for last in days:
        RadiographFactory(
            patient__owner=doctor, patient__birth_date=dt.date(1990, 1, 1), acquired_on=last
        )
    for born in days:
        RadiographFactory(
            patient__owner=doctor, patient__birth_date=born, acquired_on=dt.date(2024, 3, 1)
        )
    for after in (years, age):
        for day in days if 2024 + after < 2100 else days[:1]:
            now = day.replace(year=min(2024 + after, 2099), day=min(day.day, 28))
            for today in (now, now + dt.timedelta(days=1), now + dt.timedelta(days=2)):
                time_machine.move_to(dt.datetime.combine(today, dt.time(12), dt.UTC))
                assert {patient.pk for patient in retention_over(Patient.objects.all())} == {
                    patient.pk
                    for patient in Patient.objects.all()
                    if retention_end_of(patient) < today
                }


def test_the_administration_sees_whom_retention_would_erase(doctor, client_for, run_command):
    patient, kept = overdue(record(doctor)), record(doctor, identifier="OTHER-1")
    page = reverse("admin:patients_patient_retention")
    before = everything()

    shown = client_for(AdminFactory()).get(page)

    assert str(patient.pk) in shown.text
    assert "1 Jan 2019" in shown.text
    assert str(kept.pk) not in shown.text
    assert patient.identifier not in shown.text
    assert "1 patient" in shown.text
    assert set(Patient.objects.all()) == {patient, kept}
    assert str(patient.pk) in before
    event = AccessEvent.objects.filter(object_id="list").latest("pk")
    assert (event.object_type, event.count) == ("patients.patient", 1)
    assert client_for(AdminFactory(is_superuser=False)).get(page).status_code == 403
    assert client_for(doctor).get(page).status_code == 302
    assert page in client_for(AdminFactory()).get(reverse("admin:patients_patient_changelist")).text


def test_that_page_costs_the_same_for_any_number(doctor, client_for, django_assert_num_queries):
    client, page = client_for(AdminFactory()), reverse("admin:patients_patient_retention")
    overdue(record(doctor))
    client.get(page)
    with CaptureQueriesContext(connection) as few:
        client.get(f"{page}?p=1")
    for number in range(4):
        overdue(record(doctor, identifier=f"N-{number}"))
    with django_assert_num_queries(len(few)):
        client.get(f"{page}?p=1&x=1")


def test_nothing_is_erased_by_itself_unless_it_is_asked_for(doctor, settings):
    from inference.tasks import run_retention

    assert "retention" not in settings.CELERY_BEAT_SCHEDULE
    patient = overdue(record(doctor))
    run_retention()
    assert Patient.objects.filter(pk=patient.pk).exists()
    settings.RETENTION_AUTOMATIC = True
    run_retention()
    assert not Patient.objects.exists()


def test_another_doctor_erases_nobody(doctor, other_doctor_client):
    patient = overdue(record(doctor))
    assert other_doctor_client.post(address(patient), REASON).status_code == 404
    assert Patient.objects.exists()
    erasure = Erasure.objects.create(
        patient_key=patient.pk, owner=doctor, cause="patient", due_on=timezone.localdate()
    )
    assert list(Erasure.objects.visible_to(doctor)) == [erasure]
    assert not Erasure.objects.visible_to(DoctorFactory()).exists()
    assert not Erasure.objects.visible_to(AdminFactory(is_superuser=False)).exists()
    erasure_carry_out(erasure=erasure, by=doctor)


def test_the_admin_list_costs_the_same_for_many_rows(admin_client, django_assert_num_queries):
    url = reverse("admin:patients_erasure_changelist")

    def add(number: int) -> None:
        for patient in PatientFactory.create_batch(number):
            erasure_request(patient=patient, by=patient.owner, cause="patient")

    add(2)
    admin_client.get(url)
    with django_assert_num_queries(4):  # session, administrator, capped count, page
        admin_client.get(url)
    add(10)
    with django_assert_num_queries(4):
        page = admin_client.get(url).text
    assert page.count('name="_selected_action"') in (0, 12)
