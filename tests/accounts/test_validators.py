"""Names, e-mail addresses and registration numbers."""

import unicodedata

import pytest
from django.core.exceptions import ValidationError
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.validators import (
    email_normalize,
    luhn_is_valid,
    name_normalize,
    registration_number_normalize,
    validate_ascii_email,
    validate_person_name,
    validate_registration_number,
    validate_rpps,
)

NAMES = [
    "Li",
    "X",
    "Ng",
    "Élodie",
    "Jean-Pierre",
    "Marie Claire",
    "O'Neil",
    "O’Neil",
    "d'Alembert",
    "D’ Angelo",
    "'t Hooft",
    "de La Tour",
    "Dupont--Martin",
    "Nguyễn Thị Minh Khai",
    "Ọ̀ṣun",
    "Žižek",
    "Müller-Lüdenscheidt",
    "Łukasiewicz",
    "Ægir Þórsson",
    "İnönü",
    "Σωκράτης",
    "Достоевский",
    "محمد",
    "山田",
    "नरेन्द्र",
    "김",
]

NOT_NAMES = [
    "",
    " ",
    "-",
    "'",
    "''t",
    "-Anne",
    "Anne-",
    "Anne'",
    " Anne",
    "Anne ",
    "Anne---Marie",
    "Anne\nMarie",
    "Anne\tMarie",
    "Anne\x00",
    "Anne\u200b",
    "\u202eennA",
    "\u0301e",
    "e" + "\u0323" * 5,
    "R2D2",
    "4nne",
    "Anne_Marie",
    "Anne.",
    "Anne, Marie",
    "Anne (née Martin)",
    "Anne/Marie",
    "<b>Anne</b>",
    "anne@example.org",
    "Anne 😀",
    "½",
    "Ⅷ",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_accepted_in_either_unicode_form(name):
    validate_person_name(name_normalize(name))
    validate_person_name(name_normalize(unicodedata.normalize("NFD", name)))


@pytest.mark.parametrize("name", NOT_NAMES)
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ValidationError) as caught:
        validate_person_name(name)
    assert caught.value.code == "invalid_name"


@pytest.mark.parametrize("name", NAMES)
def test_normal_spelling_is_composed_and_trimmed(name):
    decomposed = unicodedata.normalize("NFD", name)
    typed = f"  {decomposed} \u00a0"
    assert name_normalize(typed) == unicodedata.normalize("NFC", name)


def test_inner_spaces_become_one_plain_space():
    assert name_normalize("de \u00a0 La\tTour") == "de La Tour"


@given(st.text(max_size=150))
@example("e\u0301" * 60)
@example("'" * 100)
@example("a" + " a" * 70 + "!")
def test_any_text_is_a_name_or_refused_and_normalising_twice_changes_nothing(text):
    name = name_normalize(text)
    assert name_normalize(name) == name
    try:
        validate_person_name(name)
    except ValidationError:
        return
    assert name == name.strip()
    assert unicodedata.is_normalized("NFC", name)
    assert not any(c.isdigit() or c in '<>&"@/\\\x00\u202e' for c in name)
    assert unicodedata.category(name.lstrip("'’")[0]).startswith("L")


LETTERS = st.characters(categories=["Lu", "Ll", "Lo"])
WORDS = st.text(LETTERS, min_size=1, max_size=10)


@given(st.lists(WORDS, min_size=1, max_size=4), st.sampled_from([" ", "-", "'", "’"]))
def test_words_of_letters_joined_by_a_separator_are_a_name(words, separator):
    validate_person_name(name_normalize(separator.join(words)))


@pytest.mark.parametrize("number", ["00000000000", "10000000009", "10003456786", "10101010105"])
def test_rpps_with_its_key(number):
    validate_rpps(number)


@given(st.text("0123456789", min_size=10, max_size=10))
def test_exactly_one_key_is_right(stem):
    keys = [key for key in "0123456789" if luhn_is_valid(stem + key)]
    assert len(keys) == 1
    validate_rpps(stem + keys[0])


@given(st.text("0123456789", min_size=10, max_size=10), st.integers(0, 9), st.integers(0, 10))
def test_one_mistyped_digit_is_noticed(stem, digit, place):
    number = stem + next(key for key in "0123456789" if luhn_is_valid(stem + key))
    typed = number[:place] + str(digit) + number[place + 1 :]
    if typed == number:
        validate_rpps(typed)
    else:
        with pytest.raises(ValidationError) as caught:
            validate_rpps(typed)
        assert caught.value.code == "wrong_check_digit"


def test_luhn_agrees_with_the_standards_example():
    assert luhn_is_valid("79927398713")
    assert not luhn_is_valid("79927398710")


@pytest.mark.parametrize(
    "number", ["", "1", "1234567890", "123456789012", "1000000000A", "١٠٠٠٠٠٠٠٠٠٨", "10000000008\n"]
)
def test_what_is_no_rpps_is_refused(number):
    with pytest.raises(ValidationError) as caught:
        validate_rpps(number)
    assert caught.value.code == "invalid_registration_number"


def only_two_letters(value):
    if len(value) != 2:
        raise ValidationError("two letters", code="two_letters")


def test_another_country_brings_its_own_validator(settings):
    settings.REGISTRATION_NUMBER_VALIDATOR = f"{__name__}.only_two_letters"
    validate_registration_number("AB")
    with pytest.raises(ValidationError) as caught:
        validate_registration_number("10000000008")
    assert caught.value.code == "two_letters"


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" 100 0000\u00a00008 ", "10000000008"),
        ("１００００００００08", "10000000008"),
        ("ab 12", "AB12"),
        ("", ""),
    ],
)
def test_registration_number_has_one_spelling(typed, stored):
    assert registration_number_normalize(typed) == stored


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Doctor@Example.ORG ", "doctor@example.org"),
        ("doctor@hôpital.fr", "doctor@xn--hpital-ixa.fr"),
        ("doctor@HÔPITAL.fr", "doctor@xn--hpital-ixa.fr"),
        ("no address", "no address"),
        ("a@b@c.org", "a@b@c.org"),
        ("a@" + "x" * 64 + ".org", "a@" + "x" * 64 + ".org"),
        ("", ""),
    ],
)
def test_email_has_one_spelling(typed, stored):
    assert email_normalize(typed) == stored


@given(st.text(max_size=60))
def test_normalising_an_email_never_fails_and_settles(text):
    once = email_normalize(text)
    assert email_normalize(once) == once


def test_an_address_that_databases_compare_differently_is_refused():
    with pytest.raises(ValidationError) as caught:
        validate_ascii_email("müller@example.org")
    assert caught.value.code == "invalid_email"
