"""``manage.py demo`` and ``createsuperuser``."""

from io import StringIO

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command

from accounts.models import Doctor

pytestmark = pytest.mark.django_db


def demo() -> str:
    out = StringIO()
    call_command("demo", stdout=out)
    return out.getvalue()


def test_refused_where_debug_is_off(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="DEBUG"):
        demo()
    assert not Doctor.objects.exists()


def test_makes_a_doctor_and_an_administrator(settings, client):
    settings.DEBUG = True
    settings.DOCTOR_VERIFICATION_REQUIRED = True
    said = demo()
    assert "docteur.demo@example.org" in said
    assert "admin.demo@example.org" in said
    doctor = Doctor.objects.get(email="docteur.demo@example.org")
    admin = Doctor.objects.get(email="admin.demo@example.org")
    assert doctor.may_practise
    assert not doctor.is_staff
    assert (admin.is_staff, admin.is_superuser, admin.may_practise) == (True, True, False)
    assert EmailAddress.objects.filter(verified=True, primary=True).count() == 2
    for account in (doctor, admin):
        facts = {"login": account.email, "password": "demonstration"}
        assert client.post("/accounts/login/", facts).status_code == 302
        assert client.get("/account/").status_code == 200
        client.logout()


def test_can_be_run_again_and_ends_no_session(settings, client_for):
    settings.DEBUG = True
    demo()
    before = list(Doctor.objects.order_by("pk").values("pk", "password", "session_generation"))
    client = client_for(Doctor.objects.get(email="docteur.demo@example.org"))
    demo()
    after = Doctor.objects.order_by("pk").values("pk", "password", "session_generation")
    assert list(after) == before
    assert EmailAddress.objects.count() == 2
    assert client.get("/account/").status_code == 200


def test_puts_the_accounts_back(settings):
    settings.DEBUG = True
    demo()
    Doctor.objects.update(verification="suspended", is_active=False)
    EmailAddress.objects.update(verified=False)
    settings.DEMO_PASSWORD = "another demonstration"
    demo()
    doctor = Doctor.objects.get(email="docteur.demo@example.org")
    assert doctor.may_practise
    assert doctor.check_password("another demonstration")
    assert EmailAddress.objects.filter(verified=True).count() == 2


def test_createsuperuser(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    call_command(
        "createsuperuser",
        email="Boss@Example.org",
        first_name="B",
        last_name="Oss",
        interactive=False,
        stdout=StringIO(),
    )
    boss = Doctor.objects.get()
    assert boss.email == "boss@example.org"
    assert (boss.is_staff, boss.is_superuser, boss.registration_number) == (True, True, None)
    assert boss.check_password("correct horse battery")
