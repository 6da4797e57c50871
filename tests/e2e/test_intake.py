"""Folders and archives over a line that breaks: everything arrives, each file with its line."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.radiology.archives import archive_bytes
from tests.radiology.factories import dicom_bytes


def folder_of(path: Path, count: int, *, first: int = 0) -> Path:
    (path / "series").mkdir(parents=True)
    for number in range(first, first + count):
        (path / "series" / f"{number}.dcm").write_bytes(dicom_bytes(seed=number))
    (path / "read me.txt").write_text("no radiograph " * 50)
    return path


def expect_counts(page, **counts) -> None:
    for state, count in counts.items():
        expect(page.locator(f"#summary [data-count={state}] dd")).to_have_text(
            str(count), timeout=90_000
        )


def break_line(page) -> list[str]:
    """Let some requests get lost on their way: files, and a piece of a large one."""
    seen, lost = {"POST": 0, "PATCH": 0}, []

    def pass_on(route) -> None:
        method = route.request.method
        seen[method] = seen.get(method, 0) + 1
        if (method, seen[method]) in {("POST", 1), ("POST", 5), ("POST", 6), ("PATCH", 2)}:
            lost.append(method)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/readings/new/", pass_on)
    page.route(re.compile(r"/uploads/[0-9a-f-]{36}/$"), pass_on)
    return lost


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (360, "dark")])
def test_two_folders_and_an_archive_over_a_bad_line(open_browser, tmp_path, width, theme):
    doctor = open_browser(width=width, theme=theme)
    doctor.expected_status = {400}  # What looking into a text says.
    page = doctor.page
    first = folder_of(tmp_path / "first", 8)
    (first / "large.dcm").write_bytes(dicom_bytes(rows=2500, columns=2000))
    second = folder_of(tmp_path / "second", 9, first=8)
    doctor.log_in()
    identifier = f"IPP-{time.time_ns() % 10**10}"
    page.goto("/readings/new/")
    doctor.new_patient(identifier)
    page.set_input_files("#id_folder", first)
    page.set_input_files("#id_folder", second)
    expect(page.locator("#file-list > .file-line")).to_have_count(20)
    expect(page.locator(".file-line[data-state=skipped]")).to_have_count(2)
    lost = break_line(page)
    page.click("#send")
    expect_counts(page, accepted=18, duplicate=0, refused=0, skipped=2)
    expect(page.locator("#upload-status")).to_contain_text("All files are sent")
    assert sorted(lost) == ["PATCH", "POST", "POST", "POST"]
    doctor.shot("folders")
    with page.expect_download() as download:
        page.click("[data-problems]")
    said = Path(download.value.path()).read_text("utf-8-sig").splitlines()
    assert len(said) == 3
    assert '"first/read me.txt","skipped","not_dicom"' in said[1]

    # The same again, as an archive, after the page was left: nothing is stored twice.
    page.unroute_all(behavior="ignoreErrors")
    page.reload()
    archive = tmp_path / "all.zip"
    files = sorted(path for path in (*first.rglob("*"), *second.rglob("*")) if path.is_file())
    new = ("new.dcm", dicom_bytes(rows=300))
    broken = ("../../broken.dcm", b"x")
    named = [(str(path.relative_to(tmp_path)), path.read_bytes()) for path in files]
    archive.write_bytes(archive_bytes(*named, new, broken))
    page.get_by_label(re.compile(identifier)).check()
    page.set_input_files("#id_files", archive)
    page.click("#send")
    expect_counts(page, accepted=1, duplicate=18, refused=1, skipped=2)
    expect(page.locator("#upload-status")).to_contain_text("not accepted")
    expect(page.locator(".file-parts > .file-line")).to_have_count(22)
    doctor.shot("archive")
    page.click("#to-patient")
    expect(page.locator("h1")).to_contain_text(identifier)


def test_a_folder_that_is_dropped_is_walked(open_browser, tmp_path):
    """With what a browser gives for a dropped folder, which no script can make by itself."""
    doctor = open_browser()
    doctor.expected_status = {400}
    page = doctor.page
    doctor.log_in()
    page.goto("/readings/new/")
    page.evaluate(
        """() => {
            const file = (path) => ({
                isFile: true, fullPath: path,
                file: (give) => give(new File(["no radiograph"], path.split("/").pop())),
            });
            const folder = (path, inner) => ({
                isFile: false, isDirectory: true, fullPath: path,
                createReader: () => {
                    const parts = [inner.slice(0, 1), inner.slice(1), []];
                    return { readEntries: (give) => give(parts.shift()) };
                },
            });
            const tree = [
                folder("/a", [file("/a/2"), folder("/a/b", [file("/a/b/1")]), file("/a/3")]),
                folder("/c", [file("/c/1")]),
            ];
            const event = new Event("drop", {bubbles: true, cancelable: true});
            event.dataTransfer = {
                items: tree.map((entry) => ({webkitGetAsEntry: () => entry})), files: [],
            };
            document.querySelector("[data-dropzone]").dispatchEvent(event);
        }"""
    )
    expect(page.locator(".file-line .file-name")).to_have_text(["a/2", "a/3", "a/b/1", "c/1"])
    expect(page.locator(".file-line[data-state=skipped]")).to_have_count(4)


def test_a_confirmation_counts_for_what_was_shown_alone(open_browser, tmp_path):
    """An archive's files are somebody's that nobody has seen, however the box was ticked before."""
    doctor = open_browser(language="en")
    doctor.expected_status = {422}
    page = doctor.page
    doctor.log_in()
    page.goto("/readings/new/")
    doctor.new_patient(f"IPP-{time.time_ns() % 10**10}", birth_date="1950-03-02")
    loose, archive = tmp_path / "loose.dcm", tmp_path / "two.zip"
    loose.write_bytes(dicom_bytes(seed=71, PatientBirthDate="19510101"))
    other = dicom_bytes(seed=72, PatientBirthDate="19620202")
    archive.write_bytes(archive_bytes(("other.dcm", other)))
    page.set_input_files("#id_files", [loose, archive])
    page.check("#id_confirm_mismatch")
    page.click("#send")
    expect(page.locator(".file-line[data-state=accepted]")).to_have_count(1, timeout=20_000)
    part = page.locator(".file-parts > .file-line")
    expect(part).to_have_attribute("data-state", "refused")
    expect(part.locator(".file-warnings")).to_contain_text("1962")
    doctor.shot("somebody-else")
    page.click("#send")
    expect(part).to_have_attribute("data-state", "accepted", timeout=20_000)
