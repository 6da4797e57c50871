"""Static files as they are collected for production."""

import re

from django.conf import settings
from django.core.files.storage import FileSystemStorage

from pneumoniapp.staticfiles import StaticFiles


def test_our_modules_import_one_another_by_their_hashed_names(tmp_path):
    source = FileSystemStorage(settings.BASE_DIR / "static")
    storage = StaticFiles(location=tmp_path, base_url="/static/")
    folder = "js/viewer"
    paths = {f"{folder}/{name}": (source, f"{folder}/{name}") for name in source.listdir(folder)[1]}
    for path in paths:
        with source.open(path) as file:
            storage.save(path, file)
    failed = [
        result for _, _, result in storage.post_process(paths) if isinstance(result, Exception)
    ]
    assert not failed
    imports = []
    for path in paths:
        text = (tmp_path / storage.stored_name(path)).read_text()
        imports += re.findall(r"""from ["']\./([^"']+)""", text)
    assert len(imports) > 10
    for name in imports:
        assert re.search(r"\.[0-9a-f]{12}\.js$", name), name
        assert storage.exists(f"{folder}/{name}")
