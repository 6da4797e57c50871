"""A browser without a screen: fills in the forms of real pages, and keeps all that it saw."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

SECONDS = 60
# Attributes that name an address.
ADDRESSES = ("href", "src", "action", "formaction", "poster", "data-url", "hx-get", "hx-post")
ADDRESSES += ("hx-patch", "hx-delete", "hx-push-url", "hx-replace-url")


class _Reader(HTMLParser):
    """The forms of a page with what stands in them, and every address it names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[dict] = []
        self.addresses: list[str] = []
        self._form = self._select = self._area = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.addresses += [value for name, value in attributes if name in ADDRESSES and value]
        if tag == "form":
            self._form = {
                "method": (given.get("method") or "get").lower(),
                "action": given.get("action") or "",
                "fields": {},
            }
            self.forms.append(self._form)
        name, form = given.get("name"), self._form
        if form is None or not name:
            if tag == "option" and self._select:
                self._option(given)
            return
        if tag == "input":
            kind = given.get("type", "text")
            chosen = kind not in ("checkbox", "radio", "submit", "button", "file")
            if chosen or "checked" in given:
                form["fields"][name] = given.get("value") or ("on" if "checked" in given else "")
            else:
                form["fields"].setdefault(name, None)
        elif tag == "button":
            form["fields"].setdefault(name, None)
        elif tag == "select":
            self._select = (form, name)
            form["fields"][name] = None if "multiple" in given else ""
        elif tag == "textarea":
            self._area = (form, name)
            form["fields"][name] = ""

    def _option(self, given: dict) -> None:
        form, name = self._select
        if "selected" in given:
            form["fields"][name] = given.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self._form = None
        elif tag == "select":
            self._select = None
        elif tag == "textarea":
            self._area = None

    def handle_data(self, data):
        if self._area:
            form, name = self._area
            form["fields"][name] += data


@dataclass(frozen=True)
class Answer:
    """One answer as it came in: ``address`` is what was asked, redirects included."""

    method: str
    address: str
    status: int
    headers: str
    body: bytes
    kind: str

    @property
    def path(self) -> str:
        return urlsplit(self.address).path

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def page(self) -> _Reader:
        return _Reader(self.text)


class Browser:
    """One person at one browser. ``seen`` are the answers of all, ``typed`` the addresses that
    a person typed themselves: whatever these hold, it was not we who put it there."""

    def __init__(self, url: str, seen: list[Answer], typed: set[str]) -> None:
        self.url, self.seen, self.typed = url, seen, typed
        self.session = requests.Session()
        # Each request has a connection of its own: none is lost to one that the server closed.
        self.session.headers.update({"Accept-Language": "en", "Connection": "close"})
        self.keys: set[str] = set()  # of sessions

    def ask(self, method: str, path: str, **options) -> Answer:
        """Send one request, follow where it leads, keep each answer; the last one."""
        options = {"timeout": SECONDS, "allow_redirects": True} | options
        last = self.session.request(method, urljoin(self.url, path), **options)
        for answer in [*last.history, last]:
            headers = {k: v for k, v in answer.headers.items() if k.lower() != "set-cookie"}
            kept = Answer(
                method=answer.request.method,
                address=answer.url,
                status=answer.status_code,
                headers=str(headers),
                body=answer.content,
                kind=answer.headers.get("Content-Type", ""),
            )
            self.seen.append(kept)
        self.keys |= {str(c.value) for c in self.session.cookies if c.name == "sessionid"}
        return kept

    def get(self, path: str, status: int = 200, **options) -> Answer:
        answer = self.ask("GET", path, **options)
        assert answer.status == status, f"GET {path}: {answer.status}\n{answer.text[-3000:]}"
        return answer

    def type_address(self, path: str) -> None:
        """What a person writes into the address line by hand; there are worse answers than 404."""
        before = len(self.seen)
        answer = self.ask("GET", path)
        self.typed |= {seen.address for seen in self.seen[before:]}
        assert answer.status < 500, f"GET {path}: {answer.status}"

    def fill(
        self, path: str, values: dict, *, files=None, status: int = 200, headers=None
    ) -> Answer:
        """Open the page at ``path``, fill its form that has these fields in, and send it the
        way that the form says."""
        return self.fill_on(self.get(path), values, files=files, status=status, headers=headers)

    def fill_on(self, page: Answer, values, *, files=None, status: int = 200, headers=None):
        wanted = set(values) | {name for name, _file in files or []}
        forms = [f for f in page.page.forms if "setlang" not in f["action"]]
        form = next((f for f in forms if wanted <= f["fields"].keys()), None)
        assert form, f"no form with {sorted(wanted)} on {page.address}\n{page.text[:3000]}"
        given = {name: value for name, value in form["fields"].items() if value is not None}
        given |= values
        target = urljoin(page.address, form["action"])
        if form["method"] == "get":
            answer = self.ask("GET", target.partition("?")[0], params=given)
        else:
            sent = {"Referer": page.address} | (headers or {})
            answer = self.ask("POST", target, data=given, files=files, headers=sent)
        assert answer.status == status, f"{target}: {answer.status}\n{answer.text[-3000:]}"
        return answer

    def form_token(self, path: str = "/accounts/login/") -> str:
        """A token that any form of this person's carries."""
        for form in self.get(path).page.forms:
            if token := form["fields"].get("csrfmiddlewaretoken"):
                return token
        raise AssertionError(f"no form with a token on {path}")

    def log_in(self, email: str, password: str) -> Answer:
        self.session.cookies.clear()
        return self.fill("/accounts/login/", {"login": email, "password": password})
