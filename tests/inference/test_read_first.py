"""Read first, reveal after: what the model says is kept until the doctor has judged."""

import csv
import io
from datetime import timedelta
from urllib.parse import unquote

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.services import doctor_update
from inference.errors import ReadingShownError, ReadingWithheldError
from inference.models import Analysis, Review
from inference.selectors import reading_get
from inference.services import review_before_reading, review_create
from tests.accounts.factories import AdminFactory, DoctorFactory, token_for
from tests.inference.factories import AnalysisFactory
from tests.radiology.factories import dicom_bytes

pytestmark = pytest.mark.django_db

WORKLIST, LIST = reverse("inference:worklist"), reverse("inference:list")


@pytest.fixture
def doctor(doctor):
    """A doctor who has read first since before the readings of these tests."""
    return doctor_update(doctor=doctor, by=doctor, read_first=True)


def made(patient, **fields):
    values = {"p_normal": 0.104, "p_lung_opacity": 0.76, "p_not_normal": 0.136} | fields
    analysis = AnalysisFactory(radiograph__patient=patient, **values)
    analysis.map.save("map.png", ContentFile(b"\x89PNG"))
    analysis.radiograph.preview.save("preview.jpg", ContentFile(b"\xff\xd8\xff"))
    return analysis


@pytest.fixture
def analysis(patient):
    return made(patient)


@pytest.fixture
def api(doctor):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {token_for(doctor)}")
    return client


def page_url(analysis):
    return reverse("inference:reading", args=[analysis.radiograph_id])


def review_url(analysis):
    return reverse("inference:review", args=[analysis.pk])


def places(analysis) -> dict[str, str]:
    """Every page and fragment that shows a reading."""
    radiograph, patient = analysis.radiograph_id, analysis.radiograph.patient_id
    return {
        "reading": page_url(analysis),
        "viewer": reverse("inference:viewer", args=[radiograph]),
        "status": reverse("inference:status", args=[radiograph]) + "?shown=queued",
        "result": reverse("inference:result", args=[radiograph]) + "?shown=queued",
        "worklist": WORKLIST,
        "list": LIST,
        "patient": reverse("patients:detail", args=[patient]),
    }


def without_forms(html: str) -> str:
    """The page without the choices of its forms, which name every class and certainty."""
    without = html
    for tag in ("select", "form"):
        while f"<{tag}" in without:
            start = without.index(f"<{tag}")
            end = without.index(f"</{tag}>", start) + len(tag) + 3
            without = without[:start] + without[end:]
    return without


@pytest.mark.parametrize(
    "place", ["reading", "viewer", "status", "result", "worklist", "list", "patient"]
)
def test_no_page_tells_before_the_doctor_has_judged(doctor_client, doctor, analysis, place):
    url = places(analysis)[place]
    # A time in an address would hold "14%3A" at a quarter past.
    before = without_forms(unquote(doctor_client.get(url).text))
    for word in ("Lung opacity", "76%<", "10%<", "14%<", "High", "map.png"):
        assert word not in before
    review_before_reading(analysis=analysis, doctor=doctor, label="normal")
    if place == "worklist":
        url += "?judgement=all"
    after = doctor_client.get(url).text
    assert ("map.png" if place == "viewer" else "76%") in after


def test_nor_does_an_older_reading_of_the_same_radiograph(doctor_client, doctor, analysis):
    older = AnalysisFactory(radiograph=analysis.radiograph, is_current=None)
    rows = Analysis.objects.visible_to(doctor)
    assert [row.withheld for row in rows] == [True, True]
    review_before_reading(analysis=older, doctor=doctor, label="normal")
    assert [row.withheld for row in rows.all()] == [False, False]


def test_a_class_counts_as_unseen_only_if_no_reading_was_ever_shown(doctor, analysis):
    """Nor one of another version, before the doctor began to read first."""
    AnalysisFactory(
        radiograph=analysis.radiograph,
        is_current=None,
        finished_at=doctor.read_first_since - timedelta(days=1),
    )
    review = review_before_reading(analysis=analysis, doctor=doctor, label="normal")
    assert not review.before_reading


