"""Every address and command that touches patients' data leaves its event, and no value in it."""

import re
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.test import Client

from operations.backup.drilling import drill_run
from operations.models import AccessEvent
from tests.access_routes import API, PAGES
from tests.test_access import (  # noqa: F401
    admin_names,
    admin_url,
    ask,
    resolver_names,
    world,
)

pytestmark = pytest.mark.django_db

IDENTIFIER, BORN = "PLANTED-IDENTIFIER-7", "1931-05-17"
# Routes that answer and record nothing, and why. Nothing of a patient may be in the answer.
SILENT = {
    "accounts:account": "the doctor's own account",
    "accounts:practice": "colleagues and their roles",
    "accounts:program_token GET": "tokens of a program of the practice",
    "accounts:sessions": "the doctor's own sessions",
    "accounts:tokens GET": "the doctor's own tokens",
    "api:docs": "the manual of the API",
    "api:me": "the doctor's own account",
    "api:model-detail": "a model version",
    "api:model-list": "model versions",
    "api:problem": "what an error code means",
    "api:problems": "what error codes mean",
    "api:root": "addresses",
    "api:schema": "the manual of the API",
    "inference:help": "the guide",
    "inference:inspect": "a file of the doctor's own, of which nothing is stored",
    "inference:model_card": "a model version",
    "inference:notices": "how many readings wait",
    "inference:statistics": "the doctor's own judgements, counted",
    "inference:statistics_csv": "the doctor's own judgements, counted",
    "inference:worklist_news": "how many readings came",
    "operations:live": "the installation",
    "operations:metrics": "the installation, counted",
    "patients:create GET": "an empty form",
    "radiology:depth_state": "whether a file is there",
    "radiology:upload": "pieces of a file; it is recorded when it becomes a radiograph",
    "radiology:uploads": "pieces of a file; it is recorded when it becomes a radiograph",
}
# Pages of the admin that show patients' data.
ADMIN = ("patients_", "radiology_", "inference_analysis_", "inference_review_")
ADMIN_SILENT = {
    "admin:inference_review_statistics": "judgements, counted",
    # Leads to a form that nobody may see.
    "admin:patients_patient_add": "403",
    "admin:patients_erasure_add": "403",
    "admin:radiology_radiograph_add": "403",
    "admin:inference_analysis_add": "403",
    "admin:inference_review_add": "403",
}
# Every command, and what it records. The tests below or of its app prove it.
COMMANDS = {
    "backup": "create operations.backup",
    "backups": "delete operations.backup",
    "restore": "create operations.restore",
    "restore_drill": "create operations.restoredrill",
    "promote": "update inference.modelversion",
    "rollback": "update inference.modelversion",
    "models": "create inference.modelversion",
    "dataset": "read inference.review",
    "demo": "create accounts.doctor",
    "erase": "delete patients.patient",
    "retention": "delete patients.patient",
    "encrypt_files": "update operations.filekey",
    "import_directory": "update accounts.directoryedition",
    # What knows no patient and changes no trust.
    "prepare": "",  # the model that comes with the program, by `models`
    "classify": "",  # a file
    "evaluate": "",  # files
    "compare": "",  # runs
    "learning_curve": "",  # a dataset, which `dataset` recorded
    "train": "",  # the same
    "search_text": "",  # machines look, as they do for a reading; who answers is recorded
    "storage_check": "",  # names of files
    "verify_audit": "",  # a row of its own, operations.auditcheck
}


@pytest.fixture
def planted(world):  # noqa: F811
    """The world of the access table, with a patient whose values can be found again."""
    world.patient.identifier, world.patient.birth_date = IDENTIFIER, BORN
    world.patient.save()
    return world


def events_of(work) -> tuple:
    """What ``work`` answers, and the events that it leaves."""
    before = AccessEvent.objects.count()
    response = work()
    return response, list(AccessEvent.objects.order_by("pk")[before:])


@pytest.mark.parametrize("route", PAGES + API, ids=str)
def test_every_answer_to_a_doctor_leaves_an_event(route, planted):
    response, events = events_of(lambda: ask(route, planted, "owner"))
    reason = SILENT.get(route.name) or SILENT.get(f"{route.name} {route.method}")
    if reason:
        assert events == [], "it is silent no more: take it from the list"
        for value in (IDENTIFIER, BORN, str(planted.analysis.pk)):
            assert value not in response.body.decode(errors="replace")
    elif 200 <= response.status_code < 300:
        assert events, "who looked is not recorded"
    for event in events:
        assert event.actor == planted.accounts["owner"] or route.name == "api:token"
        assert (event.channel in ("api", "export")) == route.is_api or event.channel == "export"
        none = "accounts."  # of no patient
        listed = event.object_id == "list" or event.object_type.startswith(none)
        other = event.action in ("create", "refused")
        assert listed or other or event.patient == str(planted.patient.pk)


