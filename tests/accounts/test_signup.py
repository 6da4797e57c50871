"""Signing up: every mistake, nothing lost, nothing revealed, confirmation, waiting."""

import re
from typing import ClassVar

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.db import connection
from django.shortcuts import resolve_url
from django.utils import translation
from django.utils.translation import gettext

from accounts.models import Doctor
from operations.models import AccessEvent

from .factories import PASSWORD, AdminFactory, DoctorFactory, rpps

pytestmark = pytest.mark.django_db
SIGNUP = "/accounts/signup/"
SENT = "/accounts/confirm-email/"


def typed(**changes) -> dict:
    return {
        "registration_number": rpps(70_000_000),
        "first_name": "Élodie",
        "last_name": "de La Tour",
        "email": "new@example.org",
        "password1": PASSWORD,
        "password2": PASSWORD,
    } | changes


def errors(response) -> dict:
    assert response.status_code == 200
    return {
        name: [str(e) for e in list_] for name, list_ in response.context["form"].errors.items()
    }


def link_in(message) -> str:
    return re.search(r"http://testserver(/\S+)", message.body)[1]


def test_sign_up_confirm_wait(client, django_capture_on_commit_callbacks):
    admin = AdminFactory()
    response = client.post(SIGNUP, typed())
    assert (response.status_code, response.url) == (302, SENT)
    doctor = Doctor.objects.get(email="new@example.org")
    assert doctor.get_full_name() == "Élodie de La Tour"
    assert doctor.verification == "pending"
    assert doctor.language == "en"
    assert doctor.check_password(PASSWORD)
    assert not EmailAddress.objects.get(user=doctor).verified
    assert client.get("/account/").status_code == 302  # not logged in

    (message,) = mail.outbox
    assert message.to == ["new@example.org"]
    assert message.subject == "[PneumoniApp] Confirm your e-mail address"
    page = client.get(link_in(message))
    assert page.status_code == 200
    assert not EmailAddress.objects.get(user=doctor).verified  # a look does not confirm
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(link_in(message))
    assert (response.status_code, response.url) == (302, "/account/waiting/")
    assert EmailAddress.objects.get(user=doctor).verified
    page = client.get("/account/waiting/")
    assert "waits for verification" in page.content.decode()
    assert doctor.registration_number in page.content.decode()

    to_doctor, to_admin = mail.outbox[1:]
    assert to_doctor.to == ["new@example.org"]
    assert "waits for verification" in to_doctor.subject
    assert to_admin.to == [admin.email]
    assert "verification__exact=pending" in to_admin.body
    assert "Élodie" not in to_admin.body
    assert len(mail.outbox) == 3


