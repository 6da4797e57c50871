"""What a program may be allowed to do: each route of the API declares which of these it needs."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    READ = "read", _("read: patients, radiographs, readings and judgements")
    UPLOAD = "upload", _("upload: record and correct patients, send radiographs")
    REVIEW = "review", _("review: judge readings in your name")


# What any valid token may do: ask whose it is, and end itself.
ANY = ""
