"""Tokens get names, scopes and addresses; those that knox made go on working until they end."""

import datetime as dt

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import pneumoniapp.ids

LONGEST = dt.timedelta(days=365)
EVERYTHING = ["read", "upload", "review"]


def carry_over(apps, schema_editor) -> None:
    """Copy the tokens of before: they could do everything, and were known by how they begin.

    Only their hash is there (SHA-512 of the text), so that stays as it is.
    """
    connection = schema_editor.connection
    Earlier = apps.get_model("accounts", "EarlierToken")
    ApiToken = apps.get_model("accounts", "ApiToken")
    if Earlier._meta.db_table not in connection.introspection.table_names():
        return
    now = django.utils.timezone.now()
    programs = set(
        apps.get_model("accounts", "Doctor")
        .objects.using(connection.alias)
        .filter(is_service=True)
        .values_list("pk", flat=True)
    )
    ApiToken.objects.using(connection.alias).bulk_create(
        [
            ApiToken(
                owner_id=token.user_id,
                created_by_id=None,
                name=token.token_key[:8],
                hint=token.token_key[:8],
                digest=token.digest,
                scopes=["read", "upload"] if token.user_id in programs else EVERYTHING,
                networks=[],
                created_at=token.created,
                expires_at=min(token.expiry or now + LONGEST, now + LONGEST),
            )
            for token in Earlier.objects.using(connection.alias).order_by("created")
            if token.expiry is None or token.expiry > now
        ],
        ignore_conflicts=True,
    )


def drop_earlier(apps, schema_editor) -> None:
    connection = schema_editor.connection
    Earlier = apps.get_model("accounts", "EarlierToken")
    if Earlier._meta.db_table in connection.introspection.table_names():
        schema_editor.delete_model(Earlier)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0007_service_accounts'),
    ]

    operations = [
        migrations.CreateModel(
            name='ApiToken',
            fields=[
                ('id', models.UUIDField(default=pneumoniapp.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('name', models.CharField(max_length=100, verbose_name='name')),
                ('hint', models.CharField(editable=False, max_length=12, verbose_name='begins with')),
                ('digest', models.CharField(editable=False, max_length=128, unique=True)),
                ('scopes', models.JSONField(verbose_name='scopes')),
                ('networks', models.JSONField(blank=True, default=list, verbose_name='addresses')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False, verbose_name='created')),
                ('expires_at', models.DateTimeField(db_index=True, verbose_name='ends')),
                ('last_used_at', models.DateTimeField(editable=False, null=True, verbose_name='last used')),
                ('last_used_from', models.GenericIPAddressField(editable=False, null=True, verbose_name='last used from')),
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='made by')),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='api_tokens', to=settings.AUTH_USER_MODEL, verbose_name='owner')),
            ],
            options={
                'verbose_name': 'API token',
                'verbose_name_plural': 'API tokens',
                'ordering': ['-created_at', '-pk'],
            },
        ),
        # The rows of django-rest-knox, which is gone.
        migrations.CreateModel(
            name='EarlierToken',
            fields=[
                ('digest', models.CharField(max_length=128, primary_key=True, serialize=False)),
                ('token_key', models.CharField(max_length=25)),
                ('user_id', models.BigIntegerField()),
                ('created', models.DateTimeField()),
                ('expiry', models.DateTimeField(null=True)),
            ],
            options={'managed': False, 'db_table': 'knox_authtoken'},
        ),
        migrations.RunPython(carry_over, migrations.RunPython.noop),
        migrations.RunPython(drop_earlier, migrations.RunPython.noop),
        migrations.DeleteModel(name='EarlierToken'),
    ]