@pytest.mark.parametrize("route", PAGES + API, ids=str)
def test_no_value_of_a_patient_is_in_an_event(route, planted):
    ask(route, planted, "owner")
    owner = planted.accounts["owner"]
    text = str([list(event.values()) for event in AccessEvent.objects.values()])
    for value in (IDENTIFIER, BORN, owner.email, owner.last_name, owner.registration_number):
        assert value not in text


def test_every_route_is_asked_or_silent():
    names = {route.name for route in PAGES + API}
    assert {name.partition(" ")[0] for name in SILENT} <= names


@pytest.mark.parametrize(
    "name", [n for n in admin_names() if n.removeprefix("admin:").startswith(ADMIN)]
)
def test_every_look_of_an_administrator_leaves_an_event(name, planted):
    client = Client()
    client.force_login(planted.accounts["superuser"])
    response, events = events_of(lambda: client.get(admin_url(name, planted)))
    if response.status_code == 200 and name not in ADMIN_SILENT:
        assert events
    for event in events:
        assert (event.actor, event.channel) == (planted.accounts["superuser"], "admin")
    assert IDENTIFIER not in str(list(AccessEvent.objects.values()))


# --- Refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "route",
    [r for r in PAGES + API if r.answers["other"] in (403, 404) and r.name != "api:not-found"],
    ids=str,
)
def test_every_refusal_to_a_doctor_is_recorded(route, planted):
    response, events = events_of(lambda: ask(route, planted, "other"))
    assert response.status_code in (403, 404)
    (event,) = [event for event in events if event.action == "refused"]
    assert event.actor == planted.accounts["other"]
    assert (event.object_type, event.route) == (f"refusal.{response.status_code}", route.name)
    assert event.patient == "", "whose it is was not asked"


def test_what_strangers_and_slips_try_is_not_recorded(client, doctor_client):
    client.get("/patients/01890a5d-ac96-774b-bcce-b302099a8057/")
    doctor_client.get("/patientz/")
    assert not AccessEvent.objects.exists()


def test_the_same_refusal_counts_once(doctor_client):
    for _ in range(3):
        doctor_client.get("/patients/01890a5d-ac96-774b-bcce-b302099a8057/")
    doctor_client.get("/patients/01890a5d-ac96-774b-bcce-b302099a8058/")
    assert AccessEvent.objects.filter(action="refused").count() == 2


def test_a_failed_login_is_recorded_without_the_address(client, doctor):
    for email in (doctor.email, "planted-nobody@example.org"):
        for _ in range(2):
            client.post("/accounts/login/", {"login": email, "password": "planted-password"})
    events = AccessEvent.objects.filter(action="refused", object_type="refusal.login")
    assert sorted(events.values_list("object_id", flat=True)) == ["-", "-", *[str(doctor.pk)] * 2]
    assert set(events.values_list("address", flat=True)) == {"127.0.0.1"}
    assert "planted" not in str(list(events.values()))
    assert doctor.email not in str(list(events.values()))


def test_a_token_that_is_none_is_recorded(client):
    client.get("/api/v1/patients/", headers={"authorization": "Token planted"})
    event = AccessEvent.objects.get()
    assert (event.actor, event.object_type, event.channel) == (None, "refusal.401", "api")
    assert "planted" not in str(list(AccessEvent.objects.values()))


# --- Commands -----------------------------------------------------------------------------


def test_every_command_is_in_the_table():
    root = Path(django_settings.BASE_DIR)
    found = {
        path.stem for path in root.glob("*/management/commands/*.py") if path.stem != "__init__"
    }
    assert found == set(COMMANDS)


def test_backups_and_rehearsals_are_recorded(transactional_db, backups, run_command):
    _status, lines = run_command("backup")
    drill = drill_run()
    call_command("backups", "--remove", lines[0].partition("\t")[0])
    found = AccessEvent.objects.order_by("pk").values_list("action", "object_type", "object_id")
    name = re.match(r"\S+", lines[0])[0]
    assert list(found)[1:] == [
        ("create", "operations.restoredrill", str(drill.pk)),
        ("delete", "operations.backup", name),
    ]
    assert next(iter(found))[:2] == ("create", "operations.backup")
    assert set(AccessEvent.objects.values_list("channel", flat=True)) == {"command"}


def test_another_directory_of_doctors_is_recorded(tmp_path, run_command):
    file = tmp_path / "directory.csv"
    heading = "registration_number,last_name,first_name,profession"
    file.write_text(f"{heading}\n10101010101,LOVELACE,Ada,Médecin\n")
    run_command("import_directory", str(file))
    event = AccessEvent.objects.get()
    assert (event.action, event.object_type) == ("update", "accounts.directoryedition")
