"""What production does beside the tests' own settings: S3, collected static files."""

import os
import subprocess
import sys
import uuid
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.storage.handler import StorageHandler

from operations.encryption.sealed import MAGIC, plain_size
from operations.models import Backup
from pneumoniapp.settings import environment
from tests.operations.test_settings import PRODUCTION

pytestmark = pytest.mark.services


def test_static_files_can_be_collected(tmp_path):
    """Every file that a style sheet or a script names is there: the manifest needs them."""
    done = subprocess.run(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity", "0"],
        cwd=django_settings.BASE_DIR,
        env=os.environ | PRODUCTION | {"STATIC_ROOT": str(tmp_path), "VAR_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "staticfiles.json").is_file()
    assert list(tmp_path.glob("css/app.*.css.gz"))


@pytest.fixture
def bucket(monkeypatch):
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    name = f"radiographs-{uuid.uuid4()}"
    for variable, value in {
        "S3_BUCKET": name,
        "S3_ENDPOINT_URL": address,
        "S3_REGION": "eu-west-3",
        "S3_ACCESS_KEY": "key",
        "S3_SECRET_KEY": "secret",
    }.items():
        monkeypatch.setenv(variable, value)
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="eu-west-3",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    yield client, name
    client.close()
    server.stop()


def test_files_lie_in_the_bucket(bucket):
    storage = StorageHandler({"default": environment.file_storage()})["default"]
    client, bucket_name = bucket
    name = storage.save("radiographs/ab/image.dcm", ContentFile(b"pixels"))
    assert name == "radiographs/ab/image.dcm"
    assert client.get_object(Bucket=bucket_name, Key=name)["Body"].read().startswith(MAGIC)
    with storage.open(name) as file:
        assert file.read() == b"pixels"
    storage.save(name, ContentFile(b"other pixels"))
    assert storage.size(name) == len(b"other pixels")
    assert "Signature=" in storage.url(name)
    storage.delete(name)
    assert not storage.exists(name)


def test_the_health_check_works_on_a_bucket(bucket, settings):
    from operations.checks import storage_keeps

    settings.STORAGES = settings.STORAGES | {"default": environment.file_storage()}
    client, bucket_name = bucket
    assert storages["default"].bucket_name == bucket_name
    assert storage_keeps() == {"ok": True}
    assert "Contents" not in client.list_objects_v2(Bucket=bucket_name)


def test_files_without_a_row_are_found_in_a_bucket(bucket, settings, db):
    from operations.storage import orphans_delete, storage_compare

    settings.STORAGES = settings.STORAGES | {"default": environment.file_storage()}
    storage = storages["default"]
    for name in ("radiographs/ab/x/image.dcm", "elsewhere/image.dcm"):
        storage.save(name, ContentFile(b"pixels"))
    assert storage_compare(older_than=timedelta(hours=1)).young == 1
    found = storage_compare(older_than=timedelta(hours=-1))
    (orphan,) = found.orphans
    assert (orphan.name, plain_size(orphan.size)) == ("radiographs/ab/x/image.dcm", 6)
    assert orphans_delete(found) == 1
    assert not storage.exists("radiographs/ab/x/image.dcm")
    assert storage.exists("elsewhere/image.dcm")


def test_backups_lie_in_a_bucket(bucket, backups, monkeypatch, settings):
    """S3 to S3: what is there is not sent again; a restore finds it; damage is told."""
    from operations.backup.repository import Repository
    from operations.errors import BackupPartMissingError

    for name in ("BUCKET", "ENDPOINT_URL", "REGION", "ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.setenv(f"BACKUP_S3_{name}", os.environ[f"S3_{name}"])
    backend = environment.backup_storage(None)
    settings.STORAGES = settings.STORAGES | {"backups": backend}
    repository, known = Repository.configured(), {}
    assert (repository.objects(), repository.manifests()) == ({}, [])
    content = [os.urandom(1024 * 1024) for _ in range(9)]
    first = repository.add(content, known)
    assert first.is_new
    assert repository.objects() == known == {first.name: first.sealed}
    assert not repository.add(content, repository.objects()).is_new
    assert repository.read_whole(first.name) == b"".join(content)
    manifest = {"format": 1, "name": "x"}
    repository.manifest_write("20260101T000000.000000Z-aaaaaa", manifest)
    assert repository.manifests() == ["20260101T000000.000000Z-aaaaaa"]
    assert repository.manifest_read("20260101T000000.000000Z-aaaaaa") == manifest
    repository.object_delete(first.name)
    with pytest.raises(BackupPartMissingError):
        repository.read_whole(first.name)
    repository.manifest_delete("20260101T000000.000000Z-aaaaaa")
    assert repository.manifests() == []


@pytest.mark.django_db(transaction=True)
def test_files_and_backups_in_buckets(bucket, backups, monkeypatch, settings, run_command):
    """Radiographs in one bucket, backups in the other, and a restore into the first."""
    from tests.operations.backup_site import fill, held
    from tests.operations.test_backup import empty_system

    client, bucket_name = bucket
    for name in ("ENDPOINT_URL", "REGION", "ACCESS_KEY", "SECRET_KEY"):
        monkeypatch.setenv(f"BACKUP_S3_{name}", os.environ[f"S3_{name}"])
    monkeypatch.setenv("BACKUP_S3_BUCKET", "backups")
    client.create_bucket(
        Bucket="backups", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"}
    )
    settings.STORAGES = settings.STORAGES | {
        "default": environment.file_storage(),
        "backups": environment.backup_storage(None),
    }
    fill()

    def keys() -> list[str]:
        found = client.list_objects_v2(Bucket=bucket_name).get("Contents", [])
        return [item["Key"] for item in found]

    def files() -> dict[str, bytes]:
        found = {}
        for key in keys():
            with storages["default"].open(key) as file:
                found[key] = file.read()
        return found

    wanted = held(), files()
    assert len(wanted[1]) == 4
    assert run_command("backup")[0] == 0
    assert ", 4 files, 1 model files" in run_command("backup")[1][0]
    assert Backup.objects.first().objects_new == 1  # the record of the first one
    for key in keys():
        client.delete_object(Bucket=bucket_name, Key=key)
    empty_system()
    assert run_command("restore", "latest")[0] == 0
    assert (held(), files()) == wanted
