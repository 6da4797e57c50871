"""Reviews, selectors, health and the admin."""

from __future__ import annotations

import threading
from importlib import import_module
from itertools import permutations

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from inference import health
from inference.errors import (
    AnalysisNotDoneError,
    ReviewLabelMismatchError,
    ReviewReasonMismatchError,
)
from inference.forms import ReviewForm
from inference.models import LABELS, Analysis, ModelVersion, Review
from inference.review_services import reasons_for
from inference.selectors import (
    analysis_get,
    analysis_reviews,
    patient_readings,
    reading_get,
    readings_list,
)
from inference.services import model_register, review_create
from operations.health import run_checks
from operations.models import AccessEvent
from pneumoniapp.errors import CodedError
from tests.accounts.factories import AdminFactory
from tests.inference.factories import AnalysisFactory, ModelVersionFactory
from tests.radiology.factories import RadiographFactory

pytestmark = pytest.mark.django_db


def test_a_doctor_approves_then_contests():
    analysis = AnalysisFactory(label="lung_opacity")
    doctor = analysis.requested_by
    first = review_create(analysis=analysis, doctor=doctor, verdict="approved")
    assert first.label == "lung_opacity"
    second = review_create(
        analysis=analysis,
        doctor=doctor,
        verdict="contested",
        label="normal",
        reason="not_pneumonia",
        comment=" a rib ",
    )
    assert (second.label, second.comment) == ("normal", "a rib")
    assert [(one, one.is_current) for one in analysis_reviews(analysis, doctor)] == [
        (second, True),
        (first, None),
    ]
    assert AccessEvent.objects.filter(actor=doctor, action="create").count() == 2


@pytest.mark.parametrize(
    ("verdict", "label"),
    [("approved", "normal"), ("contested", "lung_opacity"), ("contested", "")],
)
def test_a_review_that_contradicts_itself_is_refused(verdict, label):
    analysis = AnalysisFactory(label="lung_opacity")
    with pytest.raises((ReviewLabelMismatchError, ValidationError)):
        review_create(analysis=analysis, doctor=analysis.requested_by, verdict=verdict, label=label)
    assert not Review.objects.exists()


@pytest.mark.parametrize(
    "values",
    [
        {"verdict": "perhaps", "label": "normal"},
        {"verdict": "contested", "label": "rib", "reason": "other", "comment": "x"},
        {"verdict": "contested", "label": "normal", "reason": "mood"},
        {"verdict": "approved", "comment": "x" * 2001},
    ],
)
def test_a_review_with_wrong_values_is_refused(values):
    analysis = AnalysisFactory(label="lung_opacity")
    with pytest.raises(ValidationError):
        review_create(analysis=analysis, doctor=analysis.requested_by, **values)


@pytest.mark.parametrize(
    ("read", "values", "code"),
    [
        ("normal", {"label": "not_normal"}, "review_reason_missing"),
        ("normal", {"label": "not_normal", "reason": "missed_opacity"}, "review_reason_mismatch"),
        ("normal", {"label": "not_normal", "reason": "not_pneumonia"}, "review_reason_mismatch"),
        ("lung_opacity", {"label": "normal", "reason": "missed_opacity"}, "review_reason_mismatch"),
        ("normal", {"label": "not_normal", "reason": "other"}, "review_comment_missing"),
        (
            "normal",
            {"label": "not_normal", "reason": "other", "comment": " \n"},
            "review_comment_missing",
        ),
        ("normal", {"verdict": "approved", "reason": "artefact"}, "review_reason_unexpected"),
    ],
)
def test_a_reason_that_does_not_fit_is_refused(read, values, code):
    analysis = AnalysisFactory(label=read)
    with pytest.raises(CodedError) as refusal:
        review_create(
            analysis=analysis, doctor=analysis.requested_by, **({"verdict": "contested"} | values)
        )
    assert refusal.value.code == code
    assert not Review.objects.exists()


@pytest.mark.parametrize("reason", Review.Reason.values)
@pytest.mark.parametrize(("read", "right"), list(permutations(LABELS, 2)))
def test_every_reason_is_taken_where_the_form_offers_it(read, right, reason):
    analysis = AnalysisFactory(label=read)
    values = {"verdict": "contested", "label": right, "reason": reason, "comment": "Seen."}
    if reason not in reasons_for(read, right):
        with pytest.raises(ReviewReasonMismatchError):
            review_create(analysis=analysis, doctor=analysis.requested_by, **values)
        return
    review_create(analysis=analysis, doctor=analysis.requested_by, **values)
    assert reason in [
        value for value, _name in ReviewForm(analysis=analysis)["reason"].field.choices
    ]


