"""Active probes of pages over a real connection: ``scripts/probe.py`` runs them.

As each kind of visitor it walks from link to link, and then puts into every parameter, form
field, header, path and verb that it met what breaks careless applications. What counts as a
hole is in :meth:`Prober.judge`. Only ever for an installation whose data nobody needs.
"""

from __future__ import annotations

import http.client
import itertools
import re
import socket
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx

SECONDS = 5  # An answer that takes longer is a hole: few such requests would stop everybody.
AWAY = ("https://evil.example/", "//evil.example/", "/\\evil.example/", "///evil.example/%2f..")
VALUES = (
    "pr0be\"'><pr0be x=1>",
    "javascript:alert('pr0be')",
    "{{1337*1337}}${1337*1337}<%=1337*1337%>{%25 now 'Y' %25}",
    "pr0be\r\nX-Pr0be: 1\r\n\r\n<pr0be>",
    "' OR '1'='1' -- ",
    "1) OR SLEEP(9)=0 -- ",
    "\x00",
    "\x7f\x1b[31m\u202e\ufffe",
    "\ud800",
    "../../../../../../etc/passwd",
    "file:///etc/passwd",
    "|sleep 9;`sleep 9`$(sleep 9)",
    "-1",
    "9" * 400,
    "1e999",
    "NaN",
    "%s%n%(x)s%",
    "[]",
    '{"$ne": null}',
    "0001-01-01",
    "9999-99-99",
    "\N{LATIN SMALL LETTER DOTLESS I}\N{FULLWIDTH APOSTROPHE}" * 60,
    "a" * 20_000,
    *AWAY,
)
EXTRA = ("next", "page", "q", "order", "o", "p", "lang", "format", "_popup", "e", "callback")
HEADERS = {
    "Host": ("evil.example", "localhost:1@evil.example", "a b", ""),
    "X-Forwarded-Host": ("evil.example",),
    "X-Forwarded-For": ("127.0.0.1", "pr0be", "1" * 5000),
    "X-Original-URL": ("/admin/",),
    "X-Rewrite-URL": ("/admin/",),
    "X-HTTP-Method-Override": ("DELETE",),
    "Referer": ("https://evil.example/<pr0be>", "\xff\xfe"),
    "Accept-Language": ("pr0be\"'><pr0be>", "fr;q=NaN", ",".join(["fr"] * 900)),
    "Accept": ("application/json", "text/html;level=<pr0be>", "*/*;q=x"),
    "User-Agent": ("pr0be\"'><pr0be>", "\xff" * 300),
    "Cookie": (
        "sessionid=\xff; csrftoken=<pr0be>",
        "=; ;=a",
        "django_language=<pr0be>",
        "a=" * 900,
    ),
    "Authorization": ("Token \xff", "Basic pr0be", "Token " + "a" * 5000),
    "Range": ("bytes=0-,0-,0-,0-,0-", "bytes=9999999999999999999-", "bytes=-0", "pr0be=1-"),
    "If-None-Match": ('"', "W/pr0be, *"),
    "If-Modified-Since": ("pr0be", "Thu, 31 Feb 9999 99:99:99 GMT"),
    "Content-Type": ("pr0be", "multipart/form-data; boundary=", "text/html; charset=pr0be"),
    "HX-Request": ("true",),
    "HX-Current-URL": ("https://evil.example/",),
    "HX-Target": ("pr0be\"'><pr0be>",),
    "Expect": ("pr0be",),
    "Upgrade": ("websocket", "h2c"),
}
PATHS = (
    "//evil.example/%2f..", "/\\evil.example", "/%5cevil.example/", "/%09/evil.example/",
    "//evil.example/patients",
    "/..", "/../../../../etc/passwd", "/static/../../../../../../etc/passwd",
    "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2f..%2fetc%2fpasswd",
    "/static/..%5c..%5cmanage.py", "/static/....//....//manage.py", "/static/%252e%252e/manage.py",
    "/static//etc/passwd", "/static/%00", "/static/css/", "/static/", "/media/", "/%00", "/\xff",
    "/%c0%ae%c0%ae/", "/%ff%fe/", "/%u0041", "/admin;/", "/admin/..;/", "/;/admin/", "/./admin/",
    "/ADMIN/", "/%61dmin/", "/admin%2f", "/admin%20/", "/patients//", "/patients/../admin/",
    "/.env", "/.git/config", "/.git/HEAD", "/manage.py", "/pyproject.toml", "/db.sqlite3",
    "/var/db.sqlite3", "/static/../db.sqlite3", "/server-status", "/actuator/env", "/debug/",
    "/__debug__/", "/api/v1/%2e%2e/%2e%2e/admin/", "/api/schema/?format=pr0be", "/robots.txt",
    "/phpinfo.php", "/api/v1/patients/%27/", "/i18n/setlang/?next=//evil.example", "/" + "a" * 3000,
    "http://evil.example/", "https://evil.example:443/admin/", "*", "evil.example:443",
)  # fmt: skip
# Paths under which only what is for everybody may be found.
OPEN = ("/static/css/", "/robots.txt", "/api/schema/")
VERBS = ("HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "TRACK", "CONNECT",
         "PROPFIND", "MOVE", "DEBUG", "get", "PR0BE", "X" * 300)  # fmt: skip
