"""What gunicorn reads of a connection: one request is one request, and no larger than it may be.

Two servers that disagree where a request ends let one sender put words into another's mouth
(request smuggling). ``gunicorn.conf.py`` is read as it is.
"""

from __future__ import annotations

import logging
import runpy

import pytest
from django.conf import settings
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.http.errors import InvalidHeader, ParseException
from gunicorn.http.parser import RequestParser


@pytest.fixture(scope="module")
def server():
    application = WSGIApplication.__new__(WSGIApplication)
    application.usage = application.prog = None
    application.cfg = None
    application.load_default_config()
    application.load_config_from_file(str(settings.BASE_DIR / "gunicorn.conf.py"))
    return application.cfg


def parse(server, text: bytes) -> list[tuple[str, str, bytes]]:
    """(method, path, body) of every request in ``text``; raises what refuses it."""
    parser = RequestParser(server, iter([text]), ("127.0.0.1", 1))
    found = []
    for request in parser:
        found.append((request.method, request.path, request.body.read()))
    return found


def test_an_ordinary_request_is_read(server):
    text = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    assert parse(server, text) == [("POST", "/a", b"abc")]


HEAD = b"POST /a HTTP/1.1\r\nHost: a\r\n"
ODD = {
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 30\r\n\r\nabc",
    "length and chunks": HEAD
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n",
    "a sign before the length": HEAD + b"Content-Length: +3\r\n\r\nabc",
    "a length in hexadecimal": HEAD + b"Content-Length: 0x3\r\n\r\nabc",
    "chunked, and something else": HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "unknown encoding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "space before the colon": HEAD + b"Content-Length : 3\r\n\r\nabc",
    "a folded line": HEAD + b"X-A: b\r\n Content-Length: 3\r\n\r\nabc",
    "a line feed alone": HEAD + b"X-A: b\nContent-Length: 3\r\n\r\nabc",
    "a null": HEAD + b"X-A: b\0c\r\n\r\n",
    "a space in the method": b"PO ST /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "no version": b"GET /a\r\nHost: a\r\n\r\n",
    "a version that is none": b"GET /a HTTP/9.9\r\nHost: a\r\n\r\n",
    "an endless address": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "an endless header": HEAD + b"X-A: " + b"a" * 20_000 + b"\r\n\r\n",
    "endless headers": HEAD + b"".join(b"X-%d: a\r\n" % n for n in range(500)) + b"\r\n",
}


@pytest.mark.parametrize("what", ODD)
def test_what_could_be_read_in_two_ways_is_refused(server, what):
    with pytest.raises((ParseException, InvalidHeader)):
        parse(server, ODD[what])


def test_headers_with_an_underscore_do_not_stand_for_others(server):
    """A proxy that guards ``X-Forwarded-For`` lets ``X_Forwarded_For`` pass."""
    text = HEAD + b"X_Forwarded_For: 1.2.3.4\r\nContent-Length: 0\r\n\r\n"
    (request,) = RequestParser(server, iter([text]), ("127.0.0.1", 1))
    assert [name for name, _value in request.headers] == ["HOST", "CONTENT-LENGTH"]


def test_no_proxy_is_believed_by_gunicorn_itself(server):
    assert server.forwarded_allow_ips == []
    assert server.secure_scheme_headers == {}
    assert server.proxy_protocol in (False, "off")
    assert server.limit_request_line <= 8190
    assert server.limit_request_fields <= 100
    assert 0 < server.limit_request_field_size <= 8190
    assert not server.permit_unconventional_http_method
    assert not server.permit_obsolete_folding
    assert server.header_map == "drop"


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("Invalid request from ip=192.0.2.7: Invalid HTTP Version: 'GET /?q=Jeanne'", "192.0.2.7"),
        ("Invalid request from ip=2001:db8::7: Invalid chunk size: b'Jeanne'", "2001:db8::7"),
        ("Invalid request from ip=: Invalid Method 'Jeanne: Dupont'", ""),
    ],
)
def test_what_could_not_be_read_is_not_quoted_in_the_log(said, written, monkeypatch, tmp_path):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    kept = runpy.run_path(str(settings.BASE_DIR / "gunicorn.conf.py"))["_WithoutAddress"]()
    record = logging.LogRecord("gunicorn.error", logging.WARNING, "", 1, said, (), None)
    assert kept.filter(record)
    assert record.getMessage() == f"Invalid request from ip={written}"
