from django.db import migrations
from django.db.models import Max
from django.utils import timezone


def fill(apps, schema_editor):
    """Accesses that are open while this runs go on."""
    emergencies = apps.get_model("patients", "EmergencyAccess").objects
    doctors = apps.get_model("accounts", "Doctor").objects
    running = emergencies.filter(closed_at=None, ends_at__gt=timezone.now()).order_by()
    for doctor, until in running.values_list("doctor").annotate(Max("ends_at")):
        doctors.filter(pk=doctor).update(emergency_until=until)


class Migration(migrations.Migration):
    dependencies = [
        ("patients", "0005_emergency"),
        ("accounts", "0010_emergency_until"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
