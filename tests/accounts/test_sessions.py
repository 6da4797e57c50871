"""Sessions: listed, ended by their owner, by idleness and by age; an unknown browser is mailed."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user
from django.core import mail
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.services import access_end
from accounts.sessions.devices import device_describe
from accounts.sessions.services import sessions_purge
from operations.models import AccessEvent

from .factories import PASSWORD, AdminFactory, DoctorFactory

pytestmark = pytest.mark.django_db
LOGIN, LIST, END = "/accounts/login/", "/account/sessions/", "/account/sessions/end/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)


@pytest.fixture
def doctor():
    return DoctorFactory(language="en")


def logged_in(account, browser=FIREFOX, **options) -> Client:
    client = Client(headers={"user-agent": browser}, **options)
    client.cookies["language"] = "en"
    assert client.post(LOGIN, {"login": account.email, "password": PASSWORD}).status_code == 302
    return client


def is_in(client) -> bool:
    request = RequestFactory().get("/")
    request.session = client.session
    return get_user(request).is_authenticated and client.get("/account/").status_code == 200


def events(account, reason) -> int:
    return AccessEvent.objects.filter(
        actor=account, object_type="accounts.session", reason=reason
    ).count()


class TestList:
    def test_shows_each_browser_and_ends_one(self, doctor):
        here, there = logged_in(doctor), logged_in(doctor, SAFARI, REMOTE_ADDR="192.0.2.7")
        page = here.get(LIST).content.decode()
        assert "Firefox, Linux" in page
        assert "Safari, iPhone" in page
        assert "192.0.2.7" in page
        assert page.count("This one") == 1
        session = UserSession.objects.get(session_key=there.session.session_key)
        assert here.post(END, {"session": session.pk}).url == LIST
        assert is_in(here)
        assert not is_in(there)
        assert events(doctor, "session_ended") == 1
        assert "192.0.2.7" not in here.get(LIST).content.decode()

    def test_ends_all_but_this_one(self, doctor):
        here, *others = (logged_in(doctor) for _ in range(3))
        here.post(END, {"session": "others"})
        assert is_in(here)
        assert not any(is_in(other) for other in others)

    @pytest.mark.parametrize("key", ["", "x", "-1", "9" * 30, "999999", "1 or 1"])
    def test_what_is_no_session_of_mine_is_not_there(self, doctor, key):
        assert logged_in(doctor).post(END, {"session": key}).status_code == 404

    def test_another_accounts_session_is_not_there(self, doctor):
        theirs = logged_in(DoctorFactory())
        session = UserSession.objects.get(session_key=theirs.session.session_key)
        assert logged_in(doctor).post(END, {"session": session.pk}).status_code == 404
        assert is_in(theirs)

    def test_the_session_that_asks_is_left_by_logging_out_alone(self, doctor):
        here = logged_in(doctor)
        mine = UserSession.objects.get(session_key=here.session.session_key)
        assert here.post(END, {"session": mine.pk}).status_code == 404
        assert is_in(here)

    def test_a_session_that_was_ended_elsewhere_is_not_shown(self, doctor):
        logged_in(doctor, SAFARI)
        access_end(doctor)
        doctor.refresh_from_db()
        assert "iPhone" not in logged_in(doctor).get(LIST).content.decode()

    def test_logging_out_takes_it_off(self, doctor):
        here = logged_in(doctor)
        here.post("/accounts/logout/")
        assert not UserSession.objects.exists()
        assert events(doctor, "logged_in") == events(doctor, "logged_out") == 1


class TestLimits:
    def move(self, time_machine, **delta):
        time_machine.move_to(timezone.now() + timedelta(**delta))

    def test_an_unused_session_ends_and_says_why(self, doctor, time_machine):
        here = logged_in(doctor)
        self.move(time_machine, minutes=59)
        assert is_in(here)
        self.move(time_machine, minutes=61)
        response = here.get("/account/")
        assert response.status_code == 302
        assert response.url.startswith(LOGIN)
        assert "nobody used the session" in here.get(response.url).content.decode()
        assert events(doctor, "session_idle") == 1
        assert not UserSession.objects.exists()

    def test_what_a_page_asks_by_itself_is_no_use(self, doctor, time_machine):
        here = logged_in(doctor)
        for _ in range(5):
            self.move(time_machine, minutes=13)
            here.get("/notices/")
        assert not is_in(here)

    def test_a_used_session_ends_when_it_is_old(self, doctor, time_machine):
        here = logged_in(doctor)
        for _ in range(13):
            self.move(time_machine, minutes=56)
            here.get("/account/")
        assert not is_in(here)
        assert events(doctor, "session_old") == 1

    def test_an_administrators_ends_earlier(self, time_machine):
        admin = AdminFactory(language="en")
        here = logged_in(admin)
        self.move(time_machine, minutes=14)
        assert here.get("/admin/").status_code == 200
        self.move(time_machine, minutes=16)
        assert here.get("/admin/").status_code == 302
        here = logged_in(admin)
        for _ in range(25):
            self.move(time_machine, minutes=10)
            here.get("/admin/")
        assert here.get("/admin/").status_code == 302
        assert events(admin, "session_old") == 1

    def test_a_session_is_written_once_a_minute(
        self, doctor, time_machine, django_assert_num_queries
    ):
        here = logged_in(doctor)
        here.get("/account/")
        with django_assert_num_queries(3):
            here.get("/account/")


class TestNewBrowser:
    def test_is_mailed_with_what_is_known_of_it(self, doctor, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            logged_in(doctor)
            assert not mail.outbox, "the first ever tells nothing"
        with django_capture_on_commit_callbacks(execute=True):
            logged_in(doctor, SAFARI, REMOTE_ADDR="192.0.2.7")
        (message,) = mail.outbox
        assert message.to == [doctor.email]
        assert "192.0.2.7" in message.body
        assert "Safari, iPhone" in message.body
        assert LIST in message.body

    def test_a_known_one_is_not(self, doctor, django_capture_on_commit_callbacks):
        here = logged_in(doctor)
        here.post("/accounts/logout/")
        with django_capture_on_commit_callbacks(execute=True):
            here.post(LOGIN, {"login": doctor.email, "password": PASSWORD})
        assert not mail.outbox

    def test_anothers_browser_is_new(self, doctor, django_capture_on_commit_callbacks):
        logged_in(doctor)
        here = logged_in(DoctorFactory())
        here.post("/accounts/logout/")
        with django_capture_on_commit_callbacks(execute=True):
            here.post(LOGIN, {"login": doctor.email, "password": PASSWORD})
        assert len(mail.outbox) == 1

    def test_a_cookie_that_we_did_not_make_is_worth_nothing(
        self, doctor, django_capture_on_commit_callbacks
    ):
        logged_in(doctor)
        client = Client()
        client.cookies["devices"] = "WyJhIl0:1abc:forged"
        with django_capture_on_commit_callbacks(execute=True):
            client.post(LOGIN, {"login": doctor.email, "password": PASSWORD})
        assert len(mail.outbox) == 1


def test_what_browsers_say_of_themselves():
    assert device_describe(FIREFOX) == "Firefox, Linux"
    assert device_describe("Mozilla/5.0 (Windows NT 10.0) Chrome/1 Safari/1 Edg/1") == (
        "Edge, Windows"
    )
    assert device_describe("") == ""


class TestPurge:
    def test_what_was_kept_of_a_browser_goes_when_its_session_must_be_over(
        self, doctor, settings, time_machine
    ):
        settings.SESSION_COOKIE_AGE, settings.STAFF_SESSION_SECONDS = 3600, 7200
        logged_in(doctor)
        time_machine.move_to(timezone.now() + timedelta(seconds=7000))
        kept = logged_in(DoctorFactory(), SAFARI)  # a log-in purges the account's own
        sessions_purge()
        assert UserSession.objects.count() == 2
        time_machine.move_to(timezone.now() + timedelta(seconds=300))
        sessions_purge()
        assert UserSession.objects.get().session_key == kept.session.session_key
