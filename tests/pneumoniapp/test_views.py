"""The landing page and the pages that say that something went wrong."""

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest
from django.urls import path, reverse

from pneumoniapp import urls
from tests.radiology.factories import RadiographFactory

pytestmark = pytest.mark.django_db


def refuse(request: HttpRequest):
    raise PermissionDenied


def suspect(request: HttpRequest):
    raise SuspiciousOperation


def fail(request: HttpRequest):
    raise RuntimeError("an identifier that must not be shown")


handler400, handler403, handler404, handler500 = (
    urls.handler400,
    urls.handler403,
    urls.handler404,
    urls.handler500,
)
urlpatterns = [
    *urls.urlpatterns,
    path("refuse/", refuse),
    path("suspect/", suspect),
    path("fail/", fail),
]


def test_a_visitor_sees_what_this_is_and_is_not(client):
    page = client.get("/")
    assert page.status_code == 200
    assert reverse("account_signup") in page.text
    assert "not a medical device" in page.text


def test_whoever_is_signed_in_begins_at_work(doctor, doctor_client, admin_client, other_doctor):
    RadiographFactory(patient__owner=other_doctor)
    assert doctor_client.get("/").url == reverse("inference:list")
    RadiographFactory(patient__owner=doctor)
    assert doctor_client.get("/").url == reverse("inference:worklist")
    assert admin_client.get("/", follow=True).redirect_chain[-1][0] == reverse("admin:index")


@pytest.mark.parametrize(
    ("address", "status", "heading"),
    [
        ("/nothing/here/", 404, "Page not found"),
        ("/refuse/", 403, "Not allowed"),
        ("/suspect/", 400, "Request not understood"),
        ("/fail/", 500, "Something went wrong"),
    ],
)
@pytest.mark.urls(__name__)
def test_each_error_has_a_page_of_its_own(client, address, status, heading):
    client.raise_request_exception = False
    response = client.get(address)
    assert response.status_code == status
    assert f"<h1>{heading}</h1>" in response.text
    assert "must not be shown" not in response.text


@pytest.mark.urls(__name__)
def test_the_page_of_a_server_error_asks_nothing_of_what_may_have_failed(
    client, django_assert_num_queries
):
    client.raise_request_exception = False
    with django_assert_num_queries(0):
        assert client.get("/fail/").status_code == 500


def test_pages_carry_the_policy_and_nothing_inline(client, doctor_client):
    for page in (client.get("/"), doctor_client.get(reverse("inference:new"))):
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        for forbidden in (" style=", " onclick=", " onload=", "<style", "<script>"):
            assert forbidden not in page.text


def test_the_icon_is_there_for_pages_that_name_none(client):
    assert client.get("/favicon.ico").url.endswith("icon.svg")


@pytest.mark.parametrize(("language", "words"), [("en", "Too much at once"), ("fr", "error-page")])
def test_too_large_a_form_is_said_to_be_too_large(client, settings, language, words):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    body = "login=" + "x" * 200
    response = client.post(
        "/accounts/login/",
        body,
        headers={"accept-language": language},
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 413
    assert words in response.content.decode()
    assert "request_too_large" in response.content.decode()
