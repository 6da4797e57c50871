"""Passwords that are refused where one is chosen, and that a login knows nothing of it."""

import hashlib
import os
import sys

import pytest
import structlog
from django.contrib.auth.password_validation import validate_password
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from accounts.models import Doctor
from accounts.passwords import checks
from accounts.passwords.breached import BreachedFileError, breached_count, breached_file_check

from .factories import PASSWORD, DoctorFactory
from .test_signup import SIGNUP, errors, link_in, typed

BREACHED = "vivid gravel teapot"
FREE = "violet tractor meadow"
REFUSED = "This password is in a list of passwords that became known somewhere."


def line_of(password: str, count: int = 1) -> str:
    return f"{hashlib.sha1(password.encode()).hexdigest().upper()}:{count}"


def written(path, passwords, ending="\r\n"):
    lines = sorted(line_of(password, number + 1) for number, password in enumerate(passwords))
    path.write_bytes(ending.join([*lines, ""]).encode())
    return str(path)


@pytest.fixture
def breached(tmp_path, settings):
    many = [f"password {n}" for n in range(3000)]
    settings.BREACHED_PASSWORDS_FILE = written(tmp_path / "pwned.txt", [BREACHED, *many])
    return settings.BREACHED_PASSWORDS_FILE


def codes(password, user=None) -> list[str]:
    try:
        validate_password(password, user)
    except ValidationError as error:
        return [found.code for found in error.error_list]
    return []


class TestFile:
    @pytest.mark.parametrize("ending", ["\r\n", "\n"])
    def test_every_line_is_found_and_nothing_else(self, tmp_path, ending):
        inside = [f"inside {n}" for n in range(500)]
        path = written(tmp_path / "f", inside, ending)
        assert [breached_count(path, password) for password in inside] == list(range(1, 501))
        assert not any(breached_count(path, f"outside {n}") for n in range(500))
        assert breached_file_check(path)

    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_of_few_lines_without_a_last_line_end(self, tmp_path, number):
        path = tmp_path / "f"
        inside = [f"inside {n}" for n in range(number)]
        path.write_text("\n".join(sorted(map(line_of, inside))))
        assert all(breached_count(str(path), password) for password in inside)
        assert not breached_count(str(path), "outside")

    def test_a_count_of_nought_is_padding(self, tmp_path):
        (tmp_path / "f").write_text(line_of(BREACHED, 0))
        assert breached_count(str(tmp_path / "f"), BREACHED) == 0

    def test_a_large_file_is_searched_where_it_lies(self, tmp_path):
        """A hole of a terabyte would be read for hours; its end is reached in some reads."""
        path = tmp_path / "f"
        with path.open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(BreachedFileError, match="SHA1:COUNT"):
            breached_count(str(path), BREACHED)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "empty"),
            (b"hello\n", "SHA1:COUNT"),
            (b"\x00" * 5000, "SHA1:COUNT"),
            (("A" * 32 + ":1\r\n").encode() * 9, "SHA1:COUNT"),  # NTLM
            (b"F" * 40 + b":1\n" + b"0" * 40 + b":1\n", "not sorted"),
        ],
    )
    def test_what_is_no_such_file_is_said(self, tmp_path, settings, content, reason):
        (tmp_path / "f").write_bytes(content)
        settings.BREACHED_PASSWORDS_FILE = str(tmp_path / "f")
        (message,) = checks.breached_file_is_usable()
        assert message.id == "accounts.E001"
        assert reason in message.msg

    def test_ordered_by_count_is_not_sorted(self, tmp_path):
        lines = [line_of(f"password {n}") for n in range(2000)]
        (tmp_path / "f").write_text("\n".join(lines))
        with pytest.raises(BreachedFileError, match="not sorted"):
            breached_file_check(str(tmp_path / "f"))

    def test_check_says_what_is_missing_cut_off_and_not_set(self, tmp_path, settings):
        for path in (tmp_path / "none", tmp_path):
            settings.BREACHED_PASSWORDS_FILE = str(path)
            assert [m.id for m in checks.breached_file_is_usable()] == ["accounts.E001"]
        assert checks.breached_file_is_set() == []
        os.mkfifo(tmp_path / "pipe")
        settings.BREACHED_PASSWORDS_FILE = str(tmp_path / "pipe")
        assert "not a file" in checks.breached_file_is_usable()[0].msg
        (tmp_path / "cut").write_text("0" * 40 + ":1\n" + "5" * 40 + ":1\n")
        settings.BREACHED_PASSWORDS_FILE = str(tmp_path / "cut")
        assert [m.id for m in checks.breached_file_is_usable()] == ["accounts.W002"]
        settings.BREACHED_PASSWORDS_FILE = ""
        assert checks.breached_file_is_usable() == []
        assert [m.id for m in checks.breached_file_is_set()] == ["accounts.W001"]