class WatchedHasher(MD5PasswordHasher):
    """Notes whether a transaction was open while it hashed."""

    algorithm = "watched"
    in_transaction: ClassVar[list[bool]] = []

    def encode(self, password, salt):
        self.in_transaction.append(connection.in_atomic_block)
        return super().encode(password, salt)


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_while_the_password_is_hashed(client, settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.WatchedHasher"]
    WatchedHasher.in_transaction.clear()
    assert client.post(SIGNUP, typed()).url == SENT
    assert Doctor.objects.get(email="new@example.org").check_password(PASSWORD)
    assert WatchedHasher.in_transaction
    assert not any(WatchedHasher.in_transaction)


def test_without_verification_the_doctor_begins_at_once(
    client, settings, django_capture_on_commit_callbacks
):
    settings.DOCTOR_VERIFICATION_REQUIRED = False
    AdminFactory()
    client.post(SIGNUP, typed())
    with django_capture_on_commit_callbacks(execute=True):
        response = client.post(link_in(mail.outbox[0]))
    assert response.url == resolve_url(settings.LOGIN_REDIRECT_URL)
    assert Doctor.objects.get(email="new@example.org").may_practise
    assert len(mail.outbox) == 1  # no administrator is waited for


def test_confirming_elsewhere_leads_to_the_login(client):
    client.post(SIGNUP, typed())
    other = type(client)(headers={"accept-language": "en"})
    response = other.post(link_in(mail.outbox[0]))
    assert (response.status_code, response.url) == (302, "/accounts/login/")


def test_a_confirmation_link_works_once(client):
    client.post(SIGNUP, typed())
    link = link_in(mail.outbox[0])
    client.post(link)
    client.logout()
    assert client.post(link).status_code == 404
    assert "used already" in client.get(link).content.decode()


@pytest.mark.parametrize(
    "link", ["/accounts/confirm-email/junk/", "/accounts/confirm-email/x:y:z/"]
)
def test_a_made_up_confirmation_link_is_said_to_be_wrong(client, link):
    assert "used already, or it has expired" in client.get(link).content.decode()
    assert client.post(link).status_code == 404


def test_administrators_of_the_settings_come_first(
    client, settings, django_capture_on_commit_callbacks
):
    AdminFactory()
    settings.ADMINS = [("", "one@example.org"), ("", "two@example.org")]
    client.post(SIGNUP, typed())
    with django_capture_on_commit_callbacks(execute=True):
        client.post(link_in(mail.outbox[0]))
    assert [m.to for m in mail.outbox[2:]] == [["one@example.org"], ["two@example.org"]]


MISTAKES = [
    ("registration_number", "", "Enter your registration number."),
    ("registration_number", "123", "A registration number (RPPS) has 11 digits."),
    (
        "registration_number",
        "10000000001",
        "This registration number's check digit is wrong: look for a mistyped digit.",
    ),
    ("first_name", "", "Enter your first name."),
    ("first_name", "   ", "Enter your first name."),
    ("first_name", "R2D2", "Use letters, spaces, hyphens and apostrophes only."),
    ("last_name", "", "Enter your last name."),
    ("last_name", "<script>", "Use letters, spaces, hyphens and apostrophes only."),
    ("last_name", "x" * 101, "Ensure this value has at most 100 characters (it has 101)."),
    ("email", "", "Enter your e-mail address."),
    ("email", "nobody", "Enter a valid email address."),
    ("email", "mülle\u017f@example.org", "Enter a valid email address."),
    ("password1", "", "Choose a password."),
    ("password2", "", "Enter the same password once more."),
    ("password2", "something else", "You must type the same password each time."),
]


@pytest.mark.parametrize(("field", "value", "sentence"), MISTAKES)
def test_each_mistake_has_its_sentence_and_nothing_else_is_lost(client, field, value, sentence):
    response = client.post(SIGNUP, typed(**{field: value}))
    assert errors(response) == {field: [sentence]}
    html = response.content.decode()
    assert f'id="id_{field}_error"' in html
    for name, text in typed(**{field: value}).items():
        if name.startswith("password"):
            assert PASSWORD not in html
        elif text.strip() and "<" not in text:
            assert f'value="{text}"' in html
    assert not Doctor.objects.exists()
    assert not mail.outbox


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("short", "at least 10 characters"),
        ("password1234", "too common"),
        ("12345678909876", "entirely numeric"),
        ("newatexample.org", "too similar to the e-mail address"),
        ("delatourdela", "too similar to the last name"),
    ],
)
def test_a_weak_password_is_refused(client, password, sentence):
    facts = typed(password1=password, password2=password, email="newatexample.org@example.org")
    found = errors(client.post(SIGNUP, facts | {"last_name": "Delatourdela"}))
    assert list(found) == ["password1"]
    assert sentence in " ".join(found["password1"])


def test_two_mistakes_are_told_at_once(client):
    found = errors(client.post(SIGNUP, typed(first_name="7", registration_number="7")))
    assert set(found) == {"first_name", "registration_number"}


def test_values_are_stored_in_their_one_spelling(client):
    number = rpps(70_000_001)
    client.post(
        SIGNUP,
        typed(
            registration_number=f" {number[:3]} {number[3:]} ",
            first_name="E\u0301lodie ",
            last_name=" de  La\u00a0Tour",
            email=" New@Example.ORG ",
        ),
    )
    doctor = Doctor.objects.get()
    assert doctor.registration_number == number
    assert doctor.get_full_name() == "\u00c9lodie de La Tour"
    assert doctor.email == EmailAddress.objects.get().email == "new@example.org"


def test_the_language_of_the_page_becomes_the_doctors(client):
    client.post("/i18n/setlang/", {"language": "fr"})
    client.post(SIGNUP, typed())
    assert Doctor.objects.get().language == "fr"


def test_the_sign_up_is_recorded_without_an_actor(client):
    client.post(SIGNUP, typed())
    event = AccessEvent.objects.get()
    assert (event.actor, event.action, event.object_type) == (None, "create", "accounts.doctor")
    assert event.object_id == str(Doctor.objects.get().pk)


