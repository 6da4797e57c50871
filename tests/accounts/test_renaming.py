"""A verified doctor changes their name: they go on working, and somebody looks again."""

import pytest
from django.core import mail

from accounts.errors import VerificationNameChangedError
from accounts.models import Doctor, VerificationStep
from accounts.services import doctor_update
from accounts.verification.services import doctor_apply, doctor_suspend, doctor_verify
from operations.models import AccessEvent

from .factories import AdminFactory, DoctorFactory

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/doctor/"


@pytest.fixture
def by(db):
    return AdminFactory(language="en")


@pytest.fixture
def doctor():
    return DoctorFactory(first_name="Anne", last_name="Martin", language="en")


@pytest.fixture
def rename(django_capture_on_commit_callbacks):
    def run(doctor, last_name, by=None):
        with django_capture_on_commit_callbacks(execute=True):
            return doctor_update(doctor=doctor, by=by or doctor, last_name=last_name)

    return run


def test_a_new_name_is_told_to_the_administrators_without_it(by, doctor, rename, client_for):
    client = client_for(doctor)
    renamed = rename(doctor, "Durand")
    assert (renamed.get_full_name(), renamed.renamed_from) == ("Anne Durand", "Anne Martin")
    assert renamed.may_practise
    [told] = mail.outbox
    assert told.to == [by.email]
    assert not {"Anne", "Martin", "Durand"} & set(told.body.split())
    assert AccessEvent.objects.get().reason == "renamed"
    assert "You were verified as Anne Martin." in client.get("/account/").content.decode()


def test_one_mail_for_many_names_and_none_for_the_old_one_again(by, doctor, rename):
    rename(doctor, "Durand")
    assert rename(doctor, "Dupuis").renamed_from == "Anne Martin"
    assert rename(doctor, "Martin").renamed_from == ""
    assert len(mail.outbox) == 1


def test_what_stays_is_no_new_name(by, doctor, rename):
    assert rename(doctor, "  Martin ").renamed_from == ""
    doctor_update(doctor=doctor, by=doctor, language="fr")
    assert Doctor.objects.get(pk=doctor.pk).renamed_from == ""
    assert mail.outbox == []


@pytest.mark.parametrize("verification", ["pending", "refused", "suspended", "expired"])
def test_who_is_not_verified_is_looked_at_anyway(by, rename, verification):
    doctor = DoctorFactory(verification=verification)
    assert rename(doctor, "Durand").renamed_from == ""
    assert mail.outbox == []


def test_an_administrator_has_no_name_to_compare(by, rename):
    assert rename(by, "Durand").renamed_from == ""
    assert mail.outbox == []


def test_what_an_administrator_corrects_has_been_looked_at(by, doctor, rename):
    rename(doctor, "Durand")
    assert rename(doctor, "Durant", by=by).renamed_from == ""


def test_verifying_the_new_name_ends_it_within_the_same_term(by, doctor, rename, settings):
    for days in (0, 365):
        settings.DOCTOR_VERIFICATION_DAYS = days
        doctor = doctor_verify(doctor=rename(doctor, f"Durand{'a' if days else ''}"), by=by)
        assert (doctor.verification, doctor.renamed_from) == ("verified", "")
    steps = VerificationStep.objects.count()
    doctor_verify(doctor=doctor, by=by)
    assert VerificationStep.objects.count() == steps


def test_a_suspended_doctor_keeps_it_until_somebody_has_looked(by, doctor, rename):
    doctor = doctor_suspend(doctor=rename(doctor, "Durand"), by=by)
    assert doctor.renamed_from == "Anne Martin"
    assert doctor_verify(doctor=doctor, by=by).renamed_from == ""


def test_who_asks_again_is_looked_at_as_a_whole(by, doctor, rename):
    Doctor.objects.filter(pk=rename(doctor, "Durand").pk).update(verification="expired")
    applied = doctor_apply(
        doctor=doctor,
        first_name="Anne",
        last_name="Durand",
        registration_number=doctor.registration_number,
    )
    assert applied.renamed_from == ""


def test_the_admin_lists_them_and_compares(by, doctor, rename, client_for):
    other = DoctorFactory()
    client = client_for(by)
    rename(doctor, "Durand")
    page = client.get(LIST + "?renamed_from__isempty=0").content.decode()
    assert doctor.email in page
    assert other.email not in page
    page = client.get(f"{LIST}{doctor.pk}/verification/").content.decode()
    assert "Anne Martin" in page
    assert "Anne Durand" in page


def test_a_name_that_changed_under_the_decision_is_not_verified(by, client_for, rename):
    """The page showed one name, and the doctor has changed it before the button was pressed."""
    doctor = DoctorFactory(first_name="Anne", last_name="Martin", pending=True)
    client = client_for(by)
    url = f"{LIST}{doctor.pk}/verification/"
    seen = {"decision": "verify", "reason": "", "name": "Anne Martin"}
    assert 'value="Anne Martin"' in client.get(url).content.decode()
    rename(doctor, "Durand")
    answer = client.post(url, seen)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "changed their name meanwhile" in page
    assert 'value="Anne Durand"' in page
    assert Doctor.objects.get(pk=doctor.pk).verification == "pending"
    with pytest.raises(VerificationNameChangedError):
        doctor_verify(doctor=doctor, by=by, name="Anne Martin")
    assert client.post(url, seen | {"name": "Anne Durand"}).status_code == 302
    assert Doctor.objects.get(pk=doctor.pk).verification == "verified"