BODIES = (
    ("application/json", b'{"a": [' * 5000),
    ("application/json", b"\xff\xfe"),
    ("application/xml", b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
    ("application/x-www-form-urlencoded", b"a=%ff&%00=%00&" + b"&".join([b"a=1"] * 2000)),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n'),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"; '
     b'filename="../../<pr0be>.dcm"\r\nContent-Length: -1\r\n\r\nx\r\n--x--\r\n'),
    ("multipart/form-data; boundary=" + "x" * 300, b"x"),
    ("text/plain", b"\x00" * 1000),
)  # fmt: skip
FAULTS = ("Traceback (most recent", "OperationalError", "ProgrammingError", "DataError",
          "/site-packages/", "root:x:0:0", "SQLITE_", "You're seeing this error")  # fmt: skip
WANTED = ("content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy")
KEY = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|\d+")


class Seen(HTMLParser):
    """The links and forms of one page."""

    def __init__(self, page: str, text: str) -> None:
        super().__init__()
        self.page = page
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs) -> None:
        facts = {name: value or "" for name, value in attrs}
        for name in ("href", "hx-get") if tag != "link" else ():
            if name in facts:
                self.links.append(urljoin(self.page, facts[name]))
        if tag == "form":
            verb = "POST" if "hx-post" in facts else facts.get("method", "get").upper()
            action = facts.get("hx-post") or facts.get("action", "")
            self.forms.append(Form(urljoin(self.page, action), verb))
        elif tag in ("input", "select", "textarea", "button") and facts.get("name") and self.forms:
            value = facts.get("value", "")
            if facts.get("type") != "file":
                self.forms[-1].fields.setdefault(facts["name"], (facts.get("type", tag), value))


@dataclass
class Form:
    action: str
    verb: str
    fields: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def shape(self) -> tuple:
        return self.verb, shape(self.action), tuple(sorted(self.fields))

    def values(self, password: str) -> dict[str, str]:
        return {
            name: password if kind == "password" else value or "1"
            for name, (kind, value) in self.fields.items()
        }


def shape(url: str) -> tuple:
    """What two addresses of one page have in common: no keys, no values."""
    parts = urlsplit(url)
    return KEY.sub("-", parts.path), tuple(sorted({name for name, _ in parse_qsl(parts.query)}))