def test_a_class_counts_as_unseen_with_an_older_reading_that_was_withheld_too(doctor, analysis):
    AnalysisFactory(
        radiograph=analysis.radiograph, is_current=None, finished_at=analysis.finished_at
    )
    review = review_before_reading(analysis=analysis, doctor=doctor, label="normal")
    assert review.before_reading


def test_the_map_and_the_report_are_withheld(doctor_client, doctor, analysis):
    map_url = reverse("inference:map", args=[analysis.pk])
    report_url = reverse("inference:report", args=[analysis.radiograph_id])
    assert doctor_client.get(map_url).status_code == 404
    refused = doctor_client.get(report_url)
    assert refused.status_code == 409
    assert "reading_withheld" in refused.text
    review_before_reading(analysis=analysis, doctor=doctor, label="normal")
    assert doctor_client.get(map_url).getvalue() == b"\x89PNG"
    assert doctor_client.get(report_url).status_code == 200


def test_the_patients_report_leaves_the_reading_out(doctor_client, doctor, analysis):
    from pypdf import PdfReader

    url = reverse("inference:patient_report", args=[analysis.radiograph.patient_id])

    def text() -> str:
        pages = PdfReader(io.BytesIO(doctor_client.get(url).content)).pages
        return " ".join(" ".join(page.extract_text() for page in pages).split())

    assert "76%" not in text()
    assert "Not shown before" in text()
    review_before_reading(analysis=analysis, doctor=doctor, label="normal")
    assert "76%" in text()


def test_the_export_leaves_the_reading_out(doctor_client, doctor, analysis):
    def row() -> list[str]:
        response = doctor_client.post(
            reverse("inference:worklist_export"), {"what": "all", "place": "judgement=all"}
        )
        return list(csv.reader(io.StringIO(response.getvalue().decode("utf-8-sig"))))[1]

    assert not {"Lung opacity", "0.7600", "High"} & set(row())
    review_before_reading(analysis=analysis, doctor=doctor, label="normal")
    assert {"Lung opacity", "0.7600", "High"} <= set(row())


def test_the_api_keeps_it_as_well(api, doctor, analysis):
    def seen() -> list[dict]:
        radiograph = api.get(f"/api/v1/radiographs/{analysis.radiograph_id}/").json()
        return [
            api.get(f"/api/v1/analyses/{analysis.pk}/").json(),
            api.get("/api/v1/analyses/").json()["results"][0],
            radiograph["analysis"],
            api.get("/api/v1/radiographs/").json()["results"][0]["analysis"],
        ]

    names = ("label", "probabilities", "certainty", "prediction_set", "typical", "map")
    for found in seen():
        assert found["withheld"] is True
        assert {found[name] for name in names} == {None}
    assert api.get(f"/api/v1/analyses/{analysis.pk}/map/").status_code == 404
    refused = api.post(f"/api/v1/analyses/{analysis.pk}/reviews/", {"verdict": "approved"})
    assert (refused.status_code, refused.json()["code"]) == (409, "reading_withheld")
    given = api.post(f"/api/v1/analyses/{analysis.pk}/reviews/", {"label": "lung_opacity"})
    assert given.status_code == 201
    assert (given.json()["verdict"], given.json()["before_reading"]) == ("approved", True)
    for found in seen():
        assert found["withheld"] is False
        assert found["label"] == "lung_opacity"
        assert found["map"]
    again = api.post(f"/api/v1/analyses/{analysis.pk}/reviews/", {"label": "lung_opacity"})
    assert (again.status_code, again.json()["code"]) == (409, "reading_shown")


@pytest.mark.parametrize(
    "body", [{}, {"comment": "x"}, {"label": "normal", "reason": "artefact"}, {"label": "rib"}]
)
def test_the_api_refuses_half_a_judgement(api, analysis, body):
    assert api.post(f"/api/v1/analyses/{analysis.pk}/reviews/", body).status_code == 400
    assert not Review.objects.exists()


