"""The search for burned-in text, and what an administrator says of what it found."""

import cv2
import numpy as np
import pytest
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.urls import reverse

from operations.models import AccessEvent
from radiology.burned_in import regions_of, text_suspected
from radiology.dicom.render import render
from radiology.models import Radiograph
from radiology.text_checks import text_boxes, text_decide, text_record
from radiology.text_errors import NoTextSuspectedError
from radiology.warnings import TEXT_SUSPECTED, warning_sentence, warnings_now
from tests.accounts.factories import AdminFactory
from tests.radiology.factories import RadiographFactory, chest_pixels, dicom_bytes

NAME = "MARTIN JEANNE 1951-03-12"
REGION = [0.1, 0.2, 0.5, 0.25]
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)


def film() -> np.ndarray:
    return chest_pixels(1024, 896, bits_stored=8)


def with_text(text: str, *, white=True, font=FONTS[0], scale=1.0, thick=2) -> np.ndarray:
    """Written near the lower left corner; black on what is not black."""
    image = film().copy()
    if not white:
        image[900:] = 140
    cv2.putText(image, text, (30, 980), font, scale, 255 if white else 0, thick, cv2.LINE_AA)
    return image


def suspected(**facts) -> Radiograph:
    radiograph = RadiographFactory(text_state="", **facts)
    text_record(radiograph=radiograph, regions=[REGION])
    radiograph.refresh_from_db()
    return radiograph


@pytest.mark.parametrize("white", [True, False])
@pytest.mark.parametrize("font", FONTS)
@pytest.mark.parametrize("scale", [0.8, 1.0, 1.6])
def test_a_name_is_found_where_it_stands(white, font, scale):
    thick = round(2 * scale)
    lines = text_suspected(with_text(NAME, white=white, font=font, scale=scale, thick=thick))

    assert any(line.left < 100 and line.right > 130 and 900 < line.bottom < 1010 for line in lines)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_film_that_was_turned_shows_its_text_too(turns):
    assert text_suspected(np.ascontiguousarray(np.rot90(with_text(NAME), turns)))


def test_a_film_without_text_is_not_flagged():
    assert text_suspected(film()) == []
    assert text_suspected(chest_pixels(256, 224, bits_stored=8)) == []
    noise = np.random.default_rng(3).integers(0, 255, (600, 600)).astype(np.uint8)
    assert text_suspected(noise) == []
    assert text_suspected(np.zeros((600, 600), np.uint8)) == []


@pytest.mark.parametrize("marker", ["L", "R", "PA", "AP"])
def test_a_side_marker_is_no_text(marker):
    assert text_suspected(with_text(marker, scale=1.6, thick=4)) == []


def test_large_films_are_searched_at_a_bounded_size():
    image = cv2.resize(film(), None, fx=3.5, fy=3.5)
    cv2.putText(image, NAME, (100, 3450), FONTS[0], 3, 255, 6, cv2.LINE_AA)

    (left, top, right, bottom), *_more = regions_of(image)

    assert left < 0.1
    assert 0.9 < top < bottom <= 1
    assert right > 0.2


@pytest.mark.real_data
def test_real_films_are_flagged_for_their_words_alone(real_data):
    """Of these, words that somebody saw (PORTABLE, SUPINE) stand on about one in five."""
    films = [render(path) for path in sorted((real_data / "dicom/rsna").rglob("*.dcm"))[1::6]]
    flagged = sum(bool(text_suspected(image)) for image in films)
    assert len(films) == 25
    assert flagged <= 9
    found = 0
    for image in films:
        image = image.copy()
        image[-60:] = 40
        cv2.putText(image, NAME, (20, 1000), FONTS[0], 0.9, 255, 2, cv2.LINE_AA)
        found += bool(text_suspected(image))
    assert found >= 23


@pytest.mark.django_db
def test_what_was_found_is_kept_once_and_told(english):
    radiograph = suspected(warnings=[{"code": "view_unknown"}])
    text_record(radiograph=radiograph, regions=[])
    radiograph.refresh_from_db()

    assert radiograph.text_state == "suspected"
    entry = {"code": TEXT_SUSPECTED, "regions": [REGION]}
    assert warnings_now(radiograph) == [{"code": "view_unknown"}, entry]
    assert "seems to carry text" in warning_sentence(entry)
    (box,) = text_boxes(radiograph)
    assert box == {"x": 22, "y": 51, "width": 90, "height": 13}

    clean = RadiographFactory(text_state="")
    text_record(radiograph=clean, regions=[])
    clean.refresh_from_db()
    assert (clean.text_state, clean.warnings) == ("not_found", [])


