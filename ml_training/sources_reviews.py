"""The doctors' judgements in the database as labels, without anybody's identity."""

from __future__ import annotations

from collections import Counter, defaultdict

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import Doctor
from inference.models import Label, Review
from operations.services import access_record
from patients.models import Patient
from radiology.errors import StorageUnavailableError
from radiology.models import Radiograph
from radiology.warnings import age_in_years

from .sources import Case, Source
from .splits import Groups

KIND = "reviews"
TERMS = (
    "Radiographs and judgements of this installation's doctors: for use inside the "
    "organisation that answers for them, not to be handed on."
)
# What usable_radiographs() asks.
CONSENT = (
    "Only radiographs of patients whose consent to this use was recorded as given, and not "
    "withdrawn, when this dataset was built. Before each later use, find what must be dropped "
    "since: manage.py dataset consents."
)
PSEUDONYMS = (
    "Patients, images and doctors are named by a hash under this installation's secret key; "
    "there are no dates, and ages above 90 are written as 90. The pixels are those of the "
    "radiographs: those that declare or seem to carry text are left out, unless an administrator "
    "has looked and found no identifying text. Not all text is found."
)
OLDEST_SHOWN = 90
BATCH = 500


def usable_radiographs() -> QuerySet[Radiograph]:
    """The radiographs that may become training data: **the** place of this rule.

    Those of patients who gave their consent. One person may be the patient of two doctors,
    which their radiographs' pixels tell: whoever shares an image with a patient who has
    withdrawn has withdrawn as well.
    """
    withdrawn = Radiograph.objects.filter(patient__training_consent=Patient.Consent.WITHDRAWN)
    theirs = Radiograph.objects.filter(pixel_sha256__in=withdrawn.order_by().values("pixel_sha256"))
    return Radiograph.objects.filter(patient__training_consent=Patient.Consent.GIVEN).exclude(
        patient__in=theirs.order_by().values("patient")
    )


def reviews_source() -> Source:
    """Each radiograph with the class on which all verified doctors who judged it agree.

    - Where they disagree and an administrator has decided, the decision counts.
    - A doctor's latest judgement of a radiograph counts, whichever analysis it was made on.
      Doctors who are not verified (any more) or whose account is closed are not heard.
    - The same pixels under two doctors are one image, and their patients one person, so that
      they can't be in two splits.
    - What a doctor marked on an image of an opacity is a box of it.
    - Left out and counted: ``no_consent`` (:func:`usable_radiographs`), ``doctors_disagree``,
      ``burned_in_annotation`` (the header declares text), ``text_not_searched`` and
      ``burned_in_text`` (the image may carry text, and no administrator has found it harmless).

    The reading is recorded as an access of the system, with its counts.
    """
    verdicts: dict[object, dict[int, str]] = defaultdict(dict)
    judged = Q(
        kind=Review.Kind.JUDGEMENT,
        doctor__verification=Doctor.Verification.VERIFIED,
        doctor__is_active=True,
    )
    heard = Review.objects.filter(judged | Q(kind=Review.Kind.DECISION))
    refused = heard.exclude(analysis__radiograph__in=usable_radiographs())
    refused = refused.order_by().values("analysis__radiograph").distinct().count()
    heard = heard.filter(analysis__radiograph__in=usable_radiographs())
    heard = heard.order_by("created_at", "pk")
    decided: dict[object, str] = {}
    regions: dict[object, dict[int, list[float]]] = defaultdict(dict)
    facts = heard.values_list("analysis__radiograph_id", "doctor_id", "kind", "label", "region")
    for radiograph, doctor, kind, label, region in facts.iterator():
        if kind == Review.Kind.DECISION:
            decided[radiograph] = label
        else:
            verdicts[radiograph][doctor] = label
            regions[radiograph][doctor] = region if label == Label.LUNG_OPACITY else None
    reviews = sum(len(by_doctor) for by_doctor in verdicts.values())

    images: dict[str, list[Radiograph]] = defaultdict(list)
    people = Groups()
    for radiograph in _radiographs(list(verdicts)):
        images[radiograph.pixel_sha256].append(radiograph)
    for same in images.values():
        people.join(*(radiograph.patient_id for radiograph in same))

    source = Source(KIND, TERMS, [], _read, dropped=+Counter(no_consent=refused))
    for same in images.values():
        labels = {label for each in same for label in verdicts[each.pk].values()}
        if len(labels) > 1:
            labels = {decided[each.pk] for each in same if each.pk in decided}
        if len(labels) != 1:
            source.dropped["doctors_disagree"] += 1
        elif any(_has_text(each) for each in same):
            source.dropped["burned_in_annotation"] += 1
        elif any(each.text_state == Radiograph.TextState.NOT_SEARCHED for each in same):
            source.dropped["text_not_searched"] += 1
        elif any(each.text_state not in Radiograph.TEXT_FREE for each in same):
            source.dropped["burned_in_text"] += 1
        else:
            case = _case(same[0], labels.pop(), people.name(same[0].patient_id))
            source.cases.append(case)
            if case.label == Label.LUNG_OPACITY:
                marked = [region for each in same for region in regions[each.pk].values() if region]
                source.boxes += [_box(case, same[0], region) for region in marked]
    source.cases.sort(key=lambda case: case.image_id)
    source.facts = {
        "reviews": reviews,
        "folded_rows": len(verdicts) - len(images),
        "consent": CONSENT,
    }
    source.notes = [CONSENT, PSEUDONYMS]
    access_record(
        actor=None,
        action="read",
        object_type="inference.review",
        object_id=(
            f"{timezone.now():%Y%m%dT%H%M%S.%f}:reviews={reviews}:radiographs={len(verdicts)}"
        ),
    )
    return source