class TestWords:
    @pytest.mark.parametrize(
        "password",
        [
            "Motdepasse2026!",
            "MÉDECIN-Médecin",
            "Bonjour.Docteur1",
            "PneumoniApp2026",
            "ｓｏｌｅｉｌ１２３４",
            "01/01/1980Marseille",
            "Le Goff 1975 !!",
            "legoffgwenaelle",
            "g.legoff@example.org",
            "RPPS 10000000001",
        ],
    )
    def test_refused(self, password):
        doctor = Doctor(
            first_name="Gwenaëlle",
            last_name="Le Goff",
            email="g.legoff@example.org",
            registration_number="10000000001",
        )
        assert "password_of_own_words" in codes(password, doctor)

    @pytest.mark.parametrize(
        "password",
        [
            PASSWORD,
            FREE,
            "bonjour docteur soleil marseille",
            "soleil et brouettes",
            "X7-kqv-Wz4-pmd",
            "soleil8371940265518",
        ],
    )
    def test_taken(self, password):
        assert codes(password, Doctor(first_name="Gwen", email="gwen@example.org")) == []
        assert codes(password) == []


@pytest.mark.django_db
class TestWhereAPasswordIsChosen:
    """Each way into an account refuses a breached one and takes another."""

    def test_sign_up(self, client, breached):
        response = client.post(SIGNUP, typed(password1=BREACHED, password2=BREACHED))
        assert REFUSED in " ".join(errors(response)["password1"])
        assert not Doctor.objects.exists()
        assert client.post(SIGNUP, typed(password1=FREE, password2=FREE)).status_code == 302

    def test_sign_up_with_the_own_name(self, client):
        own = "de La Tour Élodie 80"
        response = client.post(SIGNUP, typed(password1=own, password2=own))
        assert "easy to guess" in " ".join(errors(response)["password1"])

    def test_change(self, client_for, breached):
        doctor = DoctorFactory()
        client, url = client_for(doctor), "/accounts/password/change/"
        facts = {"oldpassword": PASSWORD, "password1": BREACHED, "password2": BREACHED}
        assert REFUSED in " ".join(errors(client.post(url, facts))["password1"])
        facts |= {"password1": FREE, "password2": FREE}
        assert client.post(url, facts).status_code == 302

    def test_reset(self, client, breached):
        doctor = DoctorFactory()
        client.post("/accounts/password/reset/", {"email": doctor.email})
        url = client.get(link_in(mail.outbox[0])).url
        response = client.post(url, {"password1": BREACHED, "password2": BREACHED})
        assert REFUSED in " ".join(errors(response)["password1"])
        assert client.post(url, {"password1": FREE, "password2": FREE}).status_code == 302
        doctor.refresh_from_db()
        assert doctor.check_password(FREE)

    def test_changepassword(self, breached, monkeypatch):
        doctor = DoctorFactory()
        monkeypatch.setattr("getpass.getpass", lambda **_: BREACHED)
        with pytest.raises(CommandError, match="Aborting"):
            call_command("changepassword", doctor.email)
        monkeypatch.setattr("getpass.getpass", lambda **_: FREE)
        call_command("changepassword", doctor.email)
        doctor.refresh_from_db()
        assert doctor.check_password(FREE)

    def test_createsuperuser(self, breached, monkeypatch, capsys):
        answers = iter([BREACHED, BREACHED, FREE, FREE])
        monkeypatch.setattr("getpass.getpass", lambda *_: next(answers))
        monkeypatch.setattr("builtins.input", lambda *_: "n")
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        call_command(
            "createsuperuser", email="root@example.org", first_name="Ada", last_name="Root"
        )
        assert REFUSED in capsys.readouterr().err
        assert Doctor.objects.get(email="root@example.org").check_password(FREE)

    @pytest.mark.parametrize("content", [None, b"", b"broken\n" * 900])
    def test_a_broken_file_keeps_nobody_out(self, client, settings, tmp_path, content):
        path = tmp_path / "pwned.txt"
        if content is not None:
            path.write_bytes(content)
        settings.BREACHED_PASSWORDS_FILE = str(path)
        with structlog.testing.capture_logs() as logged:
            assert client.post(SIGNUP, typed(password1=FREE, password2=FREE)).status_code == 302
            response = client.post(SIGNUP, typed(password1="azertyuiop", password2="azertyuiop"))
        assert "too common" in " ".join(errors(response)["password1"])
        assert {line["event"] for line in logged} >= {"breached_passwords_unusable"}
        assert FREE not in str(logged)
        assert "azertyuiop" not in str(logged)


@pytest.mark.django_db
def test_a_login_asks_nothing_of_the_file(client, settings, tmp_path):
    """Neither is a breached password refused there, nor is a broken file touched."""
    settings.BREACHED_PASSWORDS_FILE = str(tmp_path / "none")
    doctor = DoctorFactory(password="motdepasse")
    with structlog.testing.capture_logs() as logged:
        for password, status in (("wrong", 200), ("motdepasse", 302)):
            facts = {"login": doctor.email, "password": password}
            assert client.post("/accounts/login/", facts).status_code == status
    assert "breached_passwords_unusable" not in {line["event"] for line in logged}