@pytest.mark.django_db
def test_who_said_what_and_when_is_kept_and_recorded():
    admin, radiograph = AdminFactory(), suspected()

    text_decide(radiograph=radiograph, by=admin, identifying=True)
    radiograph.refresh_from_db()
    assert radiograph.text_state == "identifying"
    assert len(warnings_now(radiograph)) == 1

    text_decide(radiograph=radiograph, by=admin, identifying=False)
    radiograph.refresh_from_db()
    assert (radiograph.text_state, radiograph.text_decided_by) == ("harmless", admin)
    assert radiograph.text_decided_at
    assert warnings_now(radiograph) == []
    events = AccessEvent.objects.filter(actor=admin, action="update", object_id=radiograph.pk)
    assert events.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["", "not_found"])
def test_nothing_is_decided_where_nothing_was_found(state):
    radiograph = RadiographFactory(text_state=state)

    with pytest.raises(NoTextSuspectedError):
        text_decide(radiograph=radiograph, by=AdminFactory(), identifying=False)

    radiograph.refresh_from_db()
    assert radiograph.text_state == state
    assert not AccessEvent.objects.exists()


def addresses(radiograph) -> tuple[str, str, str]:
    names = ("change", "picture", "text")
    return tuple(reverse(f"admin:radiology_radiograph_{n}", args=[radiograph.pk]) for n in names)


@pytest.mark.django_db
def test_an_administrator_finds_it_looks_and_answers(admin, admin_client):
    radiograph, other = suspected(), RadiographFactory()
    radiograph.preview.save("", ContentFile(b"\xff\xd8\xff"))
    page, picture, answer = addresses(radiograph)
    waiting = reverse("admin:radiology_radiograph_changelist") + "?text_state__exact=suspected"

    listed = admin_client.get(waiting).text
    assert str(radiograph.pk) in listed
    assert str(other.pk) not in listed
    shown = admin_client.get(page).text
    assert picture in shown
    assert '<rect x="22" y="51" width="90" height="13"' in shown
    sent = admin_client.get(picture)
    assert b"".join(sent.streaming_content) == b"\xff\xd8\xff"
    looked = AccessEvent.objects.filter(actor=admin, action="read", object_id=radiograph.pk)
    assert looked.exists()

    admin_client.post(answer, {"answer": "perhaps"})
    radiograph.refresh_from_db()
    assert radiograph.text_state == "suspected"
    told = admin_client.post(answer, {"answer": "harmless"}, follow=True)
    radiograph.refresh_from_db()
    assert (radiograph.text_state, radiograph.text_decided_by) == ("harmless", admin)
    assert told.redirect_chain[0][0] == waiting
    assert str(radiograph.pk) not in told.text
    assert admin_client.get(answer).status_code == 405


@pytest.mark.django_db
def test_images_that_carry_no_text_are_the_doctors_alone(admin_client):
    radiograph = RadiographFactory(text_state="not_found")
    radiograph.preview.save("", ContentFile(b"\xff\xd8\xff"))
    page, picture, answer = addresses(radiograph)

    assert picture not in admin_client.get(page).text
    assert admin_client.get(picture).status_code == 404
    assert admin_client.post(answer, {"answer": "harmless"}).status_code == 404


@pytest.mark.django_db
def test_only_who_may_change_radiographs_looks_and_answers(client_for):
    radiograph = suspected()
    radiograph.preview.save("", ContentFile(b"\xff\xd8\xff"))
    page, picture, answer = addresses(radiograph)
    looks = AdminFactory(is_superuser=False)
    names = ("view_radiograph", "view_patient")
    looks.user_permissions.set(Permission.objects.filter(codename__in=names))

    staff = client_for(looks)
    assert picture not in staff.get(page).text
    assert staff.get(picture).status_code == 403
    assert staff.post(answer, {"answer": "harmless"}).status_code == 403
    owner = client_for(radiograph.owner)
    assert owner.get(picture).status_code in (302, 403)
    assert owner.post(answer, {"answer": "harmless"}).status_code in (302, 403)
    radiograph.refresh_from_db()
    assert radiograph.text_state == "suspected"


@pytest.mark.django_db
def test_radiographs_from_before_the_search_are_searched(capsys):
    radiograph = RadiographFactory(text_state="")
    named = RadiographFactory(text_state="", rows=1024, columns=896)
    storage, name = named.file.storage, named.file.name
    storage.delete(name)
    storage.save(name, ContentFile(dicom_bytes(pixels=with_text(NAME))))
    lost = RadiographFactory(text_state="")
    lost.file.storage.delete(lost.file.name)

    call_command("search_text")

    states = [Radiograph.objects.get(pk=one.pk).text_state for one in (radiograph, named, lost)]
    assert states == ["not_found", "suspected", ""]
    assert "searched: 2, to be looked at: 1\nnot searched: 1" in capsys.readouterr().out
