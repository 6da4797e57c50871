"""Registration, promotion and rollback of model versions."""

from __future__ import annotations

import hashlib
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation

from inference.engine import engine_for
from inference.errors import (
    AlreadyInProductionError,
    ModelFolderInvalidError,
    ModelUnusableError,
    ModelVersionConflictError,
    ModelVersionUnknownError,
    NoPreviousVersionError,
)
from inference.models import LABELS, ModelVersion, Promotion
from inference.registry import read_facts, version_directory, version_get
from inference.selectors import model_production
from inference.services import model_promote, model_register, model_rollback
from operations.models import AccessEvent
from tests.accounts.factories import AdminFactory

pytestmark = pytest.mark.django_db

RULES = ("rule_out", "rule_in")


def test_a_registered_folder_is_copied_whole(shipped):
    version = model_register(directory=shipped)
    assert not version.in_production
    copy = version_directory(version)
    assert read_facts(copy) == read_facts(shipped) == version.facts
    for entry in version.facts["files"].values():
        assert (copy / entry["name"]).read_bytes() == (shipped / entry["name"]).read_bytes()
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]


def test_registering_the_same_folder_again_changes_nothing(shipped):
    assert model_register(directory=shipped) == model_register(directory=shipped)
    assert ModelVersion.objects.count() == 1


def test_registering_again_repairs_a_damaged_copy(shipped):
    version = model_register(directory=shipped)
    weights = version_directory(version) / "model.tflite"
    weights.write_bytes(b"damaged")
    model_register(directory=shipped)
    assert weights.read_bytes() == (shipped / "model.tflite").read_bytes()
    assert len(list(version_directory(version).parent.iterdir())) == 1


def test_other_content_under_the_same_name_is_refused(shipped, folder_like):
    version = model_register(directory=shipped)
    other = folder_like(
        version=version.version, thresholds={"certainty": {"high": 0.99, "moderate": 0.9}}
    )
    with pytest.raises(ModelVersionConflictError):
        model_register(directory=other)
    assert read_facts(version_directory(version)) == version.facts


@pytest.mark.parametrize(
    "facts",
    [
        {"format": 3},
        {"name": "../../etc"},
        {"name": ""},
        {"version": "a/b"},
        {"labels": ["lung_opacity", "normal", "not_normal"]},
        {"preprocessing_version": "0"},
        {"input_size": [224, 256]},
        {"input_size": [8, 8]},
        {"input_size": 256},
        {"calibration": {"temperature": 0}},
        {"calibration": {"temperature": True}},
        {"calibration": {"temperature": 10**400}},
        {"calibration": {"temperature": 1e-320}},
        {"metrics": "x"},
        {"data": [1]},
        {"calibration": {}},
        {"format": 1, "thresholds": {"certainty": {"high": 0.5, "moderate": 0.9}}},
        {"files": {}},
        {"files": None},
        {"labels": None},
    ],
)
def test_wrong_facts_are_refused(folder_like, facts):
    with pytest.raises(ModelFolderInvalidError):
        model_register(directory=folder_like(**({"version": "9"} | facts)))
    assert not ModelVersion.objects.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("conformal", None),
        ("conformal", {"coverage": 0.9, "quantiles": {"normal": 0.5, "lung_opacity": 0.5}}),
        ("conformal", {"coverage": 0.9, "quantiles": dict.fromkeys(LABELS, 1.5)}),
        ("conformal", {"coverage": 90, "quantiles": dict.fromkeys(LABELS, 0.5)}),
        ("gate", None),
        ("gate", {"file": "gate.npz", "threshold": float("nan")}),
        ("gate", {"file": "gate.npz", "threshold": 0}),
        ("gate", {"file": "other.npz", "threshold": 1}),
        ("triage", {}),
        ("triage", {rule: {"label": "x", "threshold": 0.5} for rule in RULES}),
        ("triage", {rule: {"label": "normal", "threshold": 2} for rule in RULES}),
    ],
)
def test_wrong_facts_of_certainty_are_refused(folder_with_sets, key, value):
    folder = folder_with_sets(version="9")
    read_facts(folder)
    facts = json.loads((folder / "facts.json").read_text())
    (folder / "facts.json").write_text(json.dumps(facts | {key: value}))
    with pytest.raises(ModelFolderInvalidError):
        model_register(directory=folder)


def test_the_gate_belongs_to_the_version(folder_with_sets, settings):
    version = model_register(directory=folder_with_sets(version="9"), promote=True)
    copied = version_directory(version) / "gate.npz"
    assert copied.is_file()
    copied.write_bytes(b"another gate")
    with pytest.raises(ModelUnusableError):
        engine_for(version.pk)


