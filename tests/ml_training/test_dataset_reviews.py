"""Datasets from the doctors' judgements: whose count, what is left out, what never leaves."""

import csv
import json

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

from inference.models import Review
from ml_training.dataset_build import build_dataset
from ml_training.sources_reviews import pseudonym, reviews_source, usable_radiographs
from operations.models import AccessEvent
from patients.models import Patient
from patients.services import patient_update
from radiology.models import Radiograph
from radiology.text_checks import text_decide
from tests.accounts.factories import AdminFactory, DoctorFactory
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory
from tests.radiology.factories import RadiographFactory

pytestmark = pytest.mark.django_db


def review(radiograph, label, *, doctor=None, analysis=None, consent="given") -> Review:
    Patient.objects.filter(pk=radiograph.patient_id).update(training_consent=consent)
    analysis = analysis or radiograph.analyses.filter(is_current=True).first()
    analysis = analysis or AnalysisFactory(radiograph=radiograph)
    return Review.objects.create(
        analysis=analysis,
        doctor=doctor or radiograph.owner,
        verdict="approved" if label == analysis.label else "contested",
        label=label,
        is_current=None,
    )


def labels() -> dict[str, str]:
    return {case.image_id: case.label for case in reviews_source().cases}


def name_of(radiograph) -> str:
    return pseudonym("image", radiograph.pk)


def same_pixels(first, second) -> None:
    Radiograph.objects.filter(pk=second.pk).update(pixel_sha256=first.pixel_sha256)


def test_the_latest_judgement_counts_on_whichever_analysis():
    radiograph, other = RadiographFactory(), RadiographFactory()
    review(radiograph, "lung_opacity")
    review(radiograph, "normal")
    old = AnalysisFactory(radiograph=other, is_current=None)
    review(other, "normal", analysis=AnalysisFactory(radiograph=other))
    review(other, "not_normal", analysis=old)

    assert labels() == {name_of(radiograph): "normal", name_of(other): "not_normal"}


def test_doctors_who_disagree_are_left_out_until_they_agree():
    radiograph = RadiographFactory()
    second = DoctorFactory()
    review(radiograph, "normal")
    review(radiograph, "lung_opacity", doctor=second)

    source = reviews_source()
    assert not source.cases
    assert source.dropped == {"doctors_disagree": 1}

    review(radiograph, "normal", doctor=second)
    assert labels() == {name_of(radiograph): "normal"}


@pytest.mark.parametrize(
    "change", [{"verification": "pending"}, {"verification": "suspended"}, {"is_active": False}]
)
def test_only_verified_doctors_are_heard(change):
    radiograph = RadiographFactory()
    review(radiograph, "normal")
    unheard = DoctorFactory(**change)
    review(radiograph, "lung_opacity", doctor=unheard)
    review(RadiographFactory(), "lung_opacity", doctor=unheard)

    assert labels() == {name_of(radiograph): "normal"}


def test_burned_in_text_is_left_out():
    radiograph = RadiographFactory(warnings=[{"code": "burned_in_annotation"}])
    review(radiograph, "normal")

    source = reviews_source()

    assert not source.cases
    assert source.dropped == {"burned_in_annotation": 1}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("", "text_not_searched"),
        ("suspected", "burned_in_text"),
        ("identifying", "burned_in_text"),
    ],
)
def test_an_image_that_may_carry_text_waits_for_an_administrator(state, reason):
    radiograph = RadiographFactory(text_state=state)
    review(radiograph, "normal")

    source = reviews_source()
    assert not source.cases
    assert source.dropped == {reason: 1}

    Radiograph.objects.update(text_state="suspected")
    text_decide(radiograph=radiograph, by=AdminFactory(), identifying=False)
    assert labels() == {name_of(radiograph): "normal"}


def test_text_under_one_doctor_is_text_under_the_other():
    first, second = (
        RadiographFactory(text_state="harmless"),
        RadiographFactory(text_state="suspected"),
    )
    same_pixels(first, second)
    for radiograph in (first, second):
        review(radiograph, "normal")

    assert reviews_source().dropped == {"burned_in_text": 1}


def test_the_same_image_under_two_doctors_is_one_and_its_patients_are_one_person():
    first, second = RadiographFactory(), RadiographFactory()
    further = RadiographFactory(patient=second.patient)
    same_pixels(first, second)
    for radiograph in (first, second, further):
        review(radiograph, "normal")

    cases = {case.image_id: case for case in reviews_source().cases}

    assert set(cases) == {name_of(first), name_of(further)}
    assert len({case.patient for case in cases.values()}) == 1


def test_the_same_image_with_two_classes_is_left_out():
    first, second = RadiographFactory(), RadiographFactory()
    same_pixels(first, second)
    review(first, "normal")
    review(second, "lung_opacity")

    source = reviews_source()

    assert not source.cases
    assert source.dropped == {"doctors_disagree": 1}


