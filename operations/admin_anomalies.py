"""What stands out in the record of access, in the admin."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import admin, messages
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from .audit.anomalies import anomaly_see
from .models import Anomaly
from .readonly_admin import ReadOnlyAdmin


class UnseenFilter(admin.SimpleListFilter):
    title = _("seen")
    parameter_name = "seen"

    def lookups(self, request, model_admin):
        return [("no", _("not yet")), ("yes", _("seen"))]

    def queryset(self, request, queryset):
        if self.value() in ("yes", "no"):
            return queryset.filter(seen_at__isnull=self.value() == "no")
        return queryset


@admin.register(Anomaly)
class AnomalyAdmin(ReadOnlyAdmin):
    """Seen by those who may change anomalies; nothing else of a row is ever edited."""

    list_display = ["hour", "kind", "actor", "address", "count", "events", "seen_by", "seen_at"]
    fields = list_display
    list_filter = ["kind", UnseenFilter, "hour"]
    list_select_related = ["actor", "seen_by"]
    sortable_by = ()
    actions = ("see",)

    def has_see_permission(self, request) -> bool:
        return request.user.has_perm("operations.change_anomaly")

    @admin.display(description=_("access events"))
    def events(self, anomaly: Anomaly) -> str:
        """The events of that day; the record has no filter by the hour."""
        day = timezone.localtime(anomaly.hour).date().isoformat()
        query = {"since": day, "until": day}
        if anomaly.kind == Anomaly.Kind.LOGINS:
            query |= {"object_type": "refusal.login", "q": anomaly.actor_id}
        elif anomaly.address:
            query |= {"action__exact": "refused", "address__exact": anomaly.address}
        else:
            query["doctor"] = anomaly.actor_id
        address = f"{reverse('admin:operations_accessevent_changelist')}?{urlencode(query)}"
        return format_html('<a href="{}">{}</a>', address, _("Show"))

    @admin.action(description=_("Mark as seen"), permissions=["see"])
    def see(self, request, queryset) -> None:
        rows = list(queryset)
        for anomaly in rows:
            anomaly_see(anomaly=anomaly, by=request.user, request=request)
        text = ngettext("%d anomaly is marked.", "%d anomalies are marked.", len(rows)) % len(rows)
        self.message_user(request, text, messages.SUCCESS)
