"""``manage.py prepare``: from an empty database to one that can read a radiograph."""

from django.core.management import call_command

from accounts.models import Doctor
from inference.models import ModelVersion


def test_the_shipped_model_is_in_production_and_the_demonstration_can_begin(db, settings):
    settings.DEBUG = True
    for _ in range(2):  # Repeating it changes nothing.
        call_command("prepare", verbosity=0)
        assert ModelVersion.objects.filter(in_production=True).count() == 1
        assert set(Doctor.objects.values_list("email", "is_staff")) == {
            ("docteur.demo@example.org", False),
            ("admin.demo@example.org", True),
        }


def test_no_demonstration_where_debug_is_off(db, settings):
    settings.DEBUG = False
    call_command("prepare", verbosity=0)
    assert not Doctor.objects.exists()
    assert ModelVersion.objects.filter(in_production=True).exists()