@pytest.mark.parametrize("query", ["label=lung_opacity", "certainty=high"])
def test_to_search_is_no_way_round(doctor_client, api, doctor, analysis, query):
    row = f"{analysis.radiograph_id}"
    news = reverse("inference:worklist_news")
    for url in (LIST, f"{WORKLIST}?judgement=all&x=1"):
        joint = "&" if "?" in url else "?"
        assert f"/radiographs/{row}/" not in doctor_client.get(f"{url}{joint}{query}").text
    assert doctor_client.get(f"{news}?judgement=all&{query}").status_code == 204
    for name in ("radiographs", "analyses"):
        assert api.get(f"/api/v1/{name}/?{query}").json()["results"] == []
    review_before_reading(analysis=analysis, doctor=doctor, label="normal")
    assert f"/radiographs/{row}/" in doctor_client.get(f"{LIST}?{query}").text
    assert f"/radiographs/{row}/" in doctor_client.get(f"{WORKLIST}?judgement=all&{query}").text
    assert doctor_client.get(f"{news}?judgement=all&{query}").status_code == 200
    for name in ("radiographs", "analyses"):
        assert len(api.get(f"/api/v1/{name}/?{query}").json()["results"]) == 1


def test_the_order_of_the_worklist_tells_nothing(doctor_client, doctor, patient):
    first = made(patient, p_lung_opacity=0.01, p_normal=0.98, label="normal")
    second = made(patient)
    page = doctor_client.get(WORKLIST).text
    assert page.index(f"row-{first.radiograph_id}") < page.index(f"row-{second.radiograph_id}")
    doctor_update(doctor=doctor, by=doctor, read_first=False)
    page = doctor_client.get(WORKLIST).text
    assert page.index(f"row-{second.radiograph_id}") < page.index(f"row-{first.radiograph_id}")


def test_the_pages_of_a_worklist_in_order_of_arrival_follow_each_other(doctor_client, patient):
    rows = [made(patient) for _number in range(30)]
    first = doctor_client.get(WORKLIST)
    after = first.context["page"].after
    second = doctor_client.get(f"{WORKLIST}?after={after}")
    shown = [row.radiograph_id for page in (first, second) for row in page.context["page"]]
    assert shown == [row.radiograph_id for row in rows]
    back = doctor_client.get(f"{WORKLIST}?before={second.context['page'].before}")
    assert [row.pk for row in back.context["page"]] == [row.pk for row in first.context["page"]]


def test_nothing_is_approved_that_was_not_seen(doctor_client, doctor, analysis):
    url = reverse("inference:worklist_approve", args=[analysis.pk])
    response = doctor_client.post(url, headers={"hx-request": "true"})
    assert "once you have recorded your own class" in response.text
    with pytest.raises(ReadingWithheldError):
        review_create(analysis=analysis, doctor=doctor, verdict="approved")
    assert not Review.objects.exists()


def test_a_file_that_is_sent_twice_tells_nothing(api, patient, broker):
    content = dicom_bytes()

    def send() -> dict:
        body = {"file": SimpleUploadedFile("image.dcm", content), "patient": str(patient.pk)}
        return api.post("/api/v1/radiographs/", body, format="multipart").json()

    sent = send()
    Analysis.objects.update(
        status="done", label="normal", certainty="high", finished_at=timezone.now()
    )
    again = send()
    assert again["id"] == sent["id"]
    assert (again["analysis"]["withheld"], again["analysis"]["label"]) == (True, None)


# --- The class of one's own ----------------------------------------------------------------