def test_no_identity_leaves(tmp_path):
    doctor = DoctorFactory(last_name="Nomrare")
    radiographs = [
        RadiographFactory(
            patient=PatientFactory(owner=doctor, identifier=f"SECRET-{number}"), rows=200 + number
        )
        for number in range(5)
    ]
    for radiograph in radiographs:
        review(radiograph, "normal", doctor=doctor)
    radiographs[0].file.storage.delete(radiographs[0].file.name)

    facts = build_dataset(reviews_source(), tmp_path / "out")

    assert facts["refused"]["images"] == {name_of(radiographs[0]): "image_missing"}
    told = "".join(
        path.name + (path.read_text() if path.suffix != ".png" else "")
        for path in (tmp_path / "out").rglob("*.*")
    )
    for radiograph in radiographs:
        patient = radiograph.patient
        for secret in (
            patient.identifier,
            str(patient.pk),
            patient.pk.hex,
            str(radiograph.pk),
            radiograph.pk.hex,
            radiograph.sop_instance_uid,
            patient.birth_date.isoformat(),
            radiograph.acquired_on.isoformat(),
            radiograph.file.name,
            doctor.email,
            doctor.last_name,
        ):
            assert secret not in told
    with (tmp_path / "out" / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert all(row["sex"] and row["age"] and row["view"] == "PA" for row in rows)


def test_a_storage_that_fails_ends_the_build_and_refuses_nothing(tmp_path, settings, fail_storage):
    for number in range(3):
        review(RadiographFactory(rows=200 + number), "normal")
    arguments = ["dataset", "build", "--reviews", "--out", str(tmp_path / "out")]
    before = settings.STORAGES
    fail_storage()

    with pytest.raises(CommandError, match=r"does not answer at the moment.*takes it up"):
        call_command(*arguments, verbosity=0)

    assert not (tmp_path / "out").exists()
    settings.STORAGES = before
    call_command(*arguments, verbosity=0)
    facts = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert sum(facts["images"].values()) == 3
    assert facts["refused"]["count"] == 0


def test_another_key_gives_other_names(settings):
    before = pseudonym("patient", 1)
    assert before == pseudonym("patient", 1)
    assert before != pseudonym("image", 1)
    settings.SECRET_KEY = "another"
    assert before != pseudonym("patient", 1)


def test_great_ages_are_not_told():
    patient = PatientFactory(birth_date="1920-01-01")
    review(RadiographFactory(patient=patient), "normal")

    assert [case.age for case in reviews_source().cases] == ["90"]


def test_says_what_was_asked_of_patients(tmp_path):
    review(RadiographFactory(), "normal")

    build_dataset(reviews_source(), tmp_path / "out")

    facts = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert facts["consent"].startswith("Only radiographs of patients whose consent")
    assert facts["consent"] in facts["notes"]


def test_the_command_is_audited_each_time(tmp_path):
    radiograph = RadiographFactory()
    review(radiograph, "lung_opacity")
    review(radiograph, "normal")
    review(radiograph, "normal", doctor=DoctorFactory())

    for name in ("a", "b"):
        call_command("dataset", "build", "--reviews", "--out", str(tmp_path / name), verbosity=0)

    events = AccessEvent.objects.filter(object_type="inference.review", action="read")
    assert events.count() == 2
    assert events.filter(actor=None, object_id__endswith=":reviews=2:radiographs=1").count() == 2


def test_reads_many_reviews_with_few_queries(django_assert_num_queries):
    for _ in range(3):
        review(RadiographFactory(), "normal")
    assert Review.objects.filter(label=F("analysis__label")).count() == 0

    # What patients do not allow, the judgements, the radiographs with their patients, the
    # record of the access.
    with django_assert_num_queries(4):
        reviews_source()


def test_what_doctors_mark_on_an_opacity_becomes_its_box():
    opacity, normal = (RadiographFactory(rows=1000, columns=500) for _number in range(2))
    marked = [0.1, 0.2, 0.5, 0.6]
    for radiograph, label in ((opacity, "lung_opacity"), (normal, "normal")):
        analysis = AnalysisFactory(radiograph=radiograph, label="not_normal")
        one = review(radiograph, label, analysis=analysis)
        Review.objects.filter(pk=one.pk).update(region=marked)
    assert reviews_source().boxes == [
        {"image_id": name_of(opacity), "x": 50.0, "y": 200.0, "width": 200.0, "height": 400.0}
    ]
    review(opacity, "lung_opacity")
    assert reviews_source().boxes == []


def test_where_doctors_disagree_a_decision_counts():
    radiograph = RadiographFactory()
    first = review(radiograph, "lung_opacity")
    review(radiograph, "normal", doctor=DoctorFactory(), analysis=first.analysis)
    assert labels() == {}
    Review.objects.create(
        analysis=first.analysis,
        doctor=AdminFactory(),
        kind="decision",
        verdict="contested",
        label="normal",
        is_current=None,
    )
    assert labels() == {name_of(radiograph): "normal"}


@pytest.mark.parametrize("consent", ["unknown", "withdrawn"])
def test_only_who_gave_consent_is_in_a_dataset(consent):
    allowed, other = RadiographFactory(), RadiographFactory()
    review(allowed, "normal")
    review(other, "normal", consent=consent)

    source = reviews_source()

    assert [case.image_id for case in source.cases] == [name_of(allowed)]
    assert source.dropped == {"no_consent": 1}


def test_a_patient_who_was_never_asked_is_in_none():
    radiograph = RadiographFactory()
    assert radiograph.patient.training_consent == "unknown"
    assert list(usable_radiographs()) == []


def test_withdrawn_before_one_doctor_is_withdrawn_before_all():
    first, second, other = (RadiographFactory() for _number in range(3))
    further = RadiographFactory(patient=second.patient)
    same_pixels(first, second)
    for radiograph in (second, further, other):
        review(radiograph, "normal")
    # Nobody has judged the other doctor's copy.
    Patient.objects.filter(pk=first.patient_id).update(training_consent="withdrawn")

    assert set(labels()) == {name_of(other)}


def withdraw(patient) -> None:
    patient_update(
        patient=patient,
        by=patient.owner,
        identifier=patient.identifier,
        sex=patient.sex,
        birth_date=patient.birth_date,
        training_consent="withdrawn",
    )


def test_withdrawn_is_out_of_every_later_dataset_and_named_in_an_earlier_one(tmp_path, capsys):
    radiographs = [RadiographFactory(rows=200 + number) for number in range(5)]
    for radiograph in radiographs:
        review(radiograph, "normal")
    before, after = tmp_path / "before", tmp_path / "after"
    call_command("dataset", "build", "--reviews", "--out", str(before), verbosity=0)
    call_command("dataset", "consents", str(before))
    assert "every image may be used" in capsys.readouterr().out

    withdrawn, erased, kept, *_more = radiographs
    gone = name_of(erased)
    withdraw(Patient.objects.get(pk=withdrawn.patient_id))
    Review.objects.filter(analysis__radiograph=erased).delete()
    erased.analyses.all().delete()
    erased.delete()
    with pytest.raises(CommandError, match="2 images must be dropped"):
        call_command("dataset", "consents", str(before))
    told = capsys.readouterr().out
    assert f"drop: {name_of(withdrawn)} images/{name_of(withdrawn)}.png no_consent" in told
    assert f"drop: {gone} images/{gone}.png not_known" in told
    assert told.count("drop:") == 2

    Radiograph.objects.filter(pk=kept.pk).update(text_state="identifying")
    with pytest.raises(CommandError, match="3 images must be dropped"):
        call_command("dataset", "consents", str(before))
    assert f"{name_of(kept)}.png burned_in_text" in capsys.readouterr().out
    Radiograph.objects.filter(pk=kept.pk).update(text_state="harmless")

    call_command("dataset", "build", "--reviews", "--out", str(after), verbosity=0)
    index = (after / "index.csv").read_text()
    assert name_of(withdrawn) not in index
    assert gone not in index
    assert len(list((after / "images").iterdir())) == 3


def test_a_build_that_is_taken_up_forgets_who_withdrew_meanwhile(tmp_path):
    radiographs = [RadiographFactory(rows=200 + number) for number in range(4)]
    for radiograph in radiographs:
        review(radiograph, "normal")

    def killed(records, _total):
        for number, record in enumerate(records):
            if number == 2:
                raise KeyboardInterrupt
            yield record

    with pytest.raises(KeyboardInterrupt):
        build_dataset(reviews_source(), tmp_path / "out", progress=killed)
    partial = tmp_path / "out.partial" / "images"
    written = {path.stem for path in partial.iterdir()}
    withdrawn = next(each for each in radiographs if name_of(each) in written)
    withdraw(Patient.objects.get(pk=withdrawn.patient_id))

    build_dataset(reviews_source(), tmp_path / "out")

    assert name_of(withdrawn) not in {path.stem for path in (tmp_path / "out/images").iterdir()}


@pytest.mark.parametrize(
    ("facts", "code"), [("{}", "dataset_damaged"), ('{"source": "index"}', "dataset_source")]
)
def test_only_a_dataset_from_reviews_can_be_compared_with_consents(tmp_path, facts, code):
    (tmp_path / "dataset.json").write_text(facts)
    with pytest.raises(CommandError, match=code):
        call_command("dataset", "consents", str(tmp_path))