class TestTaken:
    def test_address_same_answer_and_its_owner_hears(self, client):
        free = client.post(SIGNUP, typed(email="free@example.org"))
        free_page = client.get(free.url).content.decode()
        mail.outbox.clear()
        other = type(client)(headers={"accept-language": "en"})
        owner = DoctorFactory(email="owner@example.org", language="en")
        number = rpps(70_000_002)
        taken = other.post(SIGNUP, typed(email=" Owner@Example.org", registration_number=number))
        assert (taken.status_code, taken.url) == (free.status_code, free.url)
        assert set(taken.headers) == set(free.headers)
        assert set(taken.cookies) == set(free.cookies)
        taken_page = other.get(taken.url).content.decode()

        def hide(html):
            return re.sub(r"[A-Za-z0-9]{64}", "", html)

        assert hide(taken_page) == hide(free_page)
        (message,) = mail.outbox
        assert message.to == [owner.email]
        assert message.subject == "[PneumoniApp] You have an account already"
        assert "/accounts/password/reset/" in message.body
        assert not Doctor.objects.filter(registration_number=number).exists()

    @pytest.mark.parametrize("language", ["fr", "en"])
    def test_the_owner_is_written_to_in_their_language(self, client, language):
        DoctorFactory(email="owner@example.org", language=language)
        client.post("/i18n/setlang/", {"language": "en"})
        client.post(SIGNUP, typed(email="owner@example.org"))
        with translation.override(language):
            subject = f"[PneumoniApp] {gettext('You have an account already')}"
        assert mail.outbox[0].subject == subject

    def test_taking_an_unconfirmed_address_looks_the_same(self, client):
        DoctorFactory(email="owner@example.org", email_confirmed=False, language="en")
        response = client.post(SIGNUP, typed(email="owner@example.org"))
        assert response.url == SENT
        assert mail.outbox[0].subject.endswith("You have an account already")

    def test_setting_says_it_plainly(self, client, settings):
        settings.ACCOUNT_PREVENT_ENUMERATION = False
        DoctorFactory(email="owner@example.org")
        found = errors(client.post(SIGNUP, typed(email="OWNER@example.org")))
        assert found == {"email": ["An account with this e-mail address exists already."]}
        assert not mail.outbox

    def test_number_has_its_sentence(self, client):
        doctor = DoctorFactory()
        number = doctor.registration_number
        found = errors(client.post(SIGNUP, typed(registration_number=f"{number[:5]} {number[5:]}")))
        assert list(found) == ["registration_number"]
        assert found["registration_number"][0].startswith(
            "An account with this registration number exists already."
        )

    def test_number_tells_nothing_of_the_address(self, client):
        doctor = DoctorFactory(email="owner@example.org")
        answers = [
            client.post(SIGNUP, typed(registration_number=doctor.registration_number, email=email))
            for email in ("owner@example.org", "free@example.org")
        ]
        assert errors(answers[0]) == errors(answers[1])
        assert not mail.outbox

    @pytest.mark.parametrize("same", ["registration_number", "email"])
    def test_in_the_same_moment(self, client, same):
        """The other sign-up arrives after the form has looked and before the row is written."""
        arrived = []

        def rival(execute, sql, params, many, context):
            if sql.startswith("SAVEPOINT") and not arrived:
                arrived.append(True)
                taken = {same: typed()[same]}
                DoctorFactory.build(**taken, language="en").save()
            return execute(sql, params, many, context)

        with connection.execute_wrapper(rival):
            response = client.post(SIGNUP, typed())
        assert arrived
        assert Doctor.objects.count() == 1
        if same == "email":
            assert response.url == SENT
            assert mail.outbox[0].subject.endswith("You have an account already")
        else:
            assert list(errors(response)) == ["registration_number"]
            assert not mail.outbox


def test_a_mail_server_that_is_down_loses_nothing(client, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    response = client.post(SIGNUP, typed())
    assert response.url == SENT
    assert "could not be sent just now" in client.get(SENT).content.decode()
    assert Doctor.objects.filter(email="new@example.org").exists()


def test_signups_are_limited(client, settings):
    settings.ACCOUNT_RATE_LIMITS = {"signup": "2/m/ip"}
    for _ in range(2):
        assert client.post(SIGNUP, typed(email="")).status_code == 200
    response = client.post(SIGNUP, typed())
    assert response.status_code == 429
    assert "Wait a few minutes" in response.content.decode()
    assert not Doctor.objects.exists()


def test_fields_are_labelled_and_errors_tied_to_them(client):
    html = client.post(SIGNUP, typed(first_name="7")).content.decode()
    assert '<label class="form-label" for="id_first_name">' in html
    field = re.search(r"<input[^>]*id=\"id_first_name\"[^>]*>", html)[0]
    assert 'aria-invalid="true"' in field
    assert "id_first_name_error" in field
    assert 'autocomplete="given-name"' in field
    assert "placeholder" not in html


@pytest.mark.parametrize("field", ["registration_number", "first_name", "last_name", "email"])
def test_null_characters_are_refused(client, field):
    found = errors(client.post(SIGNUP, typed(**{field: "a\x00b"})))
    assert list(found) == [field]


def test_nobody_signs_up_as_an_administrator(client):
    client.post(
        SIGNUP, typed() | {"is_staff": "1", "is_superuser": "1", "verification": "verified"}
    )
    doctor = Doctor.objects.get()
    assert (doctor.is_staff, doctor.is_superuser, doctor.verification) == (False, False, "pending")
