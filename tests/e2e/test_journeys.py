"""From sign-up to result, as a doctor goes: real browser, real worker, real radiographs."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.accounts.factories import rpps
from tests.radiology.factories import dicom_bytes

PASSWORD = "une longue phrase de passe"


def unique(text: str) -> str:
    return f"{text}-{time.time_ns() % 10**10}"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_from_sign_up_to_result_and_history(open_browser, stack, radiographs, language):
    doctor = open_browser(language=language)
    page, _ = doctor.page, doctor._
    first, second = radiographs(2)
    email = f"{unique('docteur')}@example.org"

    page.goto("/")
    doctor.shot("01-landing")
    page.get_by_role("link", name=_("Sign up as a doctor")).click()
    page.fill("[name=registration_number]", rpps(time.time_ns() % 10**8))
    page.fill("[name=first_name]", "Zoé")
    page.fill("[name=last_name]", "D’Aubigné-Müller")
    page.fill("[name=email]", email)
    page.fill("[name=password1]", PASSWORD)
    page.fill("[name=password2]", PASSWORD)
    doctor.shot("02-sign-up")
    page.click("main form button")
    page.wait_for_url("**/confirm-email/")
    page.goto(stack.link_mailed_to(email))
    doctor.shot("03-confirm")
    page.click("main form button")
    page.wait_for_url(re.compile(r"/(radiographs|worklist|accounts/login)/"))
    if "login" in page.url:
        doctor.log_in(email, PASSWORD)
    doctor.shot("04-first-day")
    page.get_by_role("button", name=_("Log out")).click()
    page.wait_for_url("**/")
    doctor.log_in(email, PASSWORD)

    page.get_by_role("link", name=_("Send your first radiograph")).click()
    identifier = unique("IPP")
    doctor.new_patient(identifier)
    page.fill("[name=acquired_on]", "2024-03-01")
    page.set_input_files("#id_files", first)
    expect(page.locator(".file-facts")).to_be_visible()
    doctor.shot("05-new-reading")
    begun = time.monotonic()
    page.click("#send")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
    label = doctor.expect_reading()
    waited = time.monotonic() - begun
    assert waited < 20, f"{waited:.1f} s from sending to the result"
    doctor.expect_picture(".viewer-radiograph")
    doctor.shot("06-result")
    assert label in page.locator("#reading-state").inner_text()
    expect(page.locator("#history tbody tr")).to_have_count(1)

    expect(page.locator(".viewer-map")).to_be_hidden()
    page.get_by_role("switch").check()
    doctor.expect_picture(".viewer-map")
    doctor.shot("07-map")

    doctor.contest()
    page.locator("[name=comment]").fill("Superposition.")
    page.get_by_role("button", name=_("Record my judgement")).click()
    expect(page.locator(".reviews")).to_contain_text("Superposition.")
    doctor.shot("08-judged")

    page.get_by_role("link", name=_("New reading for this patient")).click()
    expect(page.locator("[name=patient]:checked")).to_have_count(1)
    page.fill("[name=acquired_on]", "2024-06-01")
    doctor.drop([second])
    expect(page.locator(".file-line")).to_have_count(1)
    page.click("#send")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
    doctor.expect_reading()
    expect(page.locator("#history tbody tr")).to_have_count(2)
    # What is not like the radiographs that the model knows (as made up ones) is not drawn.
    if not page.locator("[data-certainty=unlike]").count():
        expect(page.locator("#history svg.chart")).to_be_visible()
    doctor.shot("09-history")

    page.locator(".page-header a", has_text=identifier).click()
    expect(page.locator(".timeline-entry")).to_have_count(2)
    doctor.shot("10-patient")
    page.get_by_role("link", name=_("Radiographs"), exact=True).click()
    expect(page.locator("main tbody tr")).to_have_count(2)
    page.locator(".filters-card summary").click()
    page.select_option("[name=status]", "failed")
    page.get_by_role("button", name=_("Filter")).click()
    expect(page.locator("main tbody tr")).to_have_count(0)
    doctor.shot("11-filtered")
    page.get_by_role("button", name=_("Log out")).click()
    page.wait_for_url("**/")
    page.goto("/radiographs/")
    assert "/accounts/login/" in page.url


def test_the_header_is_compared_and_never_overwrites(open_browser, tmp_path):
    doctor = open_browser()
    page = doctor.page
    doctor.log_in()
    file = tmp_path / "known.dcm"
    file.write_bytes(dicom_bytes(PatientSex="F", PatientBirthDate="19500302"))
    page.goto("/readings/new/")
    page.check("#patient-new")
    page.set_input_files("#id_files", file)
    expect(page.locator("[name=acquired_on]")).to_have_value("2024-01-15")
    expect(page.locator("[name=birth_date]")).to_have_value("1950-03-02")
    expect(page.locator("[name=sex]")).to_have_value("F")
    expect(page.locator("#id_sex_note")).to_contain_text("Taken from the file")
    page.fill("[name=birth_date]", "1960-01-01")
    page.locator("[name=birth_date]").blur()
    expect(page.locator("#id_birth_date_note")).to_contain_text("2 Mar 1950")
    expect(page.locator("#id_birth_date_note")).to_have_class(re.compile("is-mismatch"))
    expect(page.locator("[name=birth_date]")).to_have_value("1960-01-01")
    doctor.shot("mismatch")
    identifier = unique("IPP")
    page.fill("[name=identifier]", identifier)
    # Somebody has to say that it is the right patient all the same.
    doctor.expected_status = {422}
    page.click("#send")
    expect(page.locator(".file-error")).to_contain_text("another birth date, sex or age")
    expect(page.locator(".file-warnings")).to_contain_text("2 Mar 1950")
    page.check("#id_confirm_mismatch")
    page.click("#send")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
    doctor.expect_reading()
    expect(page.locator(".alert-warning")).to_contain_text("2 Mar 1950")
    expect(page.locator(".page-header")).to_contain_text("1 Jan 1960")


def test_an_age_without_a_date_is_compared_with_the_date_typed(open_browser, tmp_path):
    doctor = open_browser()
    page = doctor.page
    doctor.log_in()
    file = tmp_path / "aged.dcm"
    file.write_bytes(dicom_bytes(PatientAge="050Y", StudyDate="", AcquisitionDate=""))
    page.goto("/readings/new/")
    doctor.new_patient("IPP", birth_date="1950-03-02")
    page.set_input_files("#id_files", file)
    expect(page.locator(".file-facts")).to_contain_text("50 years")
    assert page.locator("#id_files").evaluate("(input) => input.files.length") == 1
    expect(page.locator("#id_acquired_on_note")).to_contain_text("give its date")
    note = page.locator("#id_birth_date_note")
    for day, wrong in (("2024-01-01", True), ("2000-06-01", False), ("2001-06-01", False)):
        page.fill("[name=acquired_on]", day)
        page.locator("[name=acquired_on]").blur()
        expect(page.locator("#id_acquired_on_note")).to_be_hidden()
        if wrong:
            expect(note).to_contain_text("50 years")
        else:
            expect(note).to_be_hidden()
    page.locator(".file-remove").click()
    assert page.locator("#id_files").evaluate("(input) => input.files.length") == 0


def test_each_of_many_files_has_its_own_result(open_browser, radiographs, tmp_path):
    doctor = open_browser()
    doctor.expected_status = {400, 422}
    page = doctor.page
    doctor.log_in()
    broken = tmp_path / "notes.txt"
    broken.write_text("no radiograph " * 100)
    again = tmp_path / "again.dcm"
    good = radiographs(2)
    again.write_bytes(good[0].read_bytes())
    page.goto("/readings/new/")
    page.set_input_files("#id_files", [broken, *good, again])
    page.click("#send")
    expect(page.locator("[data-errors=patient] li, #id_identifier_error li").first).to_be_visible()
    doctor.new_patient(unique("IPP"))
    page.fill("[name=acquired_on]", "2024-01-01")
    page.click("#send")
    expect(page.locator(".file-line[data-state=accepted]")).to_have_count(2)
    expect(page.locator(".file-line[data-state=duplicate]")).to_have_count(1)
    expect(page.locator(".file-line[data-state=refused]")).to_have_count(1)
    expect(page.locator(".file-line[data-state=refused] .file-error")).to_contain_text(
        "not a DICOM"
    )
    expect(page.locator("#upload-status")).to_contain_text("not accepted")
    expect(page.locator(".file-result .badge-certainty")).to_have_count(3)  # By themselves.
    expect(page.locator(".file-result[hx-get]")).to_have_count(0)
    doctor.shot("many")
    page.get_by_role("link", name="To the patient").click()
    expect(page.locator(".timeline-entry")).to_have_count(2)


def test_a_taken_identifier_leads_to_the_patient(open_browser, radiographs):
    doctor = open_browser()
    doctor.expected_status = {422}
    page = doctor.page
    doctor.log_in()
    identifier = unique("IPP")
    page.goto("/patients/new/")
    page.fill("[name=identifier]", identifier)
    page.select_option("[name=sex]", "M")
    page.fill("[name=birth_date]", "1950-01-01")
    page.click("main form button")
    page.wait_for_url(re.compile(r"/patients/[0-9a-f-]{36}/"))
    page.goto("/readings/new/")
    page.set_input_files("#id_files", radiographs(1))
    doctor.new_patient(identifier)
    page.fill("[name=acquired_on]", "2024-01-01")
    page.click("#send")
    expect(page.locator("#id_identifier_error")).to_contain_text("already")
    page.get_by_label(re.compile(identifier)).check()
    page.click("#send")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
    doctor.expect_reading()


def test_with_the_keyboard_alone(open_browser, radiographs):
    doctor = open_browser()
    page = doctor.page
    # The dialog for files is listened for all the time: whoever begins when the key is pressed
    # may come too late.
    choosers: list = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    file = radiographs(1)[0]
    identifier = unique("IPP")
    page.goto("/accounts/login/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("[name=login]")).to_be_focused()
    page.keyboard.type("docteur.demo@example.org")
    page.keyboard.press("Tab")
    page.keyboard.type("demonstration")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/(radiographs|worklist)/(#main)?$"))

    def tab_to(selector: str, limit: int = 40) -> None:
        for _press in range(limit):
            if page.evaluate("(s) => document.activeElement?.matches(s)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{selector} is not reached with Tab")

    tab_to("a[href='/readings/new/']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/readings/new/")
    tab_to("[name=patient]")
    for _press in range(10):
        if page.locator("#patient-new").is_checked():
            break
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Space")
    expect(page.locator("#patient-new")).to_be_checked()
    tab_to("[name=identifier]")
    page.keyboard.type(identifier)
    page.keyboard.press("Tab")
    page.keyboard.type("f")
    page.keyboard.press("Tab")
    page.keyboard.type("02021950")  # the same in every order of day and month
    tab_to("#id_files")
    expect(page.locator("#id_files")).to_be_focused()
    for press in range(80):  # a busy machine has lost such a key before
        if choosers:
            break
        if press % 10 == 0:
            tab_to("#id_files")
            page.keyboard.press("Enter")
        page.wait_for_timeout(500)
    where = "[document.activeElement.id, document.hasFocus(), navigator.userActivation.isActive]"
    assert choosers, f"Enter on the field of files opens no dialog: {page.evaluate(where)}"
    choosers[0].set_files(file)
    expect(page.locator(".file-line")).to_have_count(1)
    expect(page.locator(".file-facts")).to_be_visible()
    tab_to("[name=acquired_on]")
    if not page.locator("[name=acquired_on]").input_value():  # the file does not say it
        page.keyboard.type("01012024")
    tab_to("#send")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
    doctor.expect_reading()
    tab_to("#map-switch")
    page.keyboard.press("Space")
    doctor.expect_picture(".viewer-map")


def test_patients_are_found_while_typing(open_browser):
    doctor = open_browser()
    page = doctor.page
    doctor.log_in()
    names = [unique("Recherche") for _ in range(2)]
    for name in names:
        page.goto("/patients/new/")
        page.fill("[name=identifier]", name)
        page.select_option("[name=sex]", "F")
        page.fill("[name=birth_date]", "1950-01-01")
        page.click("main form button")
        page.wait_for_url(re.compile(r"/patients/[0-9a-f-]{36}/"))
    page.goto("/patients/")
    page.locator("#patient-q").press_sequentially(names[0].lower())
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.locator("main tbody")).to_contain_text(names[0])
    assert names[0].lower() not in page.url
    page.goto("/readings/new/")
    page.locator("#patient-search").press_sequentially(names[1])
    expect(page.locator("#patient-choices .choice")).to_have_count(1)
    page.keyboard.press("Enter")
    page.get_by_label(re.compile(names[1])).check()
    page.locator("#patient-search").fill("nobody has this")
    expect(page.locator(".choice-none")).to_be_visible()
    expect(page.get_by_label(re.compile(names[1]))).to_be_checked()
    assert page.url.endswith("/readings/new/")


def test_a_radiograph_that_cannot_be_decoded_fails_and_is_tried_again(open_browser, undecodable):
    doctor = open_browser()
    page = doctor.page
    doctor.log_in()
    page.goto("/readings/new/")
    doctor.new_patient(unique("IPP"))
    page.fill("[name=acquired_on]", "2024-01-01")
    page.set_input_files("#id_files", undecodable)
    page.click("#send")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
    expect(page.locator(".failure")).to_be_visible(timeout=60_000)
    expect(page.locator("#reading-state")).to_contain_text("failed")
    expect(page.locator(".failure code")).not_to_be_empty()
    doctor.shot("failed")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".failure")).to_be_visible(timeout=60_000)
    assert doctor.page.locator("#history tbody tr").count() == 1


def test_without_a_worker_the_page_says_so_and_goes_on_when_one_is_back(
    open_browser, stack, radiographs
):
    doctor = open_browser()
    page = doctor.page
    doctor.log_in()
    page.goto("/readings/new/")
    doctor.new_patient(unique("IPP"))
    page.fill("[name=acquired_on]", "2024-01-01")
    page.set_input_files("#id_files", radiographs(1))
    with stack.no_worker():
        page.click("#send")
        page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
        expect(page.locator(".waiting")).to_be_visible()
        doctor.shot("queued")
        expect(page.locator("[data-state=stalled]")).to_be_visible(timeout=25_000)
        doctor.shot("stalled")
    doctor.expect_reading(seconds=60)


def test_a_lost_connection_is_said_and_the_page_goes_on(open_browser, stack, radiographs):
    doctor = open_browser()
    page = doctor.page
    doctor.log_in()
    page.goto("/readings/new/")
    doctor.new_patient(unique("IPP"))
    page.fill("[name=acquired_on]", "2024-01-01")
    page.set_input_files("#id_files", radiographs(1))
    expect(page.locator(".file-facts")).to_be_visible()
    page.context.set_offline(True)
    page.click("#send")
    expect(page.locator(".file-error")).to_contain_text("connection was lost")
    doctor.expected_words |= {"htmx:sendError", "htmx:afterRequest"}
    with stack.no_worker():
        page.context.set_offline(False)  # It is sent by itself.
        page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
        page.context.set_offline(True)
        page.wait_for_timeout(4000)
        page.context.set_offline(False)
    doctor.expect_reading(seconds=60)


def test_without_javascript(open_browser, radiographs):
    doctor = open_browser(java_script_enabled=False)
    page = doctor.page
    doctor.log_in()
    page.goto("/readings/new/")
    identifier = unique("IPP")
    doctor.new_patient(identifier)
    page.fill("[name=acquired_on]", "2024-01-01")
    page.set_input_files("#id_files", radiographs(1))
    page.click("#send")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
    for _try in range(50):
        if page.locator(".result-class").count():
            break
        page.wait_for_timeout(200)
        page.reload()
    expect(page.locator(".result-class")).to_be_visible()
    page.get_by_role("switch").check()
    expect(page.locator(".viewer-map")).to_be_visible()
    page.goto("/patients/")
    page.fill("#patient-q", identifier)
    page.locator(".toolbar-search button").click()
    expect(page.locator("main tbody tr")).to_have_count(1)
