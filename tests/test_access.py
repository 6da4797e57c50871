"""Nobody reaches what is not theirs: every page and API route, asked by every role."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import ApiToken, Doctor, PracticeInvitation, PracticeMembership
from operations.models import AccessEvent
from patients.models import EmergencyAccess, Erasure
from radiology.models import SecondReading
from radiology.uploads import upload_create
from tests.accounts.factories import PASSWORD, AdminFactory, DoctorFactory, practice_of, token_for
from tests.e2e.pages import NO_PAGE, WALK
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import dicom_bytes

from .access_routes import ALLAUTH, ALLAUTH_ARGUMENTS, API, FILTERS, NOBODY, PAGES, ROLES, Route

pytestmark = pytest.mark.django_db

WRITES = {
    "inference:new",
    "inference:retry",
    "inference:review",
    "inference:second_reading_new",
    "inference:second_reading_end",
    "inference:worklist_approve",
    "inference:worklist_reread",
    "accounts:token_end",
    "accounts:practice_invite",
    "accounts:practice_withdraw",
    "accounts:practice_role",
    "accounts:practice_end",
    "patients:sharing",
    "api:radiograph-list",
    "api:analysis-retry",
    "api:analysis-reviews",
}


@pytest.fixture
def world():
    """An account of each role, and objects that all belong to ``owner``."""
    accounts = {
        "anonymous": None,
        "pending": DoctorFactory(pending=True),
        "suspended": DoctorFactory(suspended=True),
        "other": DoctorFactory(),
        "former": DoctorFactory(),
        "reader": DoctorFactory(),
        "colleague": DoctorFactory(),
        "staff": AdminFactory(is_superuser=False),
        "superuser": AdminFactory(),
        "owner": DoctorFactory(),
    }
    practice = practice_of(
        owner=accounts["owner"],
        doctor=accounts["colleague"],
        reader=accounts["reader"],
        former=accounts["former"],
    )
    patient = PatientFactory(owner=accounts["owner"], identifier="A", practice=practice)
    program = DoctorFactory(
        registration_number=None, is_service=True, practice=practice, practice_role="doctor"
    )
    invitation = PracticeInvitation.objects.create(
        practice=practice,
        address=accounts["other"].email,
        doctor=accounts["other"],
        role="doctor",
        invited_by=accounts["owner"],
    )
    analysis = AnalysisFactory(radiograph__patient=patient)
    analysis.map.save("map.png", ContentFile(b"\x89PNG"))
    analysis.radiograph.preview.save("preview.jpg", ContentFile(b"\xff\xd8\xff"))
    analysis.radiograph.depth.save("depth.bin", ContentFile(b"\x1f\x8b"))
    failed = AnalysisFactory(failed=True, radiograph__patient=patient)
    second = SecondReading.objects.create(
        radiograph=failed.radiograph, asked_by=accounts["owner"], address="nobody@example.org"
    )
    erasure = Erasure.objects.create(
        patient_key=patient.pk,
        owner=accounts["owner"],
        cause="patient",
        due_on="2050-01-01",
        state="refused",
        is_open=None,
    )
    emergency = EmergencyAccess.objects.create(
        patient=patient,
        doctor=accounts["colleague"],
        practice=practice,
        cause="absent",
        comment="-",
        ends_at=timezone.now() + timedelta(hours=2),
    )
    Doctor.objects.filter(pk=emergency.doctor_id).update(emergency_until=emergency.ends_at)
    token_for(accounts["owner"])
    token_for(program)
    return SimpleNamespace(
        accounts=accounts,
        patient=patient,
        analysis=analysis,
        failed=failed,
        second=second,
        erasure=erasure,
        emergency=emergency,
        practice=practice,
        program=program,
        invitation=invitation,
        membership=PracticeMembership.objects.get(doctor=accounts["colleague"], is_open=True),
        token=ApiToken.objects.get(owner=accounts["owner"]),
        program_token=ApiToken.objects.get(owner=program),
        upload=upload_create(owner=accounts["owner"], size=5),
        file=lambda: SimpleUploadedFile("image.dcm", dicom_bytes()),
        credentials=None,
    )


def ask(route: Route, world, role: str):
    """The answer of ``route`` to ``role``: by token below /api/, by session elsewhere."""
    response = _ask(route, world, role)
    response.body = response.getvalue()
    return response


def _ask(route: Route, world, role: str):
    account = world.accounts[role]
    email = account.email if account else "nobody@example.org"
    world.credentials = {"email": email, "password": PASSWORD}
    query = route.query.format(
        patient=world.patient.pk,
        radiograph=world.analysis.radiograph_id,
        failed=world.failed.radiograph_id,
    )
    url = reverse(route.name, args=route.args(world)) + query
    body = route.body(world)
    if not route.is_api:
        client = Client()
        if account:
            client.force_login(account)
        return client.generic(route.method, url) if body is None else client.post(url, body)
    client = APIClient()
    if account:
        token = token_for(account)
        client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
    call = getattr(client, route.method.lower())
    if body is None:
        return call(url)
    return call(url, body, format="multipart" if "file" in body else "json")


def outcome(response) -> int | str:
    """The status, or the place that a redirect leads to."""
    if not 300 <= response.status_code < 400:
        return response.status_code
    path = urlsplit(response["Location"]).path
    places = {
        "login": reverse("account_login"),
        "waiting": reverse("accounts:waiting"),
        "admin": reverse("admin:index"),
    }
    return next((name for name, place in places.items() if path == place), "onward")


def answers(route: Route, world) -> dict[str, int | str]:
    return {role: outcome(ask(route, world, role)) for role in ROLES}


@pytest.mark.parametrize("route", PAGES + API + FILTERS, ids=str)
def test_every_role_gets_its_answer(route, world):
    assert answers(route, world) == {role: route.answers[role] for role in ROLES}


@pytest.mark.parametrize(
    "route", [r for r in PAGES + API + FILTERS if r.answers["other"] == 404], ids=str
)
def test_what_is_anothers_looks_like_what_never_was(route, world):
    """Same status, same body, no trace in the record of access."""
    theirs = ask(route, world, "other")
    for thing in ("patient", "analysis", "failed", "upload"):
        setattr(world, thing, SimpleNamespace(pk=NOBODY, radiograph_id=NOBODY))
    world.token = SimpleNamespace(pk=NOBODY)
    never = ask(route, world, "other")
    assert theirs.status_code == never.status_code == 404
    assert strip(theirs) == strip(never)
    assert not AccessEvent.objects.filter(actor=world.accounts["other"], action="read").exists()


@pytest.mark.parametrize("route", PAGES + API, ids=str)
def test_what_is_recorded_says_by_which_route_and_from_where(route, world):
    before = AccessEvent.objects.count()
    ask(route, world, "owner")
    events = AccessEvent.objects.order_by("pk")[before:]
    found = set(events.values_list("route", "address"))
    assert found <= {(route.name, "127.0.0.1")}
    if route.method == "POST" and route.name in WRITES:
        assert found, "a write is recorded"


def strip(response) -> bytes:
    """The body without the lines that differ from one request to the next."""
    lines = response.body.splitlines()
    return b"\n".join(line for line in lines if b"csrf" not in line.lower())


# --- Nothing is missing from the table ----------------------------------------------------


def resolver_names(patterns=None, namespaces: tuple[str, ...] = ()) -> dict[str, URLPattern]:
    """Every name of the resolver with its pattern; ``?`` stands for a missing name."""
    found = {}
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLPattern):
            found[":".join((*namespaces, pattern.name or f"? {pattern.pattern}"))] = pattern
        else:
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            found |= resolver_names(pattern.url_patterns, inner)
    return found


def in_family(name: str) -> bool:
    """Whether ``name`` is covered by the rules for the admin or for allauth."""
    return name.startswith("admin:") or name in ALLAUTH


def test_every_name_of_the_resolver_is_in_the_table():
    names = {name for name in resolver_names() if not in_family(name)}
    assert names == {route.name for route in PAGES + API}
    family = ("account_", "mfa_")
    assert {name for name in resolver_names() if name.startswith(family)} == set(ALLAUTH)


def test_every_method_of_every_api_route_is_in_the_table():
    found = set()
    for name, pattern in resolver_names().items():
        view = getattr(pattern.callback, "cls", None)
        if not name.startswith("api:") or view is None:
            continue
        actions = getattr(pattern.callback, "actions", None)
        methods = actions or [m for m in view.http_method_names if hasattr(view, m)]
        found |= {(name, method.upper()) for method in methods if method != "head"}
    plain = {"api:index", "api:root", "api:schema", "api:docs", "api:not-found"}
    assert found == {(r.name, r.method) for r in API if r.name not in plain}


@pytest.mark.parametrize(
    "route", {route.name: route for route in PAGES + API}.values(), ids=lambda route: route.name
)
def test_no_method_beside_those_of_the_table(route, world):
    """A method without a row is refused, whoever asks."""
    listed = {r.method for r in PAGES + API if r.name == route.name}
    for method in sorted({"GET", "POST", "PUT", "PATCH", "DELETE"} - listed):
        unlisted = Route(route.name, method, {}, route.args)
        for role in ("anonymous", "owner"):
            answer = outcome(ask(unlisted, world, role))
            assert answer in (401, 404, 405, "login", "onward"), (method, role)
    assert AccessEvent.objects.filter(action__in=("create", "update", "delete")).count() == 0


def test_every_page_is_looked_at_in_a_browser():
    """By the walk of ``tests.e2e.pages``: a row there, or a reason why it is no page."""
    routes = {route.name for route in PAGES if route.method == "GET"} | set(ALLAUTH)
    visited = {stop.name for stop in WALK} - {"not found"}
    assert not visited & set(NO_PAGE)
    assert visited | set(NO_PAGE) == routes, "see WALK in tests/e2e/pages.py"


# --- Families -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(ALLAUTH))
def test_allauths_pages(name, world):
    route = Route(name, "GET", ALLAUTH[name], lambda world: ALLAUTH_ARGUMENTS.get(name, []))
    assert answers(route, world) == {role: route.answers[role] for role in ROLES}


def admin_names() -> list[str]:
    return sorted(name for name in resolver_names() if name.startswith("admin:"))


def admin_url(name: str, world) -> str:
    """An address of the admin; object pages are asked about the owner's objects."""
    objects = {
        "accounts_practice": world.practice,
        "accounts_practicemembership": world.membership,
        "accounts_apitoken": world.token,
        "accounts_doctor": world.accounts["owner"],
        "patients_patient": world.patient,
        "patients_erasure": world.erasure,
        "patients_emergencyaccess": world.emergency,
        "radiology_radiograph": world.analysis.radiograph,
        "inference_analysis": world.analysis,
        "inference_modelversion": world.analysis.model_version,
    }
    key = name.removeprefix("admin:").rpartition("_")[0]
    pattern = resolver_names()[name].pattern
    arguments = {
        "object_id": str(objects[key].pk if key in objects else 1),
        "content_type_id": "1",
        "pk": objects[key].pk if key in objects else 1,
        "app_label": "patients",
        "url": "nowhere/",
    }
    wanted = {name: arguments[name] for name in pattern.regex.groupindex}
    if ":?" in name:
        return reverse("admin:index") + "patients/patient/nowhere/"
    return reverse(name, kwargs=wanted)