def test_a_doctor_says_what_they_see_and_sees_the_reading(doctor_client, doctor, analysis):
    page = doctor_client.get(page_url(analysis)).text
    assert "First say what you see" in page
    assert "will not count" not in page
    response = doctor_client.post(review_url(analysis), {"label": "normal"})
    assert response.url == page_url(analysis)
    review = Review.objects.get()
    assert (review.verdict, review.label, review.reason) == ("contested", "normal", "")
    assert review.before_reading
    analysis.refresh_from_db()
    assert analysis.judgement == "contested"
    page = doctor_client.get(page_url(analysis)).text
    assert "you saw “Normal”" in page
    assert '<option value="normal" selected>' in page
    assert "before the reading was shown" in page
    # To keep it is to say why; the first judgement stays in the history.
    doctor_client.post(
        review_url(analysis), {"verdict": "contested", "label": "normal", "reason": "artefact"}
    )
    kept = Review.objects.order_by("created_at").values_list("before_reading", "reason")
    assert list(kept) == [(True, ""), (False, "artefact")]
    assert "you saw “Normal”" not in doctor_client.get(page_url(analysis)).text


def test_the_same_class_agrees(doctor_client, doctor, analysis):
    doctor_client.post(review_url(analysis), {"label": "lung_opacity"})
    assert Review.objects.get().verdict == "approved"


@pytest.mark.parametrize("data", [{}, {"label": "rib"}, {"verdict": "approved"}])
def test_a_class_is_chosen(doctor_client, analysis, data):
    response = doctor_client.post(review_url(analysis), data)
    assert response.status_code == 422
    assert "76%" not in response.text
    assert not Review.objects.exists()


def test_what_may_have_been_seen_does_not_count_as_unseen(doctor_client, doctor, patient):
    analysis = made(patient, finished_at=doctor.read_first_since - timedelta(seconds=1))
    assert "will not count" in doctor_client.get(page_url(analysis)).text
    review = review_before_reading(analysis=analysis, doctor=doctor, label="normal")
    assert not review.before_reading


def test_to_turn_it_off_and_on_begins_anew(doctor, analysis):
    doctor = doctor_update(doctor=doctor, by=doctor, read_first=False)
    assert not reading_get(doctor, analysis.radiograph_id).withheld
    doctor = doctor_update(doctor=doctor, by=doctor, read_first=True)
    assert reading_get(doctor, analysis.radiograph_id).withheld
    review = review_before_reading(analysis=analysis, doctor=doctor, label="normal")
    assert not review.before_reading


def test_who_sees_the_reading_judges_it_as_ever(other_doctor, doctor, analysis):
    doctor = doctor_update(doctor=doctor, by=doctor, read_first=False)
    with pytest.raises(ReadingShownError):
        review_before_reading(analysis=analysis, doctor=doctor, label="normal")


def test_others_judgements_do_not_reveal_it(doctor, analysis):
    Review.objects.create(
        analysis=analysis, doctor=DoctorFactory(), verdict="approved", label="lung_opacity"
    )
    assert reading_get(doctor, analysis.radiograph_id).withheld


def test_a_withheld_row_is_never_stored(doctor, analysis):
    row = reading_get(doctor, analysis.radiograph_id)
    with pytest.raises(TypeError):
        row.save()
    analysis.refresh_from_db()
    assert analysis.label == "lung_opacity"


def test_administrators_and_doctors_who_do_not_read_first_see_all(analysis):
    assert not Analysis.objects.visible_to(AdminFactory()).get().withheld


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_what_is_not_read_is_not_withheld(doctor_client, doctor, patient, state):
    analysis = AnalysisFactory(radiograph__patient=patient, **{state: True})
    assert not reading_get(doctor, analysis.radiograph_id).withheld
    assert "First say" not in doctor_client.get(page_url(analysis)).text


@pytest.mark.parametrize("count", [1, 12])
def test_a_list_costs_one_query_more(
    doctor_client, doctor, patient, count, django_assert_num_queries
):
    for _number in range(count):
        made(patient)
    doctor_client.get(LIST)
    with django_assert_num_queries(7):
        doctor_client.get(LIST)


def test_the_mode_is_turned_on_in_the_account(doctor_client, doctor):
    page = doctor_client.get(reverse("accounts:account")).text
    assert 'name="read_first"' in page
    assert "Read first, reveal after" in page