def test_each_doctor_has_one_judgement_that_counts(other_doctor):
    analysis = AnalysisFactory(label="lung_opacity")
    doctor = analysis.requested_by
    for who in (doctor, other_doctor, doctor):
        review_create(analysis=analysis, doctor=who, verdict="approved")
    counting = Review.objects.filter(is_current=True).values_list("doctor", flat=True)
    assert sorted(counting) == sorted([doctor.pk, other_doctor.pk])
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.create(analysis=analysis, doctor=doctor, verdict="approved", label="normal")


@pytest.mark.django_db(transaction=True)
def test_of_judgements_made_at_once_one_counts_and_none_is_lost():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory refuses a second writer at once instead of letting it wait")
    analysis = AnalysisFactory(label="lung_opacity")
    doctor = analysis.requested_by
    together = threading.Barrier(4)
    failures = []

    def judge(number: int) -> None:
        values = (
            {"verdict": "contested", "label": "normal", "reason": "artefact"}
            if number % 2
            else {"verdict": "approved"}
        )
        try:
            together.wait(10)
            review_create(analysis=analysis, doctor=doctor, **values)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    assert Review.objects.count() == 4
    analysis.refresh_from_db()
    newest = Review.objects.order_by("-created_at").first()
    assert Review.objects.get(is_current=True) == newest
    assert analysis.judgement == newest.verdict


def test_the_migration_marks_the_newest_judgement_of_each_doctor(other_doctor):
    analysis = AnalysisFactory()
    doctor = analysis.requested_by
    for who in (doctor, other_doctor, doctor):
        review_create(analysis=analysis, doctor=who, verdict="approved")
    wanted = set(Review.objects.filter(is_current=True))
    Review.objects.update(is_current=None)
    import_module("inference.migrations.0004_review_reason").mark_newest(apps, None)
    assert set(Review.objects.filter(is_current=True)) == wanted
    assert len(wanted) == 2


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_an_unfinished_analysis_is_not_reviewed(state):
    analysis = AnalysisFactory(**{state: True})
    with pytest.raises(AnalysisNotDoneError):
        review_create(analysis=analysis, doctor=analysis.requested_by, verdict="approved")


# --- Selectors ------------------------------------------------------------------------------


def test_readings_are_the_current_ones_of_the_doctors_own_patients(django_assert_num_queries):
    mine = AnalysisFactory()
    doctor = mine.radiograph.owner
    AnalysisFactory(radiograph=mine.radiograph, is_current=None)
    beside = AnalysisFactory(
        radiograph=RadiographFactory(patient=mine.radiograph.patient), queued=True
    )
    AnalysisFactory()
    with django_assert_num_queries(3):  # the page, its patients, its model versions
        found = list(readings_list(doctor))
        assert {(row.radiograph.patient.owner_id, str(row.model_version)) for row in found}
    assert set(found) == {mine, beside}
    assert set(patient_readings(doctor, mine.radiograph.patient)) == {mine, beside}


def test_another_doctors_reading_does_not_exist(other_doctor):
    analysis = AnalysisFactory()
    owner = analysis.radiograph.owner
    assert reading_get(owner, analysis.radiograph_id) == analysis
    assert analysis_get(owner, analysis.pk) == analysis
    with pytest.raises(Analysis.DoesNotExist):
        reading_get(other_doctor, analysis.radiograph_id)
    with pytest.raises(Analysis.DoesNotExist):
        analysis_get(other_doctor, analysis.pk)
    assert not patient_readings(other_doctor, analysis.radiograph.patient)


# --- Health ---------------------------------------------------------------------------------


def test_the_queue_is_unhealthy_when_nobody_takes_from_it(settings):
    assert health.queue()["ok"]
    AnalysisFactory(queued=True)
    assert health.queue()["ok"]
    settings.QUEUE_MAX_AGE = 1
    status = health.queue()
    assert not status["ok"]
    assert status["oldest_queued_seconds"] > 1


def test_the_model_is_unhealthy_until_its_weights_are_here(shipped):
    assert health.model() == {"ok": False, "model": None}
    ModelVersionFactory(in_production=True)
    assert not health.model()["ok"]
    ModelVersion.objects.update(in_production=None)
    version = model_register(directory=shipped, promote=True)
    assert health.model() == {"ok": True, "model": str(version)}


@pytest.mark.django_db(transaction=True)
def test_both_checks_are_registered():
    assert {"queue", "model"} <= set(run_checks()[1])