ADMIN_FOR_ALL = {"admin:login", "admin:logout"}


@pytest.mark.parametrize("name", admin_names())
def test_the_admin_is_for_administrators(name, world):
    url = admin_url(name, world)
    found = {}
    for role, account in world.accounts.items():
        client = Client()
        if account:
            client.force_login(account)
        found[role] = outcome(client.get(url))
    if name not in ADMIN_FOR_ALL:
        assert found["anonymous"] in ("login", "onward"), found
        for role in ("pending", "suspended", "other", "owner"):
            assert found[role] in ("login", "onward", 403), found
    assert set(found.values()) <= {200, 403, 404, 405, "login", "onward", "admin"}, found


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in admin_names()
        if name.endswith(("_changelist", "_change", "_history")) and "password" not in name
    ],
)
def test_an_administrator_sees_what_the_permissions_say(name, world):
    """A page of the admin about a model; where there is no such row it leads back."""
    url = admin_url(name, world)
    staff, superuser = Client(), Client()
    staff.force_login(world.accounts["staff"])
    superuser.force_login(world.accounts["superuser"])
    exists = name.endswith("_changelist") or "/1/" not in url
    assert outcome(superuser.get(url)) == (200 if exists else "admin")
    assert outcome(staff.get(url)) in (403, "admin")