@pytest.mark.parametrize("name", ["../../escaped.txt", "..", "", "a/b", "facts.json"])
def test_nothing_but_the_files_of_a_model_is_copied(folder_with_sets, settings, name):
    folder = folder_with_sets(version="9")
    facts = json.loads((folder / "facts.json").read_text())
    content = b"not a model"
    (folder.parent.parent / "escaped.txt").write_bytes(content)
    facts["files"]["x"] = {"name": name, "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "facts.json").write_text(json.dumps(facts))
    with pytest.raises(ModelFolderInvalidError, match="files are not"):
        model_register(directory=folder)
    facts["files"].pop("x")
    facts["files"]["classifier"]["name"] = name
    (folder / "facts.json").write_text(json.dumps(facts))
    with pytest.raises(ModelFolderInvalidError, match="file name of classifier"):
        model_register(directory=folder)
    assert not ModelVersion.objects.exists()


def test_a_file_named_outside_the_folder_is_refused(folder_like, shipped):
    files = read_facts(shipped)["files"]
    files["keras"]["name"] = "../model.keras"
    with pytest.raises(ModelFolderInvalidError):
        model_register(directory=folder_like(version="9", files=files))


@pytest.mark.parametrize("name", ["model.tflite", "model.keras", "classifier.npy", "facts.json"])
@pytest.mark.parametrize("damage", ["missing", "altered"])
def test_a_damaged_folder_is_refused(folder_like, settings, name, damage):
    folder = folder_like(version="9")
    if damage == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"x" + (folder / name).read_bytes())
    with pytest.raises(ModelFolderInvalidError):
        model_register(directory=folder)
    assert not ModelVersion.objects.exists()
    assert list(settings.MODEL_ROOT.rglob("*.tflite")) == []


@pytest.fixture
def three(shipped, folder_like):
    """Three registered versions; none is in production."""
    return [model_register(directory=folder_like(version=v)) for v in ("t1", "t2", "t3")]


def test_one_version_is_in_production_and_each_change_is_recorded(three):
    admin = AdminFactory()
    first, second, _ = three
    model_promote(model_version=first, by=admin)
    model_promote(model_version=second, by=admin)
    assert model_production() == second
    assert ModelVersion.objects.filter(in_production=True).count() == 1
    newest, oldest = Promotion.objects.all()
    assert (newest.model_version, newest.previous, newest.by) == (second, first, admin)
    assert (oldest.model_version, oldest.previous) == (first, None)
    assert AccessEvent.objects.filter(actor=admin, action="update").count() == 2


def test_the_version_in_production_is_not_promoted_again(three):
    model_promote(model_version=three[0])
    with pytest.raises(AlreadyInProductionError):
        model_promote(model_version=three[0])
    assert Promotion.objects.count() == 1


def test_a_version_with_damaged_files_is_not_promoted(three):
    model_promote(model_version=three[0])
    (version_directory(three[1]) / "model.tflite").write_bytes(b"damaged")
    with pytest.raises(ModelFolderInvalidError):
        model_promote(model_version=three[1])
    assert model_production() == three[0]


def test_each_rollback_goes_one_further_back(three):
    for version in three:
        model_promote(model_version=version)
    assert model_rollback().model_version == three[1]
    assert model_rollback().model_version == three[0]
    assert model_production() == three[0]
    with pytest.raises(NoPreviousVersionError):
        model_rollback()
    kinds = list(Promotion.objects.values_list("kind", flat=True))
    assert kinds == ["rollback", "rollback", "promote", "promote", "promote"]


def test_a_rollback_after_a_second_promotion_of_the_same_version(three):
    for version in (three[0], three[1], three[0], three[2], three[0]):
        model_promote(model_version=version)
    assert model_rollback().model_version == three[2]


def test_nothing_to_roll_back():
    with pytest.raises(NoPreviousVersionError):
        model_rollback()


def test_version_get(three):
    assert version_get(str(three[0])) == three[0]
    for unknown in ("nothing", "nothing:1", f"{three[0].name}:", ""):
        with pytest.raises(ModelVersionUnknownError):
            version_get(unknown)


# --- Commands -------------------------------------------------------------------------------


def test_the_shipped_model_is_registered_and_promoted_once(shipped, capsys):
    for _ in range(2):
        call_command("models", "register", "--shipped", "--promote-if-none")
    version = ModelVersion.objects.get(in_production=True)
    assert version.facts == read_facts(shipped)
    assert Promotion.objects.count() == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"{version} in production"


def test_a_new_shipped_model_does_not_replace_the_one_in_production(shipped, folder_like):
    present = model_register(directory=folder_like(version="t1"), promote=True)
    call_command("models", "register", "--shipped", "--promote-if-none")
    assert model_production() == present


def test_the_list_of_versions(three, capsys):
    model_promote(model_version=three[1])
    capsys.readouterr()
    call_command("models", "list", "--json")
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["model"] for entry in listed if entry["in_production"]] == [str(three[1])]
    assert len(listed) == 3
    call_command("models")
    assert f"* {three[1]}" in capsys.readouterr().out


def test_promote_and_rollback_commands(three, capsys):
    admin = AdminFactory()
    call_command("promote", str(three[0]))
    call_command("promote", str(three[1]), by=admin.email.upper())
    assert model_production() == three[1]
    call_command("rollback", by=admin.email)
    assert model_production() == three[0]
    assert Promotion.objects.filter(by=admin).count() == 2
    assert capsys.readouterr().out.splitlines()[-1] == f"{three[0]} in production"


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["promote", "nothing:1"], "model_version_unknown: There is no model version"),
        (["rollback"], "no_previous_model_version: There is no earlier version"),
        (["models", "register", "/nowhere"], "model_folder_invalid: This is not a valid"),
        (["models", "card", "/nowhere"], "model_folder_invalid: This is not a valid"),
        (["models", "register"], "No model folder"),
        (["rollback", "--by", "nobody@example.org"], "No administrator"),
    ],
)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_a_refused_command_says_why_in_english(command, code, language):
    with translation.override(language), pytest.raises(CommandError, match=code):
        call_command(*command)
