"""The directory of registered doctors: taken in from a file, and compared with."""

import io

import pytest
from django.core.management import CommandError, call_command

from accounts.errors import DirectoryFileError, DirectoryShrunkError
from accounts.models import DirectoryEdition, DirectoryPerson
from accounts.verification import directory
from accounts.verification.directory import Person, directory_import, is_same_person, look_up

from .factories import AdminFactory, DoctorFactory

pytestmark = pytest.mark.django_db
HEADING = "registration_number,last_name,first_name,profession"


def take_in(*lines: str, heading: str = HEADING) -> tuple[int, int]:
    return directory_import(io.StringIO("\n".join([heading, *lines, ""])))


def doctor(**facts):
    names = {"first_name": "Zoé", "last_name": "D'Aubigné-Müller"}
    return DoctorFactory(registration_number="10000000009", **names | facts)


def test_without_an_import_nothing_is_claimed():
    assert look_up(doctor()).state == "none"


@pytest.mark.parametrize(
    ("line", "state"),
    [
        ("10000000009,D AUBIGNE MULLER,ZOE,Médecin", "same"),
        ("10000000009,d'aubigné-müller,Zoé Anne,Médecin", "same"),
        ("10000000009,MARTIN,ZOE,Médecin", "other"),
        ("10000000009,D AUBIGNE MULLER,ZACHARIE,Médecin", "other"),
        ("10000000009,D AUBIGNE MULLER,,Médecin", "other"),
        ("10000000017,D AUBIGNE MULLER,ZOE,Médecin", "unknown"),
    ],
)
def test_the_number_and_the_name_are_compared(line, state):
    take_in(line)
    assert look_up(doctor()).state == state


def test_who_has_no_number_is_not_looked_for():
    take_in("10000000009,MARTIN,ZOE,")
    assert look_up(AdminFactory()).state == "none"


def test_short_first_names_are_the_beginning_of_longer_ones():
    both = doctor(first_name="Anne-Marie", last_name="Curie")
    assert is_same_person(both, Person("ANNE", "CURIE"))
    assert not is_same_person(both, Person("MARIE", "CURIE"))


def test_the_national_extract_is_read_with_its_own_names():
    heading = (
        "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Nom d'exercice|"
        "Prénom d'exercice|Code profession|Libellé profession|"
    )
    lines = ["8|10000000009|810000000009|MARTIN|ZOE|10|Médecin|"] * 3
    assert take_in(*lines, "8|10000000017|8100|DURAND|LEA|10|Médecin|", heading=heading) == (2, 0)
    found = look_up(doctor(last_name="Martin"))
    assert (found.state, found.people) == ("same", (Person("ZOE", "MARTIN", "Médecin"),))


def test_a_new_edition_replaces_the_old_one():
    take_in("10000000009,OLD,ZOE,")
    take_in("10000000017,NEW,ZOE,")
    assert DirectoryEdition.objects.count() == DirectoryPerson.objects.count() == 1
    assert look_up(doctor()).state == "unknown"


def test_an_import_that_is_cut_off_leaves_the_old_one(monkeypatch):
    take_in("10000000009,D AUBIGNE MULLER,ZOE,")
    monkeypatch.setattr(directory, "BATCH", 1)

    class Cut(io.StringIO):
        left = 2

        def __next__(self):
            self.left -= 1
            if self.left < 0:
                raise OSError("the disk is gone")
            return super().__next__()

    with pytest.raises(OSError, match="disk"):
        directory_import(Cut("\n".join([HEADING, *["10000000009,X,Y,", "10000000017,X,Y,"] * 2])))
    assert look_up(doctor()).state == "same"
    take_in("10000000017,NEW,ZOE,")
    assert DirectoryEdition.objects.count() == DirectoryPerson.objects.count() == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADING,
        "number,name\n1,2\n",
        "<html>\n<body>\n",
        HEADING + "\n" + "\n".join(["10000000009,A,B,"] + ["no number"] * 5),
        HEADING + '\n10000000009,"A' + "x" * 200_000,
    ],
)
def test_what_is_no_directory_is_refused_and_nothing_is_lost(text):
    take_in("10000000009,D AUBIGNE MULLER,ZOE,")
    with pytest.raises(DirectoryFileError):
        directory_import(io.StringIO(text))
    assert look_up(doctor()).state == "same"
    assert DirectoryEdition.objects.filter(is_complete=True).count() == 1


def test_a_file_that_was_cut_off_replaces_nothing(tmp_path):
    lines = [f"1000000{number:04},MARTIN,ZOE," for number in range(100)]
    take_in(*lines)
    with pytest.raises(DirectoryShrunkError):
        take_in(*lines[:10])
    assert DirectoryPerson.objects.count() == 100
    file = tmp_path / "directory.csv"
    file.write_text("\n".join([HEADING, *lines[:10]]), encoding="utf-8")
    with pytest.raises(CommandError, match="--shrink"):
        call_command("import_directory", file)
    call_command("import_directory", file, "--shrink")
    assert DirectoryPerson.objects.count() == 10
    take_in(*lines[:8])
    assert DirectoryPerson.objects.count() == 8


def test_a_stray_quote_swallows_nobody():
    lines = [f"1000000{number:04},MARTIN,ZOE," for number in range(100)]
    take_in(*lines)
    with pytest.raises(DirectoryFileError):
        take_in('10000000009,"MARTIN,ZOE,', *lines)
    assert DirectoryPerson.objects.count() == 100


def test_the_command(tmp_path):
    file = tmp_path / "directory.csv"
    file.write_text(f"\ufeff{HEADING}\n10000000009,MARTIN,ZOE,Médecin\n", encoding="utf-8")
    out = io.StringIO()
    call_command("import_directory", file, stdout=out)
    assert out.getvalue().startswith("1 entries; 0 lines")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CommandError, match="no directory"):
        call_command("import_directory", file)
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_directory", tmp_path / "none.csv")


def test_another_directory_may_be_set(settings):
    settings.DOCTOR_DIRECTORY = "tests.accounts.test_directory.Known"
    assert look_up(doctor(last_name="Known")).state == "same"


class Known:
    """Knows one person under every number."""

    def people(self, registration_number):
        return [Person("Zoé", "Known")]

    def edition(self):
        import datetime as dt

        return dt.date(2026, 1, 1)
