"""Mails about radiographs that have been read: once, in numbers, to those who asked for it."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from accounts.services import doctor_mail_claim, doctor_update
from inference.notices import LOOK_BACK, QUIET, notices_send
from inference.tasks import notify
from tests.accounts.factories import DoctorFactory
from tests.inference.factories import AnalysisFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(db):
    """A doctor who wants mails, in English."""
    return DoctorFactory(language="en", mail_when_read=True)


def read(doctor, *, ago: timedelta = 2 * QUIET, **fields):
    """An analysis of ``doctor`` that was queued and finished so long ago."""
    then = timezone.now() - ago
    if not {"queued", "running"} & fields.keys():
        fields["finished_at"] = then
    return AnalysisFactory(radiograph__patient__owner=doctor, queued_at=then, **fields)


@pytest.fixture
def told(django_capture_on_commit_callbacks):
    """``told()``: the mails of one turn of the task."""

    def turn() -> list:
        mail.outbox.clear()
        with django_capture_on_commit_callbacks(execute=True):
            notify()
        return list(mail.outbox)

    return turn


def test_one_mail_tells_of_a_batch_in_numbers_alone(asked, told):
    analyses = [read(asked), read(asked), read(asked, uncertain=True), read(asked, failed=True)]
    (message,) = told()
    assert message.to == [asked.email]
    assert message.subject == "[PneumoniApp] Your radiographs have been read"
    assert "3 radiographs that you sent have been read." in message.body
    assert "1 needs your decision" in message.body
    assert "1 could not be read." in message.body
    for analysis in analyses:
        patient = analysis.radiograph.patient
        for secret in (patient.identifier, str(patient.pk), str(analysis.radiograph_id)):
            assert secret not in message.subject + message.body


def test_who_reads_first_is_not_told_how_certain_the_readings_are(asked, told):
    doctor_update(doctor=asked, by=asked, read_first=True)
    read(asked, uncertain=True)
    (message,) = told()
    assert "1 radiograph that you sent has been read." in message.body
    assert "decision" not in message.body


def test_nothing_is_told_twice(asked, told):
    read(asked)
    assert len(told()) == 1
    assert told() == []
    read(asked, ago=1.5 * QUIET)
    assert len(told()) == 1


def test_two_tasks_at_once_send_one_mail(asked):
    until = timezone.now()
    assert doctor_mail_claim(doctor=asked, until=until)
    assert not doctor_mail_claim(doctor=asked, until=until)


@pytest.mark.parametrize(
    "fields",
    [{"queued": True}, {"running": True}, {"ago": QUIET / 2}],
    ids=["one waits", "one is being read", "one has only just come"],
)
def test_a_batch_that_is_not_over_is_not_told(asked, fields, told):
    read(asked)
    read(asked, **fields)
    assert told() == []


@pytest.mark.parametrize("trait", [{"mail_when_read": False}, {"suspended": True}])
def test_only_who_asked_and_may_practise_is_told(trait, told):
    read(DoctorFactory(**({"mail_when_read": True} | trait)))
    assert told() == []


def test_old_readings_are_no_news(asked, told):
    read(asked, ago=LOOK_BACK + timedelta(minutes=1))
    assert told() == []


def test_asking_for_mails_tells_nothing_of_what_came_before(doctor, told):
    read(doctor)
    doctor_update(doctor=doctor, by=doctor, mail_when_read=True)
    assert told() == []


def test_each_doctor_hears_of_their_own(asked, told):
    other = DoctorFactory(language="fr", mail_when_read=True)
    for doctor in (asked, asked, other):
        read(doctor)
    assert {message.to[0]: "2" in message.body for message in told()} == {
        asked.email: True,
        other.email: False,
    }


def test_a_mail_server_that_is_down_stops_nothing(asked, told, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    read(asked)
    assert told() == []
    asked.refresh_from_db()
    assert asked.mailed_until


def test_all_doctors_are_looked_at_in_one_query(django_assert_num_queries):
    for _ in range(3):
        read(DoctorFactory(mail_when_read=True), queued=True)
    with django_assert_num_queries(1):
        assert notices_send() == 0