def _radiographs(keys: list) -> list[Radiograph]:
    """Those radiographs with their patients, oldest first, so that the outcome is the same."""
    found: list[Radiograph] = []
    for start in range(0, len(keys), BATCH):
        batch = Radiograph.objects.filter(pk__in=keys[start : start + BATCH])
        found += batch.select_related("patient")
    return sorted(found, key=lambda radiograph: radiograph.pk)


def _has_text(radiograph: Radiograph) -> bool:
    return any(entry.get("code") == "burned_in_annotation" for entry in radiograph.warnings)


def _case(radiograph: Radiograph, label: str, person: object) -> Case:
    age = age_in_years(radiograph.patient.birth_date, radiograph.acquired_on)
    return Case(
        image_id=pseudonym("image", radiograph.pk),
        label=label,
        patient=pseudonym("patient", person),
        path=radiograph.file.name,
        state=radiograph.sha256,
        sex=radiograph.patient.sex,
        age=str(min(age, OLDEST_SHOWN)),
        view=radiograph.view_position,
        origin="practice-" + pseudonym("doctor", radiograph.owner_id)[:8],
    )


def _box(case: Case, radiograph: Radiograph, region: list[float]) -> dict:
    """An opacity that a doctor marked, in pixels of the image as it was."""
    left, top, right, bottom = region
    return {
        "image_id": case.image_id,
        "x": round(left * radiograph.columns, 1),
        "y": round(top * radiograph.rows, 1),
        "width": round((right - left) * radiograph.columns, 1),
        "height": round((bottom - top) * radiograph.rows, 1),
    }


def pseudonym(kind: str, key: object) -> str:
    """A name of 128 bits for the row ``key``, that nobody can trace back without SECRET_KEY."""
    made = salted_hmac(f"pneumoniapp.dataset.{kind}", str(key), algorithm="sha256")
    return made.hexdigest()[:32]


def _read(case: Case) -> bytes:
    """The stored file. A storage that fails is not a file that is not there: see ``Source``."""
    try:
        with Radiograph._meta.get_field("file").storage.open(case.path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise
    except Exception as error:
        raise StorageUnavailableError from error
