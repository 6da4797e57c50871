"""Backups in the admin: seen, started, and nothing else."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from operations.admin_backup import duration_text
from operations.models import AccessEvent, Backup, RestoreDrill
from tests.accounts.factories import AdminFactory

pytestmark = pytest.mark.django_db

LIST = reverse("admin:operations_backup_changelist")
NOW = reverse("admin:operations_backup_now")
PROGRESS = reverse("admin:operations_backup_progress")


def made(**fields) -> Backup:
    fields = {
        "name": "20260101T013000.000000Z-aaaaaa",
        "state": "done",
        "kind": "scheduled",
        "unfinished": None,
        "bytes_total": 5 * 1024**3,
        "bytes_new": 12 * 1024**2,
        "counts": {"rows": {"patients.patient": 7}, "files": 21, "models": 5, "missing": 0},
        "finished_at": timezone.now() + timezone.timedelta(seconds=3725),
    } | fields
    return Backup.objects.create(**fields)


def test_the_list_says_what_an_administrator_wants_to_know(admin_client, backups):
    made()
    made(
        name="",
        state="failed",
        error_code="backup_storage_full",
        started_at=timezone.now() - timezone.timedelta(days=1),
    )
    RestoreDrill.objects.create(state="passed", backup="x", finished_at=timezone.now())
    page = admin_client.get(LIST).text
    for text in (
        "5.0\xa0GB",
        "12.0\xa0MB",
        "1:02:0",
        "storage of the backups is full",
        "Back up now",
    ):
        assert text in page
    assert "Last proven restore" in page
    assert page.count("none yet") == 0
    assert "data-backup-progress" not in page


def test_the_button_queues_one_backup_and_is_recorded(admin_client, admin, backups):
    page = admin_client.post(NOW, follow=True)
    assert "The backup is queued" in page.text
    assert f'data-backup-progress="{PROGRESS}"' in page.text
    assert "Back up now" not in page.text
    backup = Backup.objects.get()
    assert (backup.state, backup.kind, backup.requested_by) == ("queued", "by_hand", admin)
    event = AccessEvent.objects.get(action="create")
    assert (event.actor, event.object_type) == (admin, "operations.backup")
    assert event.object_id == str(backup.pk)
    assert "A backup is being made already" in admin_client.post(NOW, follow=True).text
    assert Backup.objects.count() == 1


def test_without_keys_the_page_says_so(admin_client, settings):
    settings.BACKUP_KEYS = []
    page = admin_client.get(LIST).text
    assert "Backups are off" in page
    assert "Back up now" not in page
    assert "BACKUP_KEYS is not set" in admin_client.post(NOW, follow=True).text
    assert not Backup.objects.exists()


def test_a_get_starts_nothing(admin_client, backups):
    assert admin_client.get(NOW).status_code == 405
    assert admin_client.post(PROGRESS).status_code == 405
    assert not Backup.objects.exists()


def test_a_form_from_elsewhere_starts_nothing(admin, backups):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(admin)
    assert client.post(NOW).status_code == 403
    assert not Backup.objects.exists()


def test_who_may_see_may_not_start(client_for, backups):
    viewer = AdminFactory(is_superuser=False)
    client = client_for(viewer)
    for url in (LIST, PROGRESS):
        assert client.get(url).status_code == 403
    viewer.user_permissions.add(Permission.objects.get(codename="view_backup"))
    assert "Back up now" not in client.get(LIST).text
    assert client.get(PROGRESS).json()["running"] is False
    assert client.post(NOW).status_code == 403
    assert not Backup.objects.exists()
    viewer.user_permissions.add(Permission.objects.get(codename="add_backup"))
    assert "Back up now" in client.get(LIST).text
    client.post(NOW)
    assert Backup.objects.count() == 1


def test_doctors_and_strangers_start_nothing(client, doctor_client, backups):
    for someone in (client, doctor_client):
        for answer in (someone.post(NOW), someone.get(LIST), someone.get(PROGRESS)):
            assert answer.status_code in (302, 403)
    assert not Backup.objects.exists()


def test_progress(admin_client, backups):
    made(unfinished=True, state="running", step="files", step_done=3, step_total=12)
    facts = {"running": True, "state": "running", "step": "files", "done": 3, "total": 12}
    assert admin_client.get(PROGRESS).json() == facts


def test_nobody_changes_a_backup(admin_client, backups):
    backup = made()
    page = admin_client.get(reverse("admin:operations_backup_change", args=[backup.pk]))
    assert "patients.patient: 7" in page.text
    for name in ("change", "delete"):
        url = reverse(f"admin:operations_backup_{name}", args=[backup.pk])
        assert admin_client.post(url, {"post": "yes", "state": "failed"}).status_code == 403
    assert admin_client.get(reverse("admin:operations_backup_add")).status_code == 403
    assert Backup.objects.get().state == "done"


def test_drills(admin_client, backups):
    drill = RestoreDrill.objects.create(
        state="failed", backup="x", error_code="backup_part_missing", error_params={"part": "ab12"}
    )
    page = admin_client.get(reverse("admin:operations_restoredrill_changelist"))
    assert "its part ab12 is missing" in page.text
    page = admin_client.get(reverse("admin:operations_restoredrill_change", args=[drill.pk]))
    assert "backup_part_missing" in page.text


def test_queries_do_not_grow_with_the_list(admin_client, admin, backups, django_assert_num_queries):
    for _ in range(5):
        made(requested_by=admin)
    admin_client.get(LIST)
    # Session, account, count, page; newest good, last proven, running.
    with django_assert_num_queries(7):
        admin_client.get(LIST)


def test_durations():
    assert [duration_text(s) for s in (0.04, 9.9, 10, 65, 3725)] == [
        "0.0 s",
        "9.9 s",
        "0:00:10",
        "0:01:05",
        "1:02:05",
    ]
