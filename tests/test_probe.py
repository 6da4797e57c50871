"""``scripts/probe_pages.py`` finds what it looks for, in a server that does everything wrong."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from scripts import probe_pages
from scripts.probe_pages import HEADERS, Prober

GOOD = {
    "Content-Security-Policy": "default-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}
START = """<a href="/echo?q=1">a</a> <a href="/go?next=/">b</a> <a href="/fault?n=1">c</a>
<a href="/slow?n=1">d</a> <a href="/bare">e</a> <form method="post" action="/save">
<input name="text"></form>"""


class Careful(BaseHTTPRequestHandler):
    """Answers everything with a page that says nothing."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args) -> None:
        pass

    def answer(self, text: str = "", status: int = 200, **headers: str) -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", **GOOD, **headers}.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        known = self.path.partition("?")[0] == "/"
        self.answer(START if known else "", 200 if known else 404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(status=403)


class Careless(Careful):
    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        sent = parse_qs(parts.query, errors="replace")
        value = (sent.get("q") or sent.get("next") or sent.get("n") or [""])[0]
        if parts.path == "/":
            self.answer(START)
        elif parts.path == "/echo":
            cookie = {"Set-Cookie": "sessionid=1", "X-Pr0be": "1" if "\r\n" in value else ""}
            self.answer(f"<p>{value}{1337 * 1337 if '1337' in value else ''}", **cookie)
        elif parts.path == "/go":
            self.answer(status=302, Location=value if value.isprintable() else "/")
        elif parts.path == "/fault":
            self.answer("Traceback (most recent call last)", 500 if "'" in value else 200)
        elif parts.path == "/slow":
            time.sleep(0.3 if "SLEEP" in value else 0)
            self.answer()
        elif parts.path == "/bare":
            self.answer(**dict.fromkeys(GOOD, ""))
        elif parts.path == "/.env":
            self.answer("SECRET", **{"Content-Type": "text/plain"})
        else:
            self.answer(status=404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(parse_qs(body.decode("utf-8", "replace")).get("text", [""])[0])

    def do_TRACE(self) -> None:
        self.answer(str(self.headers))


@pytest.fixture
def probed(request, monkeypatch):
    monkeypatch.setattr(probe_pages, "SECONDS", 0.2)
    monkeypatch.setattr(probe_pages, "HEADERS", dict(list(HEADERS.items())[:2]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    prober = Prober(f"http://127.0.0.1:{server.server_port}", "nobody", httpx.Client)
    try:
        prober.run()
        yield prober
    finally:
        prober.client.close()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("probed", [Careless], indirect=True)
def test_every_kind_of_hole_is_found(probed):
    found = {(kind, what) for (kind, _, _), what in probed.holes.items()}
    for kind, part in (
        ("parameters", "gives markup back"),
        ("parameters", "calculates what it is sent"),
        ("parameters", "a header that was sent as a value"),
        ("parameters", "leads to https://evil.example/"),
        ("parameters", "500 to "),
        ("parameters", "tells of its inside: Traceback"),
        ("parameters", " s to '1) OR SLEEP"),
        ("parameters", "a cookie for other sites: sessionid"),
        ("parameters", "a session that scripts can read"),
        ("walk", "200 without content-security-policy"),
        ("form fields", "gives markup back"),
        ("paths", "given out as text/plain"),
        ("verbs", "answered 200"),
        ("verbs", "sends headers back"),
    ):
        assert any(kind == one and part in what for one, what in found), (kind, part)


@pytest.mark.parametrize("probed", [Careful], indirect=True)
def test_where_there_is_none_none_is_found(probed):
    # What this server's library says of odd verbs comes before its pages, as gunicorn's does.
    assert {where for (_, where, _) in probed.holes if not where.startswith("DEBUG")} == set()
    assert set(probed.asked) >= {"walk", "parameters", "headers", "paths", "verbs", "bodies"}
