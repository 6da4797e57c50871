"""Every address of the application; each app keeps its own in ``<app>/urls.py``."""

from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]
