"""The report about a dataset: what it counts, warns of, finds twice and shows."""

import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from inference.models import LABELS
from ml_training.data_facts import age_band, one_class_values, telling
from ml_training.data_report import write_report
from ml_training.duplicates import Duplicates, find_duplicates, impression_of
from ml_training.plots import new_figure, style, svg
from tests.ml_training.test_dataset_build import read_csv, write_csv
from tests.radiology.factories import chest_pixels


def chest(seed, side=256):
    """A chest with structure of its own, so that two seeds are two people."""
    random = np.random.default_rng(seed)
    image = chest_pixels(side, side, bits_stored=8, seed=seed).astype(np.float32)
    for _ in range(60):
        centre = tuple(int(value) for value in random.integers(0, side, 2))
        radius = int(random.integers(4, side // 6))
        shadow = cv2.circle(np.zeros_like(image), centre, radius, float(random.normal(0, 40)), -1)
        image += cv2.GaussianBlur(shadow, (0, 0), 3)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture
def dataset(tmp_path):
    """Forty images, one a patient; opacities come from one place, all others from another."""
    folder = tmp_path / "mine"
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(40):
        label = LABELS[number % 3]
        file = f"images/{number}.png"
        cv2.imwrite(str(folder / file), chest(number))
        rows.append(
            {
                "image_id": f"i{number}",
                "label": label,
                "patient": f"p{number}",
                "sex": "FM"[number % 2],
                "age": str(30 + number),
                "view": "PA",
                "origin": "south" if label == "lung_opacity" else "north",
                "split": "val" if number % 5 == 0 else "train",
                "file": file,
            }
        )
    write_csv(folder / "index.csv", rows)
    return folder


def change(folder, number, **values) -> None:
    rows = read_csv(folder / "index.csv")
    rows[number].update(values)
    write_csv(folder / "index.csv", rows)


def report_of(folder, language="en"):
    """The warnings and the page, whose numbers are read in English unless said."""
    with translation.override(language):
        warnings = write_report(folder, folder.parent / "report.html")
    return warnings, (folder.parent / "report.html").read_text(encoding="utf-8")


def number_in(page, text) -> int:
    """The number in the cell after the header cell ``text``."""
    found = re.search(rf"<th[^>]*>{re.escape(text)}</th><td[^>]*>\s*(\d+)", page)
    assert found, text
    return int(found[1])


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.addresses, self.ids = set(), [], []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "action", "data"):
                self.addresses.append(value)
            if name == "id":
                self.ids.append(value)


def test_one_file_that_loads_nothing(dataset):
    _warnings, page = report_of(dataset)

    links = Links()
    links.feed(page)
    assert all(each.startswith(("#", "data:image/jpeg;base64,")) for each in links.addresses)
    assert {each[1:] for each in links.addresses if each.startswith("#")} <= set(links.ids)
    assert len(links.ids) == len(set(links.ids))
    assert not links.tags & {"script", "link", "iframe", "object"}
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_counts_classes_splits_and_patients(dataset):
    _warnings, page = report_of(dataset)

    assert "40 images of 40 patients." in page
    line = re.search(r"<th scope=\"row\">validation</th>(.*?)</tr>", page)[1]
    assert [int(n) for n in re.findall(r"number\">(\d+)", line)] == [3, 2, 3, 8, 8]
    # Six examples of each class and the three nearest pairs.
    assert page.count("<img") == 3 * 6 + 2 * 3


def test_warns_where_the_origin_tells_the_class(dataset):
    warnings, page = report_of(dataset)

    # Two classes share the north: one is right, the other never, and the south is always.
    assert [warning for warning in warnings if "origin 67%" in warning]
    change_all = read_csv(dataset / "index.csv")
    for number, row in enumerate(change_all):
        row["origin"] = "south" if number // 3 % 2 else "north"
    write_csv(dataset / "index.csv", change_all)
    warnings, page = report_of(dataset)
    assert warnings == []
    assert "Warning." not in page


def test_names_the_origins_that_give_the_class_away():
    rows = [{"origin": "a", "label": "normal"}] * 95 + [{"origin": "a", "label": "not_normal"}] * 5
    rows += [{"origin": "b", "label": "normal"}] * 29 + [{"origin": "c", "label": "x"}] * 40
    rows += [{"origin": "c", "label": "normal"}] * 40

    assert one_class_values(rows, "origin") == [("a", "normal", 100, 0.95)]


def test_a_value_of_its_own_tells_nothing():
    random = np.random.default_rng(3)
    rows = [
        {"id": str(number), "coin": str(random.integers(2)), "label": LABELS[number % 3]}
        for number in range(3000)
    ]

    assert telling(rows, "id") <= 1 / 3
    assert telling(rows, "coin") == pytest.approx(1 / 3, abs=0.04)
    assert telling(rows, "label") == 1


def test_tells_what_is_missing(dataset):
    change(dataset, 0, sex="", age="")
    change(dataset, 1, age="412")
    change(dataset, 2, label="Pneumonia")
    change(dataset, 3, view="")
    (dataset / "images" / "4.png").unlink()
    (dataset / "images" / "6.png").write_bytes(b"no image")

    warnings, page = report_of(dataset)

    for text, number in {
        "image file": 2,
        "class": 1,
        "sex": 1,
        "age": 1,
        "age above 120, or none of a person": 1,
        "view": 1,
        "origin": 0,
        "split": 0,
    }.items():
        assert number_in(page, text) == number
    assert "Files that are missing or no images: 2." in warnings
    assert "Images without a class that is known: 1." in warnings
    assert "Ages that no person has, read as not known: 1." in warnings


def test_warns_of_a_patient_in_two_splits(dataset):
    assert "No patient is in two splits." in report_of(dataset)[1]
    change(dataset, 0, patient="p1")

    warnings, page = report_of(dataset)

    assert "1 patients are in more than one split." in warnings[0]
    assert "No patient is in two splits." not in page


def test_finds_a_copy_in_another_split(dataset):
    image = cv2.imread(str(dataset / "images" / "0.png"), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(image, (150, 150), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(dataset / "images" / "1.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 40])
    change(dataset, 1, file="images/1.jpg")

    warnings, page = report_of(dataset)

    assert "Pairs of nearly the same image of different patients in two splits: 1." in warnings
    assert number_in(page, "of different patients, in two splits") == 1
    assert number_in(page, "of different patients, with different classes") == 1
    assert "<code>i0</code>" in page
    assert "<code>i1</code>" in page


def changed(image):
    yield cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 0)
    yield cv2.resize(image, (128, 128), interpolation=cv2.INTER_AREA)
    yield (255 * (image / 255.0) ** 0.7).astype(np.uint8)
    yield np.clip((image.astype(float) - 30) * 1.3, 0, 255).astype(np.uint8)


def duplicates_of(images, **facts) -> Duplicates:
    count = len(images)
    default = {
        "splits": np.array(["train"] * count),
        "patients": np.arange(count),
        "labels": np.array(["normal"] * count),
    }
    return find_duplicates([impression_of(image) for image in images], **(default | facts))


def test_copies_are_near_and_people_are_not():
    people = [chest(seed) for seed in range(12)]
    assert duplicates_of(people) == Duplicates()

    for image in people:
        for copy in changed(image):
            assert duplicates_of([image, copy]).within_split == 1


def test_counts_pairs_by_what_they_share():
    image, other = chest(1), chest(2)

    found = duplicates_of(
        [image, image, image, other, other],
        splits=np.array(["train", "train", "val", "train", "train"]),
        patients=np.array(["a", "b", "c", "d", "d"]),
        labels=np.array(["normal", "normal", "not_normal", "normal", "normal"]),
    )

    assert found == Duplicates(
        across_splits=2,
        within_split=1,
        same_patient=1,
        other_class=2,
        across=[(0, 2, 0), (1, 2, 0)],
    )


def test_pairs_are_found_in_every_block(monkeypatch):
    monkeypatch.setattr("ml_training.duplicates.BLOCK", 3)
    images = [chest(seed) for seed in range(8)]

    found = duplicates_of(
        [*images, images[1], images[7]], splits=np.array(["train"] * 8 + ["val"] * 2)
    )

    assert found.across == [(1, 8, 0), (7, 9, 0)]


def test_blank_images_are_no_copies():
    blank = np.zeros((80, 80), np.uint8)

    assert duplicates_of([blank, blank]).within_split == 0
    assert find_duplicates([], splits=[], patients=[], labels=[]) == Duplicates()


@pytest.mark.parametrize(
    ("age", "band"), [("0", "0-9"), ("49.5", "40-49"), ("97", "90+"), ("", ""), ("200", "")]
)
def test_ages_go_into_decades(age, band):
    assert age_band({"age": age}) == band


def test_an_index_that_says_little_is_shown_all_the_same(tmp_path):
    folder = tmp_path / "little"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), chest(1))
    write_csv(folder / "index.csv", [{"file": "a.png", "label": "normal"}])

    warnings, page = report_of(folder)

    assert warnings == ["Values that are not known, of all images: sex 100%, age 100%, view 100%."]
    assert "No age is known." in page
    assert "1 images of 1 patients." in page


def test_the_command_writes_it_in_either_language(dataset, tmp_path):
    for language in ("en", "fr"):
        out = tmp_path / f"{language}.html"
        call_command(
            "dataset", "report", str(dataset), "--out", str(out), "--language", language,
            verbosity=0,
        )  # fmt: skip
    english, french = ((tmp_path / f"{name}.html").read_text() for name in ("en", "fr"))
    assert '<html lang="en">' in english
    assert "Lung opacity" in english
    assert '<html lang="fr">' in french
    assert "Opacité pulmonaire" in french

    with pytest.raises(CommandError, match="dataset_invalid"):
        call_command("dataset", "report", str(tmp_path), "--out", str(out), verbosity=0)


def test_a_name_can_do_nothing_in_the_page(dataset):
    change(dataset, 0, origin="<script>alert(1)</script>", label='"><b>')

    _warnings, page = report_of(dataset)

    links = Links()
    links.feed(page)
    assert not links.tags & {"script", "b"}


def test_the_same_figure_is_the_same_text_and_can_be_there_twice_with_another():
    def drawn(value):
        with style():
            figure = new_figure()
            figure.subplots().plot([0, value], marker="o")
            return svg(figure, 'a "line" & <more>')

    assert drawn(1) == drawn(1)
    ids = [set(re.findall(r' id="([^"]+)"', drawn(value))) for value in (1, 2)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert 'aria-label="a &quot;line&quot; &amp; &lt;more&gt;"' in drawn(1)


@pytest.mark.real_data
def test_the_real_data_warns_of_its_origins(real_data, tmp_path):
    with translation.override("en"):
        warnings = write_report(real_data / "rsna" / "index.csv", tmp_path / "report.html")

    page = (tmp_path / "report.html").read_text()
    assert "origin 76%, size of the image 53%, view 51%" in warnings[0]
    assert "COVID-Net: 100% of its 837 images are “Normal”." in page
    for text in ("in two splits", "in one split", "with different classes"):
        assert number_in(page, f"of different patients, {text}") == 0
