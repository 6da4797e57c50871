"""The model card: what the facts say, what they lack, in both languages, wherever it is shown."""

import copy
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import translation
from rest_framework.test import APIClient

from inference.metrics import evaluate
from inference.model_card import model_card
from inference.model_card_markdown import card_markdown, write_cards
from inference.models import LABELS
from tests.accounts.factories import token_for
from tests.inference.factories import (
    AnalysisFactory,
    ModelVersionFactory,
    certainty_facts,
    facts_for,
)


def ages(**values):
    return {"known": 90, "min": 3.0, "median": 47.0, "max": 88.0, "under_18": 7} | values


def part(n, **values):
    return {
        "n": n,
        "patients": n - 5,
        "ages": ages(),
        "sexes": {"F": n - 40, "M": 40},
        "views": {"AP": 30, "PA": n - 30},
        "origins": {"emory": n},
    } | values


@pytest.fixture(scope="module")
def full():
    """Facts of format 2 in which nothing that a card asks for is missing."""
    import numpy as np

    random = np.random.default_rng(7)
    truth = np.arange(90) % 3
    probabilities = random.dirichlet([1, 1, 1], 90) * 0.6
    probabilities[np.arange(90), truth] += 0.4
    facts = facts_for("model", "7", "a" * 64) | certainty_facts()
    metrics = evaluate(truth, probabilities)
    facts["metrics"] = {"test": metrics, "val": metrics | {"accuracy": 0.6543}}
    facts["parameters"] = 2_261_827
    facts["data"] = {
        "name": "Some challenge",
        "fingerprint": "f" * 64,
        "terms": "Attribution asked for.",
        "counts": {
            "train": dict.fromkeys(LABELS, 411),
            "val": dict.fromkeys(LABELS, 30),
            "test": dict.fromkeys(LABELS, 31),
        },
        "population": {"train": part(1233), "val": part(90), "test": part(93)},
        "patients_in_several_splits": 0,
    }
    group = {"name": "F", "n": 53, "counts": [18, 18, 17], "small": False}
    figures = {"accuracy": [0.7123, 0.61, 0.82], "macro_auroc": [0.8765, 0.8, 0.93]}
    unknown = {"name": "", "n": 9, "counts": [3, 3, 3], "small": True}
    facts["subgroups"] = {
        "split": "test",
        "by": {
            "sex": [
                group | {"figures": figures},
                unknown | {"figures": {"accuracy": [0.5551, 0.2, 0.9]}},
            ]
        },
    }
    facts["conformal"]["split"] = "val"
    facts["gate"] |= {
        "measured": {
            "known": {"n": 93, "refused": 0.0109, "interval_95": [0.0003, 0.058]},
            "strangers": {"blank": {"n": 12, "refused": 1.0, "interval_95": [0.7353, 1.0]}},
        },
        "not_tested": ["lateral"],
    }
    facts["libraries"] = {"python": "3.11.7", "keras": "3.15.1"}
    facts["training"] = {
        "config": {"name": "model", "seed": 4242, "fusion": ["age"]},
        "revision": "abc1234",
        "backend": "tensorflow",
        "seconds": 1260,
        "epochs": 13,
    }
    return facts


def changed(facts, value, *path):
    """A copy of ``facts`` with ``value`` at ``path``; ``None`` takes it out."""
    copied = copy.deepcopy(facts)
    *way, last = path
    place = copied
    for key in way:
        place = place[key]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return copied


def english(facts):
    return card_markdown(facts, language="en")


