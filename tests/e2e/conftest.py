"""A real browser on the whole application. A console error or a CSP violation fails a test."""

from __future__ import annotations

import io
import re
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings

from tests.conftest import DATA
from tests.e2e.browser import ARGUMENTS, CHROMIUM, Doctor
from tests.e2e.stack import Stack
from tests.e2e.world import undecodable_bytes
from tests.radiology.factories import dicom_bytes

SHOTS = settings.BASE_DIR / "test-results"


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(180))


@pytest.fixture(scope="package")
def stack(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("stack"))
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture(scope="package")
def chromium():
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine (set CHROMIUM to its path)")
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=20_000)  # milliseconds; a busy machine is no failure
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_browser(chromium, stack, request):
    """``open_browser(language="en", width=1280, theme="light", ...)``: a doctor's browser."""
    doctors = []

    def make(
        *,
        language: str = "en",
        width: int = 1280,
        theme: str = "light",
        host: str = "127.0.0.1",
        **options,
    ) -> Doctor:
        url = stack.url.replace("127.0.0.1", host)
        context = chromium.new_context(
            base_url=url,
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            locale={"fr": "fr-FR", "en": "en-GB"}[language],
            **options,
        )
        context.set_default_timeout(20_000)
        name = re.sub(r"\W+", "-", request.node.name).strip("-")
        doctor = Doctor(context, url, language, SHOTS / name)
        doctors.append(doctor)
        return doctor

    yield make
    for doctor in doctors:
        # What was on the screen last: the first thing to look at after a failure.
        doctor.shots.mkdir(parents=True, exist_ok=True)
        doctor.page.screenshot(path=doctor.shots / "zz-last.png", full_page=True)
        doctor.page.context.close()
    for doctor in doctors:
        doctor.assert_nothing_was_wrong()


@pytest.fixture
def radiographs(tmp_path):
    """``radiographs(3)``: files of real chest radiographs, or generated ones without the data."""
    return partial(radiograph_files, tmp_path)


def radiograph_files(folder: Path, count: int) -> list[Path]:
    real = sorted((DATA / "dicom" / "rsna").glob("**/*.dcm"))
    made = []
    for number in range(count):
        path = folder / f"radiograph-{number}.dcm"
        if len(real) >= count:
            path.write_bytes(_as_new(real[number].read_bytes()))
        else:
            path.write_bytes(dicom_bytes(rows=1024, columns=1024, seed=number))
        made.append(path)
    return made


@pytest.fixture
def undecodable(tmp_path) -> Path:
    """A radiograph whose header is right and whose compressed pixels are damaged half-way."""
    path = tmp_path / "undecodable.dcm"
    path.write_bytes(undecodable_bytes())
    return path


def _as_new(content: bytes) -> bytes:
    """The same radiograph with a new SOP Instance UID, for tests share one installation, and of
    whichever patient a test makes up."""
    import pydicom
    from pydicom.uid import generate_uid

    dataset = pydicom.dcmread(io.BytesIO(content))
    dataset.SOPInstanceUID = generate_uid(prefix=None)
    for keyword in ("PatientAge", "PatientBirthDate", "PatientSex"):
        if keyword in dataset:
            del dataset[keyword]
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()
