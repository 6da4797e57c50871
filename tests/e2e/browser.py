"""What a doctor does in a browser, in the words of the journeys."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from django.utils import translation
from django.utils.translation import gettext
from playwright.sync_api import BrowserContext, Page, expect

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
# A graphics card that the browser emulates is slow, and says so.
ALWAYS = ("Failed to load resource", "GL Driver Message")
DEMO = "docteur.demo@example.org", "demonstration"


class Doctor:
    """One browser and who sits before it; ``_`` is a text in the language of its pages."""

    def __init__(self, context: BrowserContext, url: str, language: str, shots: Path) -> None:
        self.language = language
        self.shots = shots
        self.wrong: list[str] = []
        # Answers outside 2xx and 3xx that the journey expects; the browser logs them.
        self.expected_status: set[int] = set()
        # What the console may say.
        self.expected_words: set[str] = set()
        self.context, self.url = context, url
        self.speak(language)
        self.page: Page = context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"page error: {error}"))
        self.page.on("response", self._response)

    def speak(self, language: str) -> None:
        """From the next page on, as if the language had been switched."""
        self.language = language
        cookie = {"name": "django_language", "value": language, "url": self.url}
        self.context.add_cookies([cookie])

    def _console(self, message) -> None:
        # Statuses are judged by _response, which knows which ones are expected.
        expected = any(word in message.text for word in {*ALWAYS, *self.expected_words})
        if message.type in ("error", "warning") and not expected:
            self.wrong.append(f"{message.type}: {message.text} ({message.location})")

    def _response(self, response) -> None:
        if response.status >= 400 and response.status not in self.expected_status:
            self.wrong.append(f"{response.status}: {response.url}")

    def assert_nothing_was_wrong(self) -> None:
        assert not self.wrong, "\n".join(self.wrong)

    def _(self, text: str) -> str:
        with translation.override(self.language):
            return gettext(text)

    def shot(self, name: str) -> None:
        """A picture for people, and a check that nothing is wider than the window."""
        self.shots.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=self.shots / f"{name}.png", full_page=True)
        beyond = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert beyond <= 0, f"{name} is {beyond} px wider than the window"
        assert self.page.locator("h1").count() == 1
        assert self.page.locator("html").get_attribute("lang") == self.language

    def log_in(
        self,
        email: str = DEMO[0],
        password: str = DEMO[1],
        onto: str | re.Pattern = re.compile(r"/(radiographs|worklist)/$"),
    ) -> None:
        self.page.goto("/accounts/login/")
        self.page.fill("[name=login]", email)
        self.page.fill("[name=password]", password)
        self.page.click("main form button")
        self.page.wait_for_url(onto)

    def new_patient(self, identifier: str, sex: str = "F", birth_date: str = "1950-03-02") -> None:
        self.page.check("#patient-new")
        self.page.fill("[name=identifier]", identifier)
        self.page.select_option("[name=sex]", sex)
        self.page.fill("[name=birth_date]", birth_date)

    def drop(self, files: list[Path]) -> None:
        """Drop ``files`` on the page as a file manager would."""
        names = [file.name for file in files]
        # The bytes reach the page through an input that is not in the document.
        handle = self.page.evaluate_handle(
            "() => Object.assign(document.createElement('input'), {type: 'file', multiple: true})"
        )
        handle.as_element().set_input_files([str(file) for file in files])
        dropped = self.page.evaluate(
            """(input) => {
                const data = new DataTransfer();
                for (const file of input.files) data.items.add(file);
                const zone = document.querySelector("[data-dropzone]");
                for (const name of ["dragenter", "dragover", "drop"]) {
                    zone.dispatchEvent(new DragEvent(
                        name, {dataTransfer: data, bubbles: true, cancelable: true}));
                }
                return data.files.length;
            }""",
            handle,
        )
        assert dropped == len(names)

    def expect_reading(self, *, seconds: float = 30) -> str:
        """Wait until the reading appears by itself; its class in words."""
        expect(self.page.locator(".result-class")).to_be_visible(timeout=1000 * seconds)
        expect(self.page.locator(".bars-row")).to_have_count(3)
        numbers = [
            float(re.sub(r"[^\d]", "", text))
            for text in self.page.locator(".bars dd").all_text_contents()
        ]
        assert 98 <= sum(numbers) <= 102
        return self.page.locator(".result-class").inner_text().strip()

    def open_contest(self) -> None:
        """The form to contest with; open already where the reading claims no class."""
        if not self.page.locator(".judging-contest[open]").count():
            self.page.click(".judging-contest summary")

    def contest(self, *, other_than: str = "") -> None:
        """Fill the form in: a class but ``other_than``, a reason where one is asked for."""
        self.open_contest()
        label = self.page.locator("#contest [name=label]")
        values = label.locator("option").evaluate_all("all => all.map((one) => one.value)")
        label.select_option(next(value for value in values if value not in ("", other_than)))
        if self.page.locator("#contest [name=reason]").count():
            self.page.select_option("#contest [name=reason]", "artefact")

    def expect_picture(self, selector: str) -> None:
        """The picture is shown and really is one."""
        picture = self.page.locator(selector)
        expect(picture).to_be_visible()
        self.page.wait_for_function(
            "(selector) => document.querySelector(selector).naturalWidth > 0", arg=selector
        )