def test_a_card_of_full_facts_misses_nothing(full):
    assert "Not in the facts" not in english(full)


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        (("name",), "another", "another:7"),
        (("parameters",), 1_234_567, "1234567"),
        (("data", "name"), "Other data", "Other data"),
        (("data", "terms"), "No use at all", "No use at all"),
        (("data", "fingerprint"), "e" * 64, "e" * 64),
        (("data", "counts", "train", "normal"), 9_876, "9876"),
        (("data", "population", "test", "patients"), 8_765, "8765"),
        (("data", "population", "train", "ages", "min"), 31.0, "from 31 to 88 years"),
        (("data", "population", "test", "views", "PA"), 7_531, "7531"),
        (("data", "patients_in_several_splits"), 3, "more than one part: 3."),
        (("metrics", "test", "accuracy"), 0.4321, "43.2%"),
        (("metrics", "val", "macro_auroc"), 0.7777, "0.778"),
        (("metrics", "test", "auroc", "lung_opacity"), 0.6789, "0.679"),
        (("metrics", "test", "sensitivity", "normal"), 0.1234, "12.3%"),
        (("metrics", "test", "intervals_95", "accuracy"), [0.1119, 0.2229], "11.2% to 22.3%"),
        (("metrics", "test", "confusion"), [[4321, 1, 1], [1, 1, 1], [1, 1, 1]], "4321"),
        (("calibration", "temperature"), 1.2367, "1.237"),
        (("calibration", "ece_before"), 0.2222, "0.222"),
        (("conformal", "coverage"), 0.85, "85.0%"),
        (("conformal", "measured", "test", "coverage", "normal"), 0.777, "77.7%"),
        (("conformal", "measured", "test", "certain_right"), 0.6123, "61.2%"),
        (("gate", "measured", "known", "refused"), 0.1357, "13.6%"),
        (("gate", "measured", "strangers", "blank", "refused"), 0.4567, "45.7%"),
        (("gate", "not_tested"), ["photograph"], "- Photographs"),
        (("triage", "rule_out", "threshold"), 0.2468, "24.7%"),
        (("triage", "rule_in", "measured", "test", "specificity"), 0.8881, "88.8%"),
        (("subgroups", "by", "sex", 0, "figures", "accuracy"), [0.3333, 0.2, 0.4], "33.3%"),
        (("libraries", "keras"), "9.9.9", "9.9.9"),
        (("files", "litert", "sha256"), "b" * 64, "b" * 64),
        (("training", "revision"), "fedcba9", "fedcba9"),
        (("training", "config", "seed"), 777_777, "777777"),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_the_card_shows_comes_from_the_facts(full, path, value, shown):
    assert shown not in english(full)
    assert shown in english(changed(full, value, *path))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("metrics",), "any measured figure"),
        (("metrics", "val"), "figures of this part of the data: Validation"),
        (("metrics", "test", "intervals_95"), "the intervals of these figures"),
        (("subgroups",), "figures by sex, age, view and origin"),
        (("calibration",), "the calibration"),
        (("calibration", "ece_after"), "calibration error after"),
        (("conformal", "measured"), "how often the sets hold the true class"),
        (("gate", "measured"), "how often the gate refuses"),
        (("triage",), "limits that rule an opacity out or in"),
        (("data", "terms"), "Terms and attribution"),
        (("data", "counts"), "the number of radiographs by class"),
        (("data", "population"), "the ages of the patients"),
        (("data", "patients_in_several_splits"), "how the data was split"),
        (("libraries",), "the versions of the libraries"),
        (("files",), "the files and their checksums"),
        (("training", "config"), "the configuration of the training"),
        (("training", "seconds"), "Time of training"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_a_missing_fact_is_said_to_be_missing(full, path, said):
    lines = [
        line
        for line in english(changed(full, None, *path)).splitlines()
        if line.startswith("*Not in the facts of this version:")
    ]
    assert any(said in line for line in lines)


def test_who_it_is_for_comes_from_the_ages(full):
    assert "Adults and children" in english(full)
    adults = changed(full, ages(min=19.0, under_18=0), "data", "population", "train", "ages")
    text = english(adults)
    assert "patients from 19 to 88 years of age, none of them under 18" in text
    assert "Adults and children" not in text


def test_a_group_of_few_has_no_figures(full):
    lines = english(full).splitlines()
    assert "| Sex: female | 53 | 71.2% (61.0% to 82.0%) | 0.876 (0.800 to 0.930) | – |" in lines
    assert "| Sex: not known | 9 | – | – | – |" in lines


def test_no_facts_at_all_still_make_a_card():
    with translation.override("en"):
        card = model_card({})
    assert len(card.sections) == 10
    assert card.title == "Model card of ?:?"


def test_shares_near_their_ends_are_not_written_as_certain(full):
    text = english(changed(full, [0.0003, 0.9997], "metrics", "test", "intervals_95", "accuracy"))
    assert "(< 0.1% to > 99.9%)" in text


def test_a_version_of_format_1_says_its_limits_and_what_it_lacks(shipped):
    facts = json.loads((shipped / "facts.json").read_text()) | facts_for("old", "1", "c" * 64)
    for key in ("conformal", "gate", "triage", "subgroups"):
        facts.pop(key, None)
    text = english(facts)
    assert "high where the largest probability reaches 80.0%" in text
    assert "Not in the facts of this version: what it refuses" in text


def test_figures_are_written_as_the_language_writes_them(full):
    assert "65.4%" in english(full)
    assert "65,4" in card_markdown(full, language="fr")


def test_words_of_the_facts_are_no_markup(full):
    text = english(changed(full, "<b>x</b> *y* a|b\n# z", "data", "name"))
    assert "\\<b>x\\</b> \\*y\\* a|b # z" in text


def test_both_cards_stand_beside_the_model(full, tmp_path):
    paths = write_cards(tmp_path, full)
    assert [path.name for path in paths] == ["model_card.fr.md", "model_card.en.md"]
    assert paths[1].read_text("utf-8") == english(full)
    assert paths[0].read_text("utf-8") == card_markdown(full, language="fr")


# --- The command ---------------------------------------------------------------------------


def said(*arguments):
    out = StringIO()
    call_command("models", "card", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_reads_a_folder(shipped):
    facts = json.loads((shipped / "facts.json").read_text())
    assert said(str(shipped), "--language", "en").strip() == english(facts).strip()


@pytest.mark.django_db
def test_the_command_reads_a_registered_version_and_writes_a_file(full, tmp_path):
    ModelVersionFactory(name="model", version="7", facts=full)
    target = tmp_path / "card.md"
    assert said("model:7", "--out", str(target)).strip() == str(target)
    assert target.read_text("utf-8") == card_markdown(full, language="fr")


@pytest.mark.django_db
def test_the_command_refuses_what_is_not_there(tmp_path):
    with pytest.raises(CommandError, match="model_version_unknown"):
        said("nothing:1")
    with pytest.raises(CommandError, match="model_folder_invalid"):
        said(str(tmp_path))
    with pytest.raises(CommandError):
        said("nothing:1", "--language", "de")


# --- The page and the ways to it -----------------------------------------------------------


@pytest.fixture
def version(db, full):
    return ModelVersionFactory(name="model", version="7", facts=full, in_production=True)


def url_of(version):
    return reverse("inference:model_card", args=[version.name, version.version])


def test_the_page_shows_every_section(doctor_client, version):
    page = doctor_client.get(url_of(version)).text
    with translation.override("en"):
        card = model_card(version.facts)
    for section in card.sections:
        assert f'id="{section.key}"' in page
        assert section.title in page
    assert "Attribution asked for." in page
    assert "f" * 64 in page
    assert page.count('class="card-mark"') == sum(
        len(block.marks) for section in card.sections for block in section.blocks
        if block.kind == "plot"
    )  # fmt: skip
    assert "style=" not in page
    assert "reads new radiographs now" in page


def test_the_page_speaks_french(client_for, doctor, version):
    page = client_for(doctor, language="fr").get(url_of(version)).text
    assert '<html lang="fr">' in page
    assert "65,4" in page


def test_the_page_costs_no_more_than_the_account_and_the_version(
    doctor_client, version, django_assert_num_queries
):
    with django_assert_num_queries(3):  # session, account, version
        doctor_client.get(url_of(version))


def test_an_unknown_version_has_no_page(doctor_client, version):
    assert (
        doctor_client.get(reverse("inference:model_card", args=["model", "8"])).status_code == 404
    )
    odd = reverse("inference:model_card", args=["model:7", "x"])
    assert doctor_client.get(odd).status_code == 404


def test_a_reading_leads_to_the_card_of_its_version(doctor_client, doctor, version):
    analysis = AnalysisFactory(radiograph__patient__owner=doctor, model_version=version)
    page = doctor_client.get(reverse("inference:reading", args=[analysis.radiograph_id])).text
    assert f'href="{url_of(version)}"' in page


def test_the_admin_leads_to_the_card(admin_client, version):
    for address in (
        reverse("admin:inference_modelversion_changelist"),
        reverse("admin:inference_modelversion_change", args=[version.pk]),
    ):
        assert f'href="{url_of(version)}"' in admin_client.get(address).text


def test_the_api_gives_the_address_of_the_card(doctor_client, doctor, version):
    program = APIClient()
    program.credentials(HTTP_AUTHORIZATION=f"Token {token_for(doctor)}")
    found = program.get(reverse("api:model-detail", args=[version.pk])).json()
    assert found["card"] == f"http://testserver{url_of(version)}"
    assert doctor_client.get(found["card"]).status_code == 200


def test_what_taught_it_beside_the_labels_is_said(full):
    facts = copy.deepcopy(full)
    before = card_markdown(facts, language="en")
    facts["data"]["further"] = {
        "lung_masked": {
            "counts": {"normal": 3770, "lung_opacity": 2582, "not_normal": 3514},
            "share": 0.5,
        },
        "boxes": {"images": 5567},
    }
    after = card_markdown(facts, language="en")
    assert "lung-masked" not in before
    assert "9866 lung-masked radiographs" in after
    assert "as 50.0% of what" in after
    assert "boxes on 5567 radiographs" in after
