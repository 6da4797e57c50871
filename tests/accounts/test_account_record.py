"""What changes the trust in an account: recorded, with the password, and nobody is shut out."""

import ipaddress
import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group, Permission
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.sessions.limits import BY_ITSELF
from operations.models import AccessEvent

from .factories import PASSWORD, AdminFactory, token_for

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "another correct horse"


def reasons(account) -> list[str]:
    found = AccessEvent.objects.filter(object_type="accounts.doctor", object_id=str(account.pk))
    return [reason for reason in found.values_list("reason", flat=True) if reason]


def test_a_changed_password(doctor_client, doctor):
    data = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert doctor_client.post(reverse("account_change_password"), data).status_code == 302
    assert reasons(doctor) == ["password_changed"]


def test_a_forgotten_password(client, doctor):
    client.post(reverse("account_reset_password"), {"email": doctor.email})
    [link] = re.findall(r"http://testserver(\S+)", mail.outbox[-1].body)
    form = client.get(link, follow=True)
    client.post(form.request["PATH_INFO"], {"password1": NEW, "password2": NEW})
    assert "password_reset" in reasons(doctor)


def test_a_changed_address(doctor_client, doctor):
    address = EmailAddress.objects.create(user=doctor, email="new@example.org", verified=False)
    doctor_client.post("/accounts/email/", {"action_send": "", "email": address.email})
    [link] = re.findall(r"http://testserver(\S+)", mail.outbox[-1].body)
    doctor_client.post(link)
    doctor.refresh_from_db()
    assert doctor.email == "new@example.org"
    assert "address_changed" in reasons(doctor)


def test_the_admins_own_page_of_passwords_leads_to_the_one_with_limits(admin_client):
    page = "/admin/password_change/"
    assert admin_client.get(page).url == reverse("account_change_password")
    data = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert admin_client.post(page, data).url == reverse("account_change_password")


class TestRights:
    @pytest.fixture
    def admin(self):
        return AdminFactory()

    def row(self, account, **values) -> dict:
        names = ("email", "first_name", "last_name", "language")
        kept = {name: getattr(account, name) for name in names}
        return kept | {"is_active": "on", "is_staff": "on"} | values

    def test_given_one_by_one(self, client_for, admin, settings, time_machine):
        other = AdminFactory(is_superuser=False)
        page = reverse("admin:accounts_doctor_change", args=[other.pk])
        group = Group.objects.create(name="Registrars")
        right = Permission.objects.first()
        client = client_for(admin)
        for data in ({"groups": group.pk}, {"user_permissions": right.pk}):
            before = len(reasons(other))
            assert client.post(page, self.row(other, **data)).url.endswith("/accounts/doctor/")
            assert len(reasons(other)) == before + 1
        assert reasons(other)[0] == "rights_changed"
        settings.REAUTHENTICATION_SECONDS = 60
        time_machine.move_to(timezone.now() + timedelta(seconds=65))
        answer = client.post(page, self.row(other, groups=group.pk))
        assert "reauthenticate" in answer.url
        assert list(other.user_permissions.all()) == [right]

    def test_given_to_a_group(self, client_for, admin, settings, time_machine):
        client = client_for(admin)
        client.post(reverse("admin:auth_group_add"), {"name": "Registrars"})
        group = Group.objects.get()
        page = reverse("admin:auth_group_change", args=[group.pk])
        right = Permission.objects.first()
        client.post(page, {"name": "Registrars", "permissions": right.pk})
        events = AccessEvent.objects.filter(reason="rights_changed", object_type="auth.group")
        assert sorted(events.values_list("action", flat=True)) == ["create", "update"]
        settings.REAUTHENTICATION_SECONDS = 60
        time_machine.move_to(timezone.now() + timedelta(seconds=65))
        assert "reauthenticate" in client.post(page, {"name": "Registrars"}).url
        assert list(group.permissions.all()) == [right]


def test_a_stranger_shuts_nobody_out_of_an_open_session(doctor_client, doctor):
    stranger = Client()
    for _try in range(12):
        data = {"login": doctor.email, "password": "wrong"}
        stranger.post(reverse("account_login"), data, REMOTE_ADDR="198.51.100.7")
    assert (
        doctor_client.post(reverse("account_reauthenticate"), {"password": PASSWORD}).status_code
        == 302
    )
    # In the session itself it is not guessed either.
    for _try in range(12):
        doctor_client.post(reverse("account_reauthenticate"), {"password": "wrong"})
    answer = doctor_client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert answer.status_code in (200, 422, 429)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("10.1.2.3", 200),
        ("10.1.2.3:5555", 200),
        ("203.0.113.9", 403),
        ("203.0.113.9:5555", 403),
        ("[2001:db8::1]:443", 403),
        ("[2001:db8::1]", 403),
        ("unknown", 403),
        ("", 403),
        (None, 403),
    ],
)
def test_a_bound_token_believes_no_proxy_that_does_not_say_who_asks(doctor, settings, said, status):
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.1/32")]
    text = token_for(doctor, networks=["10.0.0.0/8"])
    headers = {"authorization": f"Token {text}"}
    if said is not None:
        headers["x-forwarded-for"] = said
    answer = APIClient().get("/api/v1/me/", headers=headers, REMOTE_ADDR="10.0.0.1")
    assert answer.status_code == status


def test_a_page_that_asks_for_its_reading_by_itself_keeps_nobody_in():
    assert "inference:status" in BY_ITSELF
