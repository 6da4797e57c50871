import pytest
from django.core.management import call_command
from django.urls import reverse

from accounts.models import Doctor

pytestmark = pytest.mark.django_db


def test_the_first_administrator_signs_in_without_a_mail(client, monkeypatch, mailoutbox):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "correct horse battery")
    call_command(
        "createsuperuser",
        interactive=False,
        email="First@example.org",
        first_name="Anne",
        last_name="Martin",
        verbosity=0,
    )

    page = client.post(
        reverse("account_login"),
        {"login": "first@example.org", "password": "correct horse battery"},
    )

    administrator = Doctor.objects.get(email="first@example.org")
    assert page.status_code == 302
    assert client.session["_auth_user_id"] == str(administrator.pk)
    assert client.get(reverse("admin:index")).status_code == 200
    assert not mailoutbox