class Prober:
    """One visitor. ``log_in`` makes a client that is logged in (or not)."""

    def __init__(self, url: str, who: str, log_in, *, password: str = "", pages: int = 120) -> None:
        self.url, self.who, self.password, self.limit = url.rstrip("/"), who, password, pages
        self.log_in = log_in
        self.client: httpx.Client = log_in()
        self.asked: Counter[str] = Counter()
        self.holes: dict[tuple, str] = {}
        self.pages: list[str] = []
        self.forms: list[Form] = []
        self.slowest = 0.0

    def run(self) -> None:
        self.crawl()
        for probe in (
            self.parameters,
            self.headers,
            self.paths,
            self.verbs,
            self.bodies,
            self.fields,
        ):
            probe()

    def crawl(self) -> None:
        waiting = [
            f"{self.url}{path}" for path in ("/", "/account/", "/admin/", "/accounts/login/")
        ]
        known: Counter[tuple] = Counter()
        forms = set()
        while waiting and len(self.pages) < self.limit:
            url = waiting.pop(0).partition("#")[0]
            if not url.startswith(self.url + "/") or known[shape(url)] or "logout" in url:
                continue
            known[shape(url)] += 1
            answer = self.ask("walk", "GET", url)
            if answer is None:
                continue
            if answer.has_redirect_location:
                waiting.append(urljoin(url, answer.headers["location"]))
                self.pages += [url] if "?" in url else []  # What it is told may lead elsewhere.
            if answer.status_code != 200:
                continue
            self.pages.append(url)
            if not is_page(answer):
                continue
            seen = Seen(url, answer.text)
            waiting += seen.links
            for form in seen.forms:
                if form.action.startswith(self.url) and form.shape not in forms:
                    forms.add(form.shape)
                    self.forms.append(form)

    def parameters(self) -> None:
        for page in self.pages:
            address, _, query = page.partition("?")
            own = dict(parse_qsl(query, keep_blank_values=True))
            for form in self.forms:
                if form.verb == "GET" and shape(form.action)[0] == shape(page)[0]:
                    own |= form.values(self.password)
            for value in VALUES:
                self.ask(
                    "parameters", "GET", address, {**own, **dict.fromkeys(EXTRA, value)}, value
                )
                for name in own:
                    self.ask("parameters", "GET", address, {**own, name: value}, value)
            self.ask(
                "parameters", "GET", address, {"pr0be\"'><pr0be>": "1", "\x00": "", "a[b]": ""}
            )

    def fields(self) -> None:
        for form in [form for form in self.forms if form.verb == "POST"]:
            if "logout" in form.action:
                continue
            for name in form.fields:
                if name == "csrfmiddlewaretoken":
                    continue
                for value in VALUES:
                    values = {**form.values(self.password), name: value}
                    values["csrfmiddlewaretoken"] = self.client.cookies.get("csrftoken", "")
                    told = {"Referer": self.url, "Origin": self.url}
                    self.ask(
                        "form fields", "POST", form.action, None, value, data=values, headers=told
                    )
            self.stay()

    def stay(self) -> None:
        """What was sent may have ended the session."""
        if self.who != "nobody" and self.client.get(f"{self.url}/account/").status_code != 200:
            self.client = self.log_in()

    def headers(self) -> None:
        for page, (name, values) in itertools.product(self.shapes(), HEADERS.items()):
            for value in values:
                self.raw("headers", "GET", page, {name: value})

    def paths(self) -> None:
        for path in PATHS:
            answer = self.raw("paths", "GET", path, {})
            if (
                answer
                and answer.status == 200
                and not path.startswith(OPEN)
                and self.who == "nobody"
            ):
                kind = answer.headers.get("content-type", "")
                if not kind.startswith("text/html") or "/admin" in path:
                    self.hole("paths", path, f"given out as {kind}")

    def verbs(self) -> None:
        for page, verb in itertools.product(self.shapes(), VERBS):
            answer = self.raw("verbs", verb, page, {"X-Pr0be": "pr0be-echo"})
            if answer and verb in ("TRACE", "TRACK", "CONNECT", "DEBUG") and answer.status < 300:
                self.hole("verbs", f"{verb} {page}", f"answered {answer.status}")

    def bodies(self) -> None:
        addresses = [*self.shapes(), *(form.action for form in self.forms)]
        for address, (kind, body) in itertools.product(addresses, BODIES):
            token = self.client.cookies.get("csrftoken", "")
            headers = {
                "Content-Type": kind,
                "Referer": self.url,
                "Origin": self.url,
                "X-CSRFToken": token,
            }
            self.ask("bodies", "POST", address, None, content=body, headers=headers)
        self.stay()

    def shapes(self) -> list[str]:
        """One address of each page, without a query."""
        return list({shape(page)[0]: page.partition("?")[0] for page in self.pages}.values())

    def ask(self, kind: str, verb: str, url: str, params=None, sent: str = "", **more):
        """One request as a browser makes it; what is no text is sent as the bytes it stands for."""
        if params is not None:
            url = f"{url}?{urlencode(params, errors='surrogatepass')}"
        if "data" in more:
            more["content"] = urlencode(more.pop("data"), errors="surrogatepass").encode()
            more["headers"] = {
                **more["headers"],
                "Content-Type": "application/x-www-form-urlencoded",
            }
        self.asked[kind] += 1
        try:
            answer = self.client.request(verb, url, **more)
        except httpx.InvalidURL:
            return None
        except httpx.TransportError as error:
            self.hole(
                kind,
                f"{verb} {shape(url)[0]}",
                f"no answer: {type(error).__name__} to {sent[:40]!r}",
            )
            return None
        seconds = answer.elapsed.total_seconds()
        text = answer.text if is_text(answer) else ""
        where = f"{verb} {shape(url)[0]}"
        self.judge(kind, where, answer.status_code, answer.headers, text, seconds, sent)
        return answer

    def raw(self, kind: str, verb: str, target: str, headers: dict[str, str]):
        """One request as no library would send it."""
        parts = urlsplit(self.url)
        target = target.removeprefix(self.url)
        cookies = "; ".join(f"{name}={value}" for name, value in self.client.cookies.items())
        lines = {"Host": parts.netloc, "Cookie": cookies, "Connection": "close"} | headers
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.asked[kind] += 1
        sent = next(iter(headers.items()), ("", ""))
        where = f"{verb[:9]} {KEY.sub('-', target)[:80]} {sent[0]}: {sent[1][:40]!r}"
        try:
            with socket.create_connection((parts.hostname, parts.port), SECONDS) as link:
                link.sendall(f"{verb} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
                answer = http.client.HTTPResponse(link, method=verb)
                answer.begin()
                body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.hole(kind, where, f"no answer: {type(error).__name__}")
            return None
        found = httpx.Headers(answer.getheaders())
        text = body.decode("utf-8", "replace") if "text" in found.get("content-type", "") else ""
        self.judge(kind, where, answer.status, found, text, 0, sent[1])
        return answer

    def judge(self, kind, where, status, headers, text, seconds, sent) -> None:
        """What counts as a hole."""
        self.slowest = max(self.slowest, seconds)
        if status >= 500 and status not in (501, 505):
            self.hole(kind, where, f"{status} to {sent[:40]!r}")
        if seconds > SECONDS:
            self.hole(kind, where, f"{seconds:.1f} s to {sent[:40]!r}")
        html = headers.get("content-type", "").startswith("text/html")
        if html and ("<pr0be" in text or "pr0be\"'" in text or 'href="javascript:alert' in text):
            self.hole(kind, where, f"gives markup back: {sent[:40]!r}")
        if "1787569" in text:
            self.hole(kind, where, "calculates what it is sent")
        if "pr0be-echo" in text:
            self.hole(kind, where, "sends headers back")
        for fault in FAULTS:
            if fault in text:
                self.hole(kind, where, f"tells of its inside: {fault}")
        if "x-pr0be" in headers:
            self.hole(kind, where, "a header that was sent as a value")
        for name in ("location", "hx-redirect", "hx-location", "refresh", "content-location"):
            to = headers.get(name, "").replace("\\", "/").replace("\t", "").strip()
            if (
                to
                and not f"{to}/".startswith(f"{self.url}/")
                and (to.startswith("//") or "://" in to[:12])
            ):
                self.hole(kind, where, f"leads to {to[:60]}")
        # gunicorn refuses by itself what is no request, before the application hears of it.
        by_server = status in (400, 414, 417, 431, 501, 505) and "x-request-id" not in headers
        missing = [name for name in WANTED if name not in headers]
        if missing and not by_server:
            self.hole(kind, where, f"{status} without {', '.join(missing)}")
        for cookie in headers.get_list("set-cookie"):
            if "samesite=" not in cookie.lower():
                self.hole(kind, where, f"a cookie for other sites: {cookie.partition('=')[0]}")
            if re.match('sessionid="?[^";]', cookie) and "httponly" not in cookie.lower():
                self.hole(kind, where, "a session that scripts can read")

    def hole(self, kind: str, where: str, what: str) -> None:
        self.holes.setdefault((kind, where.partition(" to '")[0], what.partition(" to '")[0]), what)


def is_text(answer: httpx.Response) -> bool:
    return answer.headers.get("content-type", "").startswith(("text/", "application/json"))


def is_page(answer: httpx.Response) -> bool:
    return answer.headers.get("content-type", "").startswith("text/html")
