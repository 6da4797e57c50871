"""Who a request comes from, what the log says of it, and what may keep its answer."""

import json
import logging
import uuid

import pytest
import structlog
from django.http import Http404, HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path

from operations.middleware import TrustedProxyMiddleware
from pneumoniapp import logs
from pneumoniapp.settings.environment import networks


def fail(request):
    raise ValueError(request.GET["q"])


def missing(request, key):
    raise Http404(f"no {key}")


urlpatterns = [
    path("", include("operations.urls")),
    path("plain/", lambda request: HttpResponse("ok")),
    path("kept/", lambda request: HttpResponse(headers={"Cache-Control": "max-age=60"})),
    path("things/<uuid:pk>/", lambda request, pk: HttpResponse("ok")),
    path("reset/<str:key>/", missing),
    path("fail/", fail),
]


def address_of(settings, trusted, remote, **headers):
    settings.TRUSTED_PROXIES = networks(trusted)
    request = RequestFactory().get("/", REMOTE_ADDR=remote, **headers)
    TrustedProxyMiddleware(lambda request: HttpResponse())(request)
    return request


@pytest.mark.parametrize(
    ("trusted", "remote", "forwarded", "expected"),
    [
        ([], "198.51.100.9", "203.0.113.5", "198.51.100.9"),
        (["10.0.0.0/8"], "198.51.100.9", "203.0.113.5", "198.51.100.9"),
        (["10.0.0.0/8"], "10.0.0.1", "203.0.113.5", "203.0.113.5"),
        # What the client itself wrote stands to the left and is not believed.
        (["10.0.0.0/8"], "10.0.0.1", "1.2.3.4, 203.0.113.5", "203.0.113.5"),
        (["10.0.0.0/8"], "10.0.0.1", "1.2.3.4, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        (["10.0.0.0/8"], "10.0.0.1", "203.0.113.5, nonsense", "10.0.0.1"),
        (["10.0.0.0/8"], "10.0.0.1", "", "10.0.0.1"),
        (["10.0.0.0/8"], "10.0.0.1", "10.0.0.3", "10.0.0.3"),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", "203.0.113.5", "203.0.113.5"),
        (["fd00::/8"], "fd00::1", "2001:db8::5", "2001:db8::5"),
        # gunicorn behind a Unix socket gives no address.
        (["127.0.0.1"], "", "203.0.113.5", "203.0.113.5"),
        ([], "", "203.0.113.5", ""),
    ],
)
def test_the_clients_address(settings, trusted, remote, forwarded, expected):
    request = address_of(settings, trusted, remote, HTTP_X_FORWARDED_FOR=forwarded)
    assert request.META["REMOTE_ADDR"] == expected
    assert "HTTP_X_FORWARDED_FOR" not in request.META


@pytest.mark.parametrize(("remote", "secure"), [("10.0.0.1", True), ("198.51.100.9", False)])
def test_https_is_believed_from_a_trusted_proxy_alone(settings, remote, secure):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    request = address_of(settings, ["10.0.0.0/8"], remote, HTTP_X_FORWARDED_PROTO="https")
    assert request.is_secure() is secure


def test_nothing_is_kept_unless_the_view_says_so(settings):
    settings.ROOT_URLCONF = __name__
    client = Client()
    plain = client.get("/plain/")
    assert plain.headers["Cache-Control"] == "private, no-store"
    assert "camera=()" in plain.headers["Permissions-Policy"]
    assert client.get("/kept/").headers["Cache-Control"] == "max-age=60"


@pytest.fixture
def lines(settings):
    """What is logged meanwhile, as the JSON objects of production."""
    settings.ROOT_URLCONF = __name__
    config = logs.configure(json=True, level="INFO")
    formatter = structlog.stdlib.ProcessorFormatter(
        **{k: v for k, v in config["formatters"]["line"].items() if k != "()"}
    )
    written = []

    class Keep(logging.Handler):
        def emit(self, record):
            written.append(json.loads(formatter.format(record)))

    handler, root = Keep(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def test_one_line_a_request_with_its_id_and_the_keys(lines):
    key = uuid.uuid4()
    response = Client().get(f"/things/{key}/?q=secret")
    (line,) = lines
    assert line["request"] == "GET things/<uuid:pk>/"
    assert (line["code"], line["pk"], line["level"]) == (200, str(key), "info")
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert line["duration_ms"] >= 0
    assert "secret" not in json.dumps(line)


def test_secrets_in_an_address_are_not_logged(lines):
    Client().get("/reset/geheim/")
    Client().get("/unknown/geheim/")
    assert [line["request"] for line in lines] == ["GET reset/<str:key>/", "GET (no route)"]
    assert "geheim" not in json.dumps(lines)


def test_the_text_of_a_foreign_exception_is_not_logged(lines):
    Client(raise_request_exception=False).get("/fail/?q=Jeanne+Dupont")
    (line,) = lines
    assert (line["event"], line["level"]) == ("request_failed", "error")
    assert "in fail" in line["exception"]
    assert "ValueError" in line["exception"]
    assert "Dupont" not in json.dumps(line)


def test_probes_are_not_logged(lines):
    Client().get("/health/live")
    assert lines == []
