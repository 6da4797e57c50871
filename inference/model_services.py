"""Writes of model versions: registration, promotion and rollback, each recorded."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

import structlog
from django.db import IntegrityError, transaction

from operations.services import access_record

from .errors import (
    AlreadyInProductionError,
    ModelFolderInvalidError,
    ModelVersionConflictError,
    NoPreviousVersionError,
)
from .models import ModelVersion, Promotion
from .registry import check_files, read_facts, version_directory

log = structlog.get_logger(__name__)


def model_register(*, directory, promote: bool = False, by=None) -> ModelVersion:
    """Copy a model folder into ``MODEL_ROOT`` and make its version known.

    Checks the facts and every file's SHA-256, before and after the copy. The same content
    under the same name and version changes nothing (a damaged or missing copy is
    repaired). Raises :class:`ModelFolderInvalidError` or :class:`ModelVersionConflictError`.
    """
    source = Path(directory)
    facts = read_facts(source)
    check_files(source, facts)
    version = ModelVersion(
        name=facts["name"],
        version=facts["version"],
        architecture=facts["architecture"],
        preprocessing_version=facts["preprocessing_version"],
        directory=f"{facts['name']}/{facts['version']}",
        sha256=facts["files"]["litert"]["sha256"],
        facts=facts,
    )
    version.full_clean(validate_unique=False, validate_constraints=False)
    known = _known(version)
    if known is None:
        _copy(source, version_directory(version), facts)
        try:
            with transaction.atomic():
                version.save(force_insert=True)
                access_record(actor=by, action="create", obj=version)
            log.info("model_registered", model=str(version))
        except IntegrityError:  # Another process registered it at the same moment.
            known = _known(version)
            if known is None:
                raise
    else:
        _copy(source, version_directory(known), facts)
    version = known or version
    if promote and not version.in_production:
        model_promote(model_version=version, by=by)
        version.refresh_from_db()
    return version


def _known(version: ModelVersion) -> ModelVersion | None:
    """The registered row of the same name and version; raises when its content differs."""
    known = ModelVersion.objects.filter(name=version.name, version=version.version).first()
    if known is not None and known.facts != version.facts:
        raise ModelVersionConflictError(version=str(version))
    return known


def _is_whole(directory: Path, facts: dict) -> bool:
    try:
        check_files(directory, facts)
        return read_facts(directory) == facts
    except ModelFolderInvalidError:
        return False


def _copy(source: Path, target: Path, facts: dict) -> None:
    """Make ``target`` a whole copy of ``source``; a reader never sees half of one."""
    if _is_whole(target, facts):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    arriving = target.parent / f".{target.name}-{uuid.uuid4().hex}"
    leaving = arriving.with_name(f"{arriving.name}.damaged")
    arriving.mkdir()
    try:
        for name in ("facts.json", *(entry["name"] for entry in facts["files"].values())):
            shutil.copyfile(source / name, arriving / name)
        check_files(arriving, facts)
        if target.exists():
            target.replace(leaving)
        arriving.replace(target)
    except OSError:
        if not _is_whole(target, facts):  # Else another process was first.
            raise
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
        shutil.rmtree(leaving, ignore_errors=True)


def model_promote(*, model_version: ModelVersion, by=None, request=None) -> Promotion:
    """Put ``model_version`` into production; workers use it from their next reading on.

    Its files in ``MODEL_ROOT`` are compared with the registered checksums first. Raises
    :class:`AlreadyInProductionError` or :class:`ModelFolderInvalidError`.
    """
    return _move(model_version, Promotion.Kind.PROMOTE, by, request)


def model_rollback(*, by=None, request=None) -> Promotion:
    """Go back to the version that the present one replaced when it was promoted.

    A second rollback goes one further back, not forward again. Raises
    :class:`NoPreviousVersionError` or :class:`ModelFolderInvalidError`.
    """
    with transaction.atomic():
        present = _lock_versions()
        promotion = (
            Promotion.objects.filter(model_version=present, kind=Promotion.Kind.PROMOTE)
            .select_related("previous")
            .order_by("-pk")
            .first()
        )
        if present is None or promotion is None or promotion.previous is None:
            raise NoPreviousVersionError
        return _move(promotion.previous, Promotion.Kind.ROLLBACK, by, request)


def _lock_versions() -> ModelVersion | None:
    """Let one promotion happen at a time; returns the version in production."""
    versions = list(ModelVersion.objects.select_for_update().order_by("pk"))
    return next((version for version in versions if version.in_production), None)


def _move(target: ModelVersion, kind: str, by, request=None) -> Promotion:
    check_files(version_directory(target), target.facts)
    with transaction.atomic():
        present = _lock_versions()
        if present is not None:
            if present.pk == target.pk:
                raise AlreadyInProductionError(version=str(target))
            ModelVersion.objects.filter(pk=present.pk).update(in_production=None)
        ModelVersion.objects.filter(pk=target.pk).update(in_production=True)
        promotion = Promotion(model_version=target, previous=present, kind=kind, by=by)
        promotion.full_clean()
        promotion.save(force_insert=True)
        access_record(actor=by, action="update", obj=target, request=request)
    target.in_production = True
    log.info("model_promoted", model=str(target), kind=kind, previous=str(present or ""))
    return promotion
