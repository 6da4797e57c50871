"""Analyses, reviews and model versions over REST."""

import pytest

from inference.models import Analysis, Review
from operations.models import AccessEvent
from tests.inference.factories import AnalysisFactory, ModelVersionFactory

from .problems import assert_problem

LIST, MODELS = "/api/v1/analyses/", "/api/v1/models/"
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"

pytestmark = pytest.mark.django_db


def address(analysis, tail: str = "") -> str:
    return f"{LIST}{getattr(analysis, 'pk', analysis)}/{tail}"


def ids(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


@pytest.fixture
def analysis(doctor):
    return AnalysisFactory(radiograph__patient__owner=doctor)


def test_list_with_replaced_ones_and_retrieve(api, analysis):
    older = AnalysisFactory(radiograph=analysis.radiograph, is_current=None)
    found = ids(api.get(LIST))
    assert sorted(found) == sorted([str(analysis.pk), str(older.pk)])
    body = api.get(address(older)).json()
    assert body["is_current"] is False
    assert body["radiograph"] == str(analysis.radiograph_id)
    assert AccessEvent.objects.filter(action="read", object_id=str(older.pk)).exists()


def test_filters(api, analysis, doctor, other_doctor):
    failed = AnalysisFactory(failed=True, radiograph__patient__owner=doctor)
    theirs = AnalysisFactory(radiograph__patient__owner=other_doctor)
    expected = {
        f"radiograph={analysis.radiograph_id}": [analysis],
        "status=failed": [failed],
        "label=lung_opacity&certainty=high": [analysis],
        "label=normal": [],
    }
    for query, analyses in expected.items():
        assert ids(api.get(f"{LIST}?{query}")) == [str(a.pk) for a in analyses], query
    for key in (theirs.radiograph_id, NOBODY):
        assert_problem(api.get(LIST, {"radiograph": key}), 404, "not_found")


def test_retry_of_a_failed_analysis(api, doctor):
    failed = AnalysisFactory(failed=True, radiograph__patient__owner=doctor)
    response = api.post(address(failed, "retry/"))
    assert response.status_code == 202
    assert (response.json()["status"], response.json()["error"]) == ("queued", None)
    assert_problem(api.post(address(failed, "retry/")), 409, "analysis_not_retriable")


def test_retry_of_a_finished_analysis_is_refused(api, analysis):
    assert_problem(api.post(address(analysis, "retry/")), 409, "analysis_not_retriable")


def test_reviews_are_added_and_never_changed(api, analysis, doctor):
    approved = api.post(address(analysis, "reviews/"), {"verdict": "approved"})
    assert approved.status_code == 201
    assert approved.json()["label"] == "lung_opacity"
    contested = api.post(
        address(analysis, "reviews/"),
        {
            "verdict": "contested",
            "label": "normal",
            "reason": "not_pneumonia",
            "comment": "An old scar.",
        },
    )
    assert contested.status_code == 201
    assert contested.json()["mine"] is True
    listed = api.get(address(analysis, "reviews/"))
    assert ids(listed) == [contested.json()["id"], approved.json()["id"]]
    found = [(row["reason"], row["is_current"]) for row in listed.json()["results"]]
    assert found == [("not_pneumonia", True), (None, False)]
    assert Review.objects.filter(doctor=doctor).count() == 2


@pytest.mark.parametrize(
    ("body", "status", "code", "errors"),
    [
        ({}, 400, "invalid", {"verdict": "required"}),
        ({"verdict": "maybe"}, 400, "invalid", {"verdict": "invalid_choice"}),
        (
            {"verdict": "contested", "label": "flu"},
            400,
            "invalid",
            {"label": "invalid_choice"},
        ),
        ({"verdict": "contested", "label": "lung_opacity"}, 409, "review_label_mismatch", {}),
        ({"verdict": "contested"}, 400, "invalid", {"label": "required"}),
        ({"verdict": "contested", "label": "normal"}, 400, "review_reason_missing", {}),
        (
            {"verdict": "contested", "label": "normal", "reason": "mood"},
            400,
            "invalid",
            {"reason": "invalid_choice"},
        ),
        (
            {"verdict": "contested", "label": "normal", "reason": "other", "comment": " "},
            400,
            "review_comment_missing",
            {},
        ),
        (
            {"verdict": "contested", "label": "normal", "reason": "missed_opacity"},
            409,
            "review_reason_mismatch",
            {},
        ),
        ({"verdict": "approved", "reason": "artefact"}, 400, "review_reason_unexpected", {}),
        ({"verdict": "approved", "label": "normal"}, 409, "review_label_mismatch", {}),
        ({"verdict": "approved", "comment": "a" * 2001}, 400, "invalid", {"comment": "max_length"}),
        ({"verdict": "approved", "comment": 1}, 400, "invalid", {"comment": "invalid"}),
        ({"verdict": "approved", "score": 1}, 400, "invalid", {"score": "unknown"}),
    ],
)
def test_a_wrong_review_is_refused(api, analysis, body, status, code, errors):
    response = api.post(address(analysis, "reviews/"), body)
    assert_problem(response, status, code, **errors)
    assert not Review.objects.exists()


@pytest.mark.parametrize("trait", ["unlike", "uncertain"])
def test_what_does_not_name_one_class_is_not_approved_without_saying_it(api, doctor, trait):
    analysis = AnalysisFactory(**{trait: True}, radiograph__patient__owner=doctor)
    response = api.post(address(analysis, "reviews/"), {"verdict": "approved"})
    assert_problem(response, 400, "review_label_missing")
    body = {"verdict": "approved", "label": analysis.label}
    assert api.post(address(analysis, "reviews/"), body).status_code == 201


def test_what_is_not_finished_can_not_be_reviewed(api, doctor):
    queued = AnalysisFactory(queued=True, radiograph__patient__owner=doctor)
    response = api.post(address(queued, "reviews/"), {"verdict": "approved"})
    assert_problem(response, 409, "analysis_not_done")


def test_another_doctors_analysis_looks_like_none(api, other_doctor):
    theirs = AnalysisFactory(failed=True, radiograph__patient__owner=other_doctor)
    for method, tail in (
        ("get", ""),
        ("get", "map/"),
        ("get", "reviews/"),
        ("post", "reviews/"),
        ("post", "retry/"),
    ):
        answers = [getattr(api, method)(address(key, tail)) for key in (theirs.pk, NOBODY)]
        assert_problem(answers[0], 404, "not_found")
        assert answers[0].content == answers[1].content
    assert ids(api.get(LIST)) == []
    assert Analysis.objects.get().status == "failed"
    events = AccessEvent.objects.filter(object_id=str(theirs.pk))
    assert set(events.values_list("action", flat=True)) <= {"refused"}


def test_lists_cost_the_same_for_any_number(api, doctor, django_assert_num_queries):
    AnalysisFactory(radiograph__patient__owner=doctor)
    # Token, keys, page, its patients and versions, access.
    with django_assert_num_queries(6):
        assert len(ids(api.get(LIST))) == 1
    for _ in range(4):
        AnalysisFactory(radiograph__patient__owner=doctor)
    with django_assert_num_queries(5):  # the same access is recorded once
        assert len(ids(api.get(LIST))) == 5
    with django_assert_num_queries(3):
        assert len(ids(api.get(MODELS))) == 1
    ModelVersionFactory.create_batch(5)
    with django_assert_num_queries(3):
        assert len(ids(api.get(MODELS))) == 6


def test_reviews_cost_the_same_for_any_number(api, analysis, django_assert_num_queries):
    url = address(analysis, "reviews/")
    for _ in range(3):
        api.post(url, {"verdict": "approved"})
    # Token, analysis, keys, page, access.
    with django_assert_num_queries(5):
        assert len(ids(api.get(url))) == 3


def test_models(api):
    old, new = ModelVersionFactory(), ModelVersionFactory(in_production=True)
    listed = {row["id"]: row for row in api.get(MODELS).json()["results"]}
    assert listed.keys() == {str(old.pk), str(new.pk)}
    body = api.get(f"{MODELS}{new.pk}/").json()
    assert body == listed[str(new.pk)]
    assert (body["name"], body["version"], body["in_production"]) == (new.name, new.version, True)
    assert listed[str(old.pk)]["in_production"] is False
    assert body["labels"] == ["normal", "lung_opacity", "not_normal"]
    assert body["metrics"]["test"]["macro_auroc"] == 0.88
    assert_problem(api.get(f"{MODELS}{NOBODY}/"), 404, "not_found")
    assert_problem(api.post(MODELS, {}), 405, "method_not_allowed")


def test_what_a_reading_claims(api, doctor):
    made = {
        name: AnalysisFactory(**{name: True}, radiograph__patient__owner=doctor)
        for name in ("certain", "uncertain", "unlike")
    }
    expected = {
        "certain": (["lung_opacity"], True),
        "uncertain": (["lung_opacity", "not_normal"], True),
        "unlike": (["normal"], False),
    }
    for name, analysis in made.items():
        body = api.get(address(analysis)).json()
        assert body["certainty"] == name
        assert (body["prediction_set"], body["typical"]) == expected[name]
        assert ids(api.get(f"{LIST}?certainty={name}")) == [str(analysis.pk)]
    older = api.get(address(AnalysisFactory(radiograph__patient__owner=doctor))).json()
    assert (older["prediction_set"], older["typical"]) == (None, None)


def test_a_version_tells_of_its_certainty(api, doctor):
    analysis = AnalysisFactory(certain=True, radiograph__patient__owner=doctor)
    body = api.get(f"/api/v1/models/{analysis.model_version_id}/").json()
    assert body["conformal"]["coverage"] == 0.9
    assert body["gate"]["threshold"] == 1.0
    assert set(body["triage"]) == {"rule_out", "rule_in"}
