"""A dataset in the challenge's layout."""

import pytest

from tests.radiology.factories import dicom_bytes

from .challenge import CLASSES, write_csv


@pytest.fixture
def challenge(tmp_path):
    """Thirty images in the challenge's layout; those of number 2 in three have an opacity with
    two boxes. ``patients.csv`` gives every person two images."""
    folder = tmp_path / "challenge"
    (folder / "stage_2_train_images").mkdir(parents=True)
    classes, boxes, people = [], [], []
    for number in range(30):
        name, kind = f"image-{number:02}", CLASSES[number % 3]
        content = dicom_bytes(
            rows=96,
            columns=80,
            seed=number,
            PatientSex="FM"[number % 2],
            PatientAge=f"{20 + number:03}Y",
            ViewPosition="AP" if number % 2 else "PA",
        )
        (folder / "stage_2_train_images" / f"{name}.dcm").write_bytes(content)
        opaque = kind == "Lung Opacity"
        sides = {"x": "10.0", "y": "20", "width": "30", "height": "40"}
        for _box in range(2 if opaque else 1):
            classes.append({"patientId": name, "class": kind})
            here = sides if opaque else dict.fromkeys(sides, "")
            boxes.append({"patientId": name, **here, "Target": str(int(opaque))})
        people.append({"patientId": name, "nih_patient": f"person-{number // 6}-{number % 3}"})
    write_csv(folder / "stage_2_detailed_class_info.csv", classes)
    write_csv(folder / "stage_2_train_labels.csv", boxes)
    write_csv(folder / "patients.csv", people)
    return folder
