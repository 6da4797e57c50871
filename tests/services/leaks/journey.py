"""What people do in one day: a doctor, a program, an administrator, and some who mistype."""

from __future__ import annotations

import json
import re
import socket
import time
import zlib
from contextlib import contextmanager
from urllib.parse import parse_qs

from django.db import connection
from django.test import override_settings

from accounts.models import Doctor
from accounts.sessions.store import SessionStore
from accounts.sessions.waiting import STATE
from inference.models import Analysis
from tests.accounts.factories import PASSWORD as ADMIN_PASSWORD
from tests.accounts.factories import AdminFactory, DoctorFactory
from tests.services.servers import wait_for

from . import planted as p
from .browser import Answer, Browser
from .ground import Ground
from .markers import Marker

KEY = r"[0-9a-f]{8}-[0-9a-f-]{27}"


class Journey:
    """Walks it. ``seen``: every answer. ``secrets``: what was given out on the way."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.seen: list[Answer] = []
        self.typed: set[str] = set()
        self.secrets: dict[str, Marker] = {}
        self.people: list[Browser] = []

    def browser(self) -> Browser:
        made = Browser(self.ground.url, self.seen, self.typed)
        self.people.append(made)
        return made

    def walk(self) -> None:
        self.admin = AdminFactory(email="admin4711@example.org")
        DoctorFactory(email=p.COLLEAGUE, last_name="Confrère")
        self.sign_up()
        self.send()
        self.judge()
        self.take_away()
        self.program()
        self.mistakes()
        self.faults()
        self.administer()
        self.forget_the_password()
        self.form_that_waits()
        keys = {key for browser in self.people for key in browser.keys}
        self.secrets["session keys"] = Marker("session keys", *keys)

    # --- The doctor ---------------------------------------------------------------------------

    def sign_up(self) -> None:
        doctor = self.doctor = self.browser()
        person = {
            "registration_number": p.NUMBER,
            "first_name": p.FIRST_NAME,
            "last_name": p.LAST_NAME,
            "email": p.EMAIL,
            "password1": p.PASSWORD,
            "password2": p.PASSWORD,
        }
        wrong = person | {"registration_number": p.NUMBER[:-1], "password2": p.NEW_PASSWORD}
        doctor.fill("/accounts/signup/", wrong)
        doctor.fill("/accounts/signup/", person)
        link = self.link(p.EMAIL, "confirm-email")
        doctor.fill_on(doctor.get(link), {})
        doctor.log_in(p.EMAIL, p.NEW_PASSWORD)  # mistaken
        doctor.log_in(p.STRANGER, p.PASSWORD)
        doctor.log_in(p.EMAIL, p.PASSWORD)
        proof = [("proof", (f"{p.FILE_NAME}.pdf", b"%PDF-1.4 " + p.LAST_NAME.encode()))]
        doctor.fill("/account/waiting/", {}, files=proof)

        admin = self.administrator = self.browser()
        admin.log_in(self.admin.email, ADMIN_PASSWORD)
        key = Doctor.objects.get(email=p.EMAIL).pk
        page = f"/admin/accounts/doctor/{key}/verification/"
        admin.fill(page, {"decision": "verify", "reason": ""})

    def link(self, address: str, word: str) -> str:
        text = self.ground.mailed(address, word)
        found = next(u for u in re.findall(r"https?://\S+", text) if word in u)
        secret = found.rstrip("/").rsplit("/", 1)[1]
        self.secrets[f"link {word}"] = Marker(f"link {word}", secret)
        return found.removeprefix(self.ground.url)

    def send(self) -> None:
        """A patient by the form; radiographs by the form, in pieces, as a ZIP; bad ones."""
        doctor = self.doctor
        person = {"identifier": p.IDENTIFIER, "sex": "F", "birth_date": p.BORN.isoformat()}
        bad = person | {"identifier": p.WRONG_IDENTIFIER}
        doctor.fill("/patients/new/", bad, status=422)
        made = doctor.fill("/patients/new/", person)
        self.patient = re.search(KEY, made.path)[0]
        doctor.fill("/patients/new/", person, status=422)  # known already
        doctor.fill(f"/patients/{self.patient}/edit/", {"birth_date": p.BORN.strftime("%d/%m/%Y")})

        new = f"/readings/new/?patient={self.patient}"
        head = {"head": (p.FILE_NAME, p.radiograph()[:8000])}
        self.post(doctor, "/readings/inspect/", files=head)
        for number, content in enumerate([p.radiograph(1), p.radiograph(2), p.not_decodable()]):
            file = [("files", (p.FILE_NAME, content, "application/dicom"))]
            answer = doctor.fill(new, {"acquired_on": f"2024-03-0{number + 1}"}, files=file)
            if number == 0:
                self.radiograph = re.search(KEY, answer.path)[0]
        for name, content in p.refused().items():
            file = [("files", (f"{name} {p.FILE_NAME}", content, "application/dicom"))]
            page = doctor.get(new)
            given = {"patient": self.patient, "acquired_on": "2024-03-09"}
            self.post(doctor, page.path, given, files=file, status=None)
        other = {"patient": "new", "identifier": p.OTHER_IDENTIFIER, "sex": "F"}
        other |= {"birth_date": p.BORN.isoformat(), "acquired_on": "2024-04-01"}
        zipped = [("files", (f"{p.FOLDER_NAME}.zip", p.archive(), "application/zip"))]
        answer = self.post(doctor, "/readings/new/", other, files=zipped, status=None)
        assert answer.status < 500, answer.text[-2000:]
        assert "notes.txt" in answer.text, answer.text[-2000:]

        content = p.radiograph(3)
        begun = self.post(doctor, "/uploads/", {"size": len(content)}, status=201)
        upload = re.search(KEY, begun.text)[0]
        sent = {"Upload-Offset": "0", "X-CSRFToken": doctor.form_token("/readings/new/")}
        done = doctor.ask("PATCH", f"/uploads/{upload}/", data=content, headers=sent)
        assert done.status == 204, done.text
        given = {"patient": self.patient, "upload": upload, "checksum": zlib.crc32(content)}
        self.post(doctor, "/readings/new/", given | {"acquired_on": "2024-03-05"})
        self.wait_for_readings(5)

    def post(self, browser, path, values=None, *, files=None, status: int | None = 200) -> Answer:
        """What a page's script sends."""
        token = browser.form_token("/patients/" if "/patients" in path else "/readings/new/")
        given = {"csrfmiddlewaretoken": token} | (values or {})
        answer = browser.ask("POST", path, data=given, files=files)
        assert status in (None, answer.status), f"{path}: {answer.status} {answer.text[-3000:]}"
        return answer

    def wait_for_readings(self, count: int) -> None:
        rows = Analysis.objects.all()

        def finished() -> bool:
            return not rows.exclude(status__in=["done", "failed"]).exists()

        wait_for(finished, limit=60, what="all readings to end")
        assert rows.count() >= count
        assert {row.status for row in rows} == {"done", "failed"}

    def judge(self) -> None:
        """Contest with a comment, approve, ask colleagues for a second reading."""
        doctor = self.doctor
        page = doctor.get(f"/radiographs/{self.radiograph}/")
        analysis = Analysis.objects.get(radiograph=self.radiograph, is_current=True)
        self.analysis = str(analysis.pk)
        others = [x for x in ("normal", "lung_opacity", "not_normal") if x != analysis.label]
        given = {"verdict": "contested", "label": others[0], "reason": "other"}
        review = f"/analyses/{analysis.pk}/review/"
        self.post(doctor, review, given | {"comment": p.COMMENT * 99}, status=422)
        self.post(doctor, review, given | {"comment": p.COMMENT})
        second = f"/radiographs/{self.radiograph}/second-readings/"
        for address in (p.COLLEAGUE, p.STRANGER, "Zq nobody"):
            self.post(doctor, second, {"address": address})
        self.ground.mailed(p.COLLEAGUE, "second")
        for part in ("viewer/", "status/", "result/", "preview.jpg", "image.dcm", "depth/"):
            doctor.ask("GET", f"{page.path}{part}")

    def take_away(self) -> None:
        """Lists, filters, searches, PDF, CSV, DICOM, ZIP."""
        doctor = self.doctor
        for path in (
            "/worklist/?status=done&since=2024-01-01",
            "/radiographs/?since=2024-01-01&until=2024-12-31",
            f"/radiographs/?patient={self.patient}",
            "/patients/?sort=birth_date",
            "/patients/?sort=identifier",
            "/statistics/",
            "/statistics/judgements.csv",
            "/second-readings/",
            "/notices/",
            "/account/",
            "/help/",
            f"/patients/{self.patient}/",
            f"/patients/{self.patient}/accesses/",
            f"/patients/{self.patient}/compare/",
            f"/patients/{self.patient}/report.pdf",
            f"/radiographs/{self.radiograph}/report.pdf",
        ):
            assert doctor.ask("GET", path).status in (200, 204), path
        assert p.IDENTIFIER in doctor.fill("/patients/", {"q": p.IDENTIFIER[:9]}).text
        doctor.fill("/patients/", {"q": p.STRANGER})
        self.post(doctor, "/patients/search/", {"q": p.IDENTIFIER[:9], "as": "choices"})
        self.post(doctor, "/worklist/export/", {"what": "all"})
        self.post(doctor, f"/patients/{self.patient}/export/")
        erase = {"cause": "other", "comment": p.COMMENT}
        doctor.fill(f"/patients/{self.patient}/erasure/", erase)

    # --- A program ------------------------------------------------------------------------------

    def program(self) -> None:
        asked = {"name": "Archive", "scopes": ["read", "upload"], "days": 30}
        made = self.doctor.fill("/account/tokens/", asked, status=201)
        token = re.search(r"pna_[0-9a-f]{72}", made.text)[0]
        self.secrets["token of the page"] = Marker("token of the page", token)
        program = self.robot = self.browser()
        program.session.headers["Authorization"] = f"Token {token}"
        api = "/api/v1"
        person = {
            "patient_identifier": p.IDENTIFIER,
            "birth_date": p.BORN.isoformat(),
            "sex": "F",
        }
        for body, content, status in (
            (person | {"acquired_on": "2024-05-01"}, p.radiograph(5), 201),
            (person | {"sex": p.QUERY}, p.radiograph(6), 400),
            (person | {"birth_date": p.COMMENT}, p.radiograph(6), 400),
            (person | {p.HEADER: p.COMMENT}, p.radiograph(6), 400),
            (person | {"patient_identifier": p.WRONG_IDENTIFIER}, p.radiograph(6), 400),
            (person, p.refused()["text"], 400),
            (person, b"\0" * 3_500_000, 413),
        ):
            files = {"file": (p.FILE_NAME, content)}
            answer = program.ask("POST", f"{api}/radiographs/?wait=10", data=body, files=files)
            assert answer.status in (status, 200, 202), f"{answer.status} {answer.text}"
        known = {"identifier": p.IDENTIFIER}
        new = known | {"sex": "F", "birth_date": p.BORN.isoformat()}
        for path, body, status in (
            ("/patients/search/", known, 200),
            ("/patients/search/", {"identifier": [p.IDENTIFIER]}, 400),
            ("/patients/", new, 409),
            ("/patients/", new | {"identifier": p.WRONG_IDENTIFIER}, 400),
            ("/patients/", new | {"birth_date": "29.10.1937"}, 400),
            ("/patients/", new | {"owner": p.EMAIL}, 400),
            ("/auth/token/", {"email": p.EMAIL, "password": p.NEW_PASSWORD}, 401),
            ("/auth/token/", {"email": p.EMAIL, "password": p.PASSWORD}, 200),
        ):
            answer = program.ask("POST", api + path, json=body)
            assert answer.status in (status, 400), f"{path} {answer.status} {answer.text}"
            if '"token"' in answer.text:
                text = answer.text.split('"token":"')[1].split('"')[0]
                self.first = text
        program.ask("POST", f"{api}/patients/", data=f"{{{p.IDENTIFIER}".encode())
        program.ask("PATCH", f"{api}/patients/{self.patient}/", json={"sex": p.COMMENT})
        for path in ("/me/", "/patients/", "/radiographs/", "/analyses/"):
            program.get(api + path)
        program.get(f"{api}/patients/{self.patient}/")
        program.type_address(f"{api}/patients/?identifier={p.QUERY}")
        program.type_address(f"{api}/radiographs/?patient={p.QUERY}")
        program.type_address(f"{api}/{p.PATH}/")
        program.session.headers["Authorization"] = f"Token {p.HEADER}"
        program.get(f"{api}/me/", status=401)

    # --- What goes wrong ------------------------------------------------------------------------

    def mistakes(self) -> None:
        """Addresses typed by hand, forms without a token, files too large, broken requests."""
        doctor = self.doctor
        for path in (
            f"/patients/?q={p.QUERY}&sort={p.QUERY}",
            f"/radiographs/?label={p.QUERY}&since={p.QUERY}",
            f"/worklist/?after={p.QUERY}",
            f"/patients/{p.PATH}/?q={p.QUERY}",
            f"/{p.PATH}?{p.QUERY}",
            f"/static/{p.PATH}.js",
            f"/accounts/login/?next=/{p.PATH}/",
        ):
            doctor.type_address(path)
        stranger = self.browser()
        stranger.type_address(f"/patients/?q={p.QUERY}")
        body = {"identifier": p.IDENTIFIER, "q": p.QUERY}
        headers = {"X-Planted": p.HEADER, "Referer": f"http://x/{p.QUERY}"}
        for path in ("/patients/new/", "/accounts/login/"):
            assert doctor.ask("POST", path, data=body, headers=headers).status == 403
        assert doctor.ask("PUT", "/patients/", data=body).status in (403, 405)
        large = {"q": p.COMMENT * 50_000}
        assert self.post(doctor, "/patients/search/", large, status=None).status == 413
        file = [("files", (p.FILE_NAME, b"\0" * 3_500_000))]
        given = {"patient": self.patient}
        assert self.post(doctor, "/readings/new/", given, files=file, status=None).status >= 400
        odd = {"Content-Type": "multipart/form-data", "Cookie": f"sessionid={p.HEADER}"}
        stranger.ask("POST", "/patients/search/", data=p.COMMENT.encode(), headers=odd)
        stranger.ask("GET", "/", headers={"Host": f"{p.HEADER}.example.org"})
        for text in p.odd_requests():
            self.raw(text)

    def raw(self, text: bytes) -> None:
        """What no browser sends: straight to the server's port."""
        with socket.create_connection(("127.0.0.1", self.ground.port), timeout=10) as line:
            line.sendall(text)
            line.shutdown(socket.SHUT_WR)
            while line.recv(65536):
                pass

    @contextmanager
    def refusing(self, table: str, moment: str):
        """The database refuses each such row, and says why with its values."""
        if connection.vendor == "sqlite":
            act = f"SELECT RAISE(ABORT, '{p.COMPLAINT} {p.IDENTIFIER} {p.BORN}');"
        else:
            act = (
                "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = "
                f"'{p.COMPLAINT} {p.IDENTIFIER} {p.BORN}';"
            )
        each = "FOR EACH ROW"
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TRIGGER planted BEFORE {moment} ON {table} {each} BEGIN {act} END"
            )
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("DROP TRIGGER planted")

    def faults(self) -> None:
        """A database that fails with the values in its words: on a page, in the API, in the
        worker."""
        program = self.robot
        program.session.headers.pop("Authorization", None)
        credentials = {"email": p.EMAIL, "password": p.PASSWORD}
        token = program.ask("POST", "/api/v1/auth/token/", json=credentials)
        text = token.text.split('"token":"')[1].split('"')[0]
        self.secrets["token of the API"] = Marker("token of the API", self.first, text)
        program.session.headers["Authorization"] = f"Token {text}"
        with self.refusing("operations_accessevent", "INSERT"):
            self.doctor.fill("/account/", {"last_name": f"{p.LAST_NAME} Zq"}, status=500)
            answer = program.ask("PATCH", f"/api/v1/patients/{self.patient}/", json={"sex": "M"})
            assert answer.status == 500, answer.text
        with self.refusing("inference_analysis", "UPDATE"):
            body = {"patient": self.patient, "acquired_on": "2024-06-01"}
            files = {"file": (p.FILE_NAME, p.radiograph(7))}
            sent = program.ask("POST", "/api/v1/radiographs/", data=body, files=files)
            assert sent.status == 202, sent.text
            time.sleep(2)  # the message goes back, and comes again
        with self.refusing("operations_heartbeat", "UPDATE"):
            failed = "task_failed"
            wait_for(lambda: failed in self.ground.said(), limit=30, what="a task that fails")
        self.wait_for_readings(6)

    # --- The administration ---------------------------------------------------------------------

    def administer(self) -> None:
        admin = self.administrator
        doctor = Doctor.objects.get(email=p.EMAIL).pk
        found = admin.fill("/admin/patients/patient/", {"q": p.IDENTIFIER[:12]})
        assert self.patient in found.text, "the search finds nobody"
        for words in (p.LAST_NAME, p.EMAIL, p.NUMBER):
            found = admin.fill("/admin/accounts/doctor/", {"q": words})
            assert f"/admin/accounts/doctor/{doctor}/" in found.text, words
        admin.get(f"/admin/patients/patient/{self.patient}/change/")
        admin.get(f"/admin/radiology/radiograph/{self.radiograph}/change/")
        change = f"/admin/accounts/doctor/{doctor}/change/"
        admin.fill(change, {"last_name": f"{p.LAST_NAME} Zq", "first_name": p.FIRST_NAME})
        assert Doctor.objects.get(pk=doctor).last_name.endswith(" Zq")
        found = admin.fill("/admin/operations/accessevent/", {"doctor": p.EMAIL, "since": ""})
        assert "patients.patient" in found.text or self.patient[:13] in found.text
        admin.fill("/admin/operations/accessevent/", {"q": p.EMAIL})
        admin.get("/admin/operations/accessevent/export.csv")
        for page in (
            "inference/analysis",
            "inference/review",
            "operations/statementtimes",
            "operations/anomaly",
            "operations/backup",
            "patients/erasure",
            "radiology/radiograph",
        ):
            admin.get(f"/admin/{page}/")
        token = admin.form_token("/admin/operations/backup/")
        admin.ask("POST", "/admin/operations/backup/now/", data={"csrfmiddlewaretoken": token})
        self.wait_for_backup()
        anyone = self.browser()
        anyone.get("/metrics")
        anyone.get("/health/ready")

    @staticmethod
    def wait_for_backup() -> None:
        from operations.models import Backup

        wait_for(lambda: Backup.objects.filter(state="done").exists(), limit=60, what="the backup")

    def forget_the_password(self) -> None:
        person = self.browser()
        for address in (p.STRANGER, p.EMAIL):
            person.fill("/accounts/password/reset/", {"email": address})
        link = self.link(p.EMAIL, "password/reset/key")
        page = person.get(link)
        new = {"password1": p.NEW_PASSWORD, "password2": p.NEW_PASSWORD}
        person.fill_on(page, new)
        person.log_in(p.EMAIL, p.NEW_PASSWORD)
        person.fill("/account/", {"first_name": p.FIRST_NAME, "mail_when_read": "on"})

    def form_that_waits(self) -> None:
        """A form is sent long after the password was given: it waits in the session's row."""
        doctor = self.browser()
        doctor.log_in(p.EMAIL, p.NEW_PASSWORD)
        (key,) = doctor.keys
        with override_settings(
            SECRET_KEY=self.ground.variables["SECRET_KEY"],
            FILE_KEYS=[self.ground.variables["FILE_KEYS"]],
        ):
            session = SessionStore(key)
            for record in session["account_authentication_methods"]:
                record["at"] -= 24 * 3600
            session.save()
            address = f"/patients/{self.patient}/erasure/"
            answer = self.post(doctor, address, {"cause": "other", "comment": p.COMMENT})
            assert answer.path == "/accounts/reauthenticate/", answer.address
            assert p.COMMENT in parse_qs(waiting_form(key))["comment"], "nothing waits"


def waiting_form(key: str) -> str:
    """What was typed into the form that waits in the session ``key``."""
    return json.loads(SessionStore(key)[STATE]["request"])["POST"]