# --- Admin ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["modelversion", "promotion", "analysis", "review"])
def test_the_admin_shows_and_never_edits(admin_client, production, model):
    analysis = AnalysisFactory(model_version=production)
    review_create(analysis=analysis, doctor=analysis.requested_by, verdict="approved")
    rows = {
        "modelversion": production,
        "promotion": production.promotions.get(),
        "analysis": analysis,
        "review": analysis.reviews.get(),
    }
    listing = reverse(f"admin:inference_{model}_changelist")
    assert admin_client.get(listing).status_code == 200
    change = reverse(f"admin:inference_{model}_change", args=[rows[model].pk])
    assert admin_client.get(change).status_code == 200
    assert admin_client.post(change, {}).status_code == 403
    assert admin_client.get(reverse(f"admin:inference_{model}_add")).status_code == 403
    delete = reverse(f"admin:inference_{model}_delete", args=[rows[model].pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


def test_the_facts_of_a_version_are_legible(admin_client, production):
    change = reverse("admin:inference_modelversion_change", args=[production.pk])
    page = admin_client.get(change).text
    assert f"\n  &quot;version&quot;: &quot;{production.facts['version']}&quot;" in page


@pytest.mark.parametrize("rows", [1, 8])
def test_the_number_of_queries_of_the_list_does_not_grow(
    admin_client, rows, django_assert_max_num_queries
):
    AnalysisFactory.create_batch(rows)
    with django_assert_max_num_queries(5):
        admin_client.get(reverse("admin:inference_analysis_changelist"))


def test_the_list_of_the_admin_says_what_a_page_would(admin_client):
    made = {
        name: AnalysisFactory(**{name: True})
        for name in ("certain", "uncertain", "unlike", "failed")
    }
    page = admin_client.get(reverse("admin:inference_analysis_changelist"))
    rows = {row.pk: row for row in page.context["cl"].result_list}
    shown = {name: page.context["cl"].model_admin.finding(rows[a.pk]) for name, a in made.items()}
    assert shown == {
        "certain": "Lung opacity",
        "uncertain": "Lung opacity or Abnormal without opacity",
        "unlike": "-",
        "failed": "-",
    }
    address = reverse("admin:inference_analysis_changelist") + "?certainty__exact=unlike"
    found = admin_client.get(address).context["cl"].result_list
    assert [row.pk for row in found] == [made["unlike"].pk]


def act(client, model: str, action: str, *rows):
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(reverse(f"admin:inference_{model}_changelist"), data, follow=True)


def test_the_admin_queues_failed_readings_again(admin_client):
    failed, done = AnalysisFactory(failed=True), AnalysisFactory()
    answer = act(admin_client, "analysis", "requeue", failed, done)
    assert answer.status_code == 200
    assert len(answer.context["messages"]) == 2
    failed.refresh_from_db()
    done.refresh_from_db()
    assert failed.status == Analysis.Status.QUEUED
    assert done.status == Analysis.Status.DONE


def test_an_administrator_without_the_permission_changes_nothing(client_for):
    clerk = AdminFactory(is_superuser=False)
    names = ("view_analysis", "view_modelversion", "view_patient")
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    failed = AnalysisFactory(failed=True)
    version = ModelVersionFactory()
    client = client_for(clerk)
    act(client, "analysis", "requeue", failed)
    act(client, "modelversion", "promote", version)
    failed.refresh_from_db()
    version.refresh_from_db()
    assert failed.status == Analysis.Status.FAILED
    assert not version.in_production


def test_who_may_not_see_patients_sees_no_analysis_in_the_admin(client_for):
    clerk = AdminFactory(is_superuser=False)
    names = ("view_analysis", "change_analysis")
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    failed = AnalysisFactory(failed=True)
    client = client_for(clerk)
    change = reverse("admin:inference_analysis_change", args=[failed.pk])
    assert client.get(change).status_code == 302
    act(client, "analysis", "requeue", failed)
    failed.refresh_from_db()
    assert failed.status == Analysis.Status.FAILED


def test_the_admin_promotes_and_rolls_back(admin_client, admin, production, folder_like):
    second = model_register(directory=folder_like(version="t2"))
    act(admin_client, "modelversion", "promote", second)
    assert ModelVersion.objects.get(in_production=True) == second
    assert second.promotions.get().by == admin
    answer = act(admin_client, "modelversion", "promote", second, production)
    assert [message.level_tag for message in answer.context["messages"]] == ["error"]
    act(admin_client, "modelversion", "rollback", second)
    assert ModelVersion.objects.get(in_production=True) == production
    answer = act(admin_client, "modelversion", "rollback", second)
    assert [message.level_tag for message in answer.context["messages"]] == ["error"]


def test_looking_at_an_analysis_is_recorded(admin_client, admin):
    analysis = AnalysisFactory()
    admin_client.get(reverse("admin:inference_analysis_change", args=[analysis.pk]))
    event = AccessEvent.objects.get(actor=admin, action="read")
    assert event.object_id == str(analysis.pk)
