"""Doctors in the admin, and who reaches it."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core import mail

from accounts.models import ApiToken, Doctor

from .factories import PASSWORD, AdminFactory, DoctorFactory, rpps, token_for

pytestmark = pytest.mark.django_db
LIST = "/admin/accounts/doctor/"
ADD = f"{LIST}add/"


@pytest.fixture
def admin():
    return AdminFactory(language="en")


@pytest.fixture
def client(client_for, admin):
    return client_for(admin)


@pytest.fixture
def helper():
    """An administrator who may change accounts, and nothing more."""
    helper = AdminFactory(is_superuser=False)
    names = ["view_doctor", "change_doctor", "add_doctor"]
    helper.user_permissions.set(Permission.objects.filter(codename__in=names))
    return helper


def change_url(doctor) -> str:
    return f"{LIST}{doctor.pk}/change/"


def act(client, action, *doctors):
    facts = {"action": action, "_selected_action": [doctor.pk for doctor in doctors]}
    return client.post(LIST, facts, follow=True)


class TestLogin:
    def test_is_the_one_of_the_pages(self, client):
        client.logout()
        response = client.get(LIST)
        assert response.url == f"/admin/login/?next={LIST}"
        response = client.get(response.url)
        assert response.url == f"/accounts/login/?next={LIST}"
        facts = {"login": AdminFactory().email, "password": PASSWORD}
        assert client.post(response.url, facts).url == LIST
        assert client.get(LIST).status_code == 200

    def test_has_no_form_of_its_own(self, client, admin):
        client.logout()
        facts = {"username": admin.email, "password": PASSWORD}
        assert client.post("/admin/login/", facts).url.startswith("/accounts/login/")
        assert client.get(LIST).status_code == 302

    def test_has_the_same_limits(self, client, admin, settings):
        settings.ACCOUNT_RATE_LIMITS = {"login_failed": "1/5m/key"}
        client.logout()
        url = f"/accounts/login/?next={LIST}"
        client.post(url, {"login": admin.email, "password": "a guess"})
        client.post(url, {"login": admin.email, "password": PASSWORD})
        assert client.get(LIST).status_code == 302

    def test_an_administrator_who_is_logged_in_goes_on(self, client):
        assert client.get("/admin/login/").url == "/admin/"

    @pytest.mark.parametrize("url", ["/admin/", LIST, ADD, "/admin/auth/group/"])
    def test_no_doctor_reaches_the_admin(self, client_for, url):
        client = client_for(DoctorFactory())
        response = client.get(url)
        assert response.url.startswith("/admin/login/")
        assert client.get(response.url).status_code == 403
        assert client.post(url).status_code in (302, 403)

    def test_not_even_a_doctor_with_permissions(self, client_for):
        doctor = DoctorFactory()
        doctor.user_permissions.set(Permission.objects.all())
        assert client_for(doctor).get(LIST).status_code == 302

    def test_no_closed_account_does(self, client_for):
        assert client_for(AdminFactory(is_active=False)).get(LIST).status_code == 302


class TestList:
    def test_filters_and_search(self, client):
        waiting = DoctorFactory(pending=True, last_name="Wartend")
        DoctorFactory(last_name="Andere")
        page = client.get(LIST, {"verification__exact": "pending"}).content.decode()
        assert "Wartend" in page
        assert "Andere" not in page
        for term in ("wartend", waiting.email, waiting.registration_number):
            page = client.get(LIST, {"q": term}).content.decode()
            assert "Wartend" in page
            assert "Andere" not in page

    def test_takes_as_many_queries_for_many_as_for_few(self, client, django_assert_num_queries):
        DoctorFactory.create_batch(30)
        with django_assert_num_queries(4):  # session, account, count, rows
            client.get(LIST)

    def test_shows_whether_the_address_is_confirmed(self, client):
        doctor = DoctorFactory(email_confirmed=False)
        response = client.get(LIST, {"q": doctor.email})
        (row,) = response.context["cl"].result_list
        assert row._email_confirmed is False


class TestActions:
    def test_verify(self, client, admin):
        waiting, suspended = DoctorFactory(pending=True), DoctorFactory(suspended=True)
        page = act(client, "verify", waiting, suspended).content.decode()
        assert "2 accounts changed." in page
        for doctor in (waiting, suspended):
            doctor.refresh_from_db()
            assert (doctor.verification, doctor.verified_by) == ("verified", admin)

    def test_suspend(self, client, client_for):
        doctor, other = DoctorFactory(), DoctorFactory()
        session = client_for(doctor)
        act(client, "suspend", doctor)
        doctor.refresh_from_db()
        other.refresh_from_db()
        assert (doctor.verification, other.verification) == ("suspended", "verified")
        assert session.get("/account/").status_code == 302

    def test_end_access(self, client, client_for):
        doctor = DoctorFactory()
        session = client_for(doctor)
        token_for(doctor)
        act(client, "end_access", doctor)
        assert session.get("/account/").status_code == 302
        assert not ApiToken.objects.exists()
        doctor.refresh_from_db()
        assert doctor.may_practise

    def test_what_can_t_be_done_is_said(self, client):
        page = act(client, "suspend", AdminFactory(last_name="Chef")).content.decode()
        assert "has no registration number" in page
        assert "changed." not in page

    def test_nobody_acts_on_more_rights_than_their_own(self, client_for, helper, admin):
        client, session = client_for(helper), client_for(admin)
        act(client, "end_access", admin)
        assert session.get(LIST).status_code == 200
        doctor = DoctorFactory(pending=True)
        act(client, "verify", doctor)
        doctor.refresh_from_db()
        assert doctor.verification == "verified"

    def test_looking_is_not_changing(self, client_for):
        viewer = AdminFactory(is_superuser=False)
        viewer.user_permissions.set(Permission.objects.filter(codename="view_doctor"))
        doctor = DoctorFactory(pending=True)
        act(client_for(viewer), "verify", doctor)
        doctor.refresh_from_db()
        assert doctor.verification == "pending"


class TestForms:
    def facts(self, doctor, **changes) -> dict:
        return {
            "email": doctor.email,
            "first_name": doctor.first_name,
            "last_name": doctor.last_name,
            "registration_number": doctor.registration_number or "",
            "language": doctor.language,
            "is_active": "on",
        } | changes

    def test_shows_no_password_and_no_token(self, client):
        doctor = DoctorFactory()
        text = token_for(doctor)
        digest = ApiToken.objects.get().digest
        html = client.get(change_url(doctor)).content.decode()
        for secret in (doctor.password, doctor.password[-8:], text, digest):
            assert secret not in html
        assert 'name="verification"' not in html
        assert 'name="password' not in html

    def test_changes_a_doctor(self, client):
        doctor = DoctorFactory()
        number = rpps(80_000_000)
        facts = self.facts(
            doctor, last_name=" Neu ", registration_number=f"{number[:4]} {number[4:]}"
        )
        assert client.post(change_url(doctor), facts).status_code == 302
        doctor.refresh_from_db()
        assert (doctor.last_name, doctor.registration_number) == ("Neu", number)
        # The admin's own history tells whom by the key, which outlives the name.
        assert LogEntry.objects.get().object_repr == f"#{doctor.pk}"

    def test_changes_an_address(self, client, client_for):
        doctor = DoctorFactory()
        session = client_for(doctor)
        client.post(change_url(doctor), self.facts(doctor, email="New@example.org"))
        doctor.refresh_from_db()
        assert doctor.email == "new@example.org"
        assert doctor.emailaddress_set.get().verified is False
        assert session.get("/account/").status_code == 302

    @pytest.mark.parametrize(
        ("field", "value"),
        [("email", "x"), ("first_name", "7"), ("registration_number", "123"), ("last_name", "")],
    )
    def test_says_what_is_wrong(self, client, field, value):
        doctor = DoctorFactory()
        response = client.post(change_url(doctor), self.facts(doctor, **{field: value}))
        assert response.status_code == 200
        assert list(response.context["adminform"].form.errors) == [field]

    def test_says_that_a_number_is_taken(self, client):
        doctor, other = DoctorFactory(), DoctorFactory()
        facts = self.facts(doctor, registration_number=other.registration_number)
        response = client.post(change_url(doctor), facts)
        assert list(response.context["adminform"].form.errors) == ["registration_number"]

    def test_enters_a_doctor_who_chooses_the_password(
        self, client, admin, django_capture_on_commit_callbacks
    ):
        number = rpps(80_000_001)
        facts = {
            "email": "New@Example.org",
            "first_name": "Anne",
            "last_name": "Neu",
            "registration_number": number,
            "language": "en",
        }
        assert client.get(ADD).status_code == 200
        with django_capture_on_commit_callbacks(execute=True):
            assert client.post(ADD, facts).status_code == 302
        doctor = Doctor.objects.get(registration_number=number)
        assert doctor.email == "new@example.org"
        assert not doctor.has_usable_password()
        assert (doctor.may_practise, doctor.verified_by) == (True, admin)
        (message,) = mail.outbox
        assert message.to == ["new@example.org"]
        assert "http://testserver/accounts/password/reset/" in message.body
        # the way that the mail describes
        client.logout()
        client.post("/accounts/password/reset/", {"email": "new@example.org"})
        link = next(w for w in mail.outbox[1].body.split() if w.startswith("http"))
        url = client.get(link.removeprefix("http://testserver")).url
        client.post(url, {"password1": "a new horse battery", "password2": "a new horse battery"})
        facts = {"login": "new@example.org", "password": "a new horse battery"}
        assert client.post("/accounts/login/", facts).status_code == 302
        assert client.get("/account/").status_code == 200

    def test_enters_an_administrator(self, client):
        facts = {
            "email": "boss@example.org",
            "first_name": "B",
            "last_name": "Oss",
            "registration_number": "",
            "language": "fr",
            "is_staff": "on",
        }
        assert client.post(ADD, facts).status_code == 302
        boss = Doctor.objects.get(email="boss@example.org")
        assert (boss.is_staff, boss.registration_number, boss.may_practise) == (True, None, False)

    def test_nobody_gives_rights_they_don_t_have(self, client_for, helper, admin):
        client = client_for(helper)
        doctor = DoctorFactory()
        facts = self.facts(doctor, is_staff="on", is_superuser="on", last_name="Neu")
        assert client.post(change_url(doctor), facts).status_code == 302
        doctor.refresh_from_db()
        assert (doctor.last_name, doctor.is_staff, doctor.is_superuser) == ("Neu", False, False)
        assert client.post(change_url(admin), self.facts(admin)).status_code == 403
        new = self.facts(doctor, email="n@example.org", registration_number="", is_staff="on")
        client.post(ADD, new)
        assert Doctor.objects.get(email="n@example.org").is_staff is False

    def test_gives_groups(self, client):
        group = Group.objects.create(name="Verifiers")
        helper = AdminFactory(is_superuser=False)
        facts = self.facts(helper, is_staff="on", groups=[group.pk])
        assert client.post(change_url(helper), facts).status_code == 302
        assert list(helper.groups.all()) == [group]

    def test_deletes_nobody(self, client):
        doctor = DoctorFactory()
        assert client.post(f"{LIST}{doctor.pk}/delete/", {"post": "yes"}).status_code == 403
        assert Doctor.objects.filter(pk=doctor.pk).exists()

    @pytest.mark.parametrize(
        "url",
        ["/admin/account/emailaddress/", "/admin/account/emailaddress/add/"],
    )
    def test_addresses_have_no_pages(self, client, url):
        assert client.get(url).status_code == 404
