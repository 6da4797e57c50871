"""What an administrator looks at in the admin: slow statements, anomalies, accesses, backups."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

# A statement that was slow, and failed log-ins to one account: found by the real search.
SEED = """
from accounts.models import Doctor
from operations.audit.anomalies import anomalies_find
from operations.models import Anomaly
from operations.queries.services import times_add
from operations.queries.tally import Tally
from operations.services import access_record
tally = Tally()
tally.add(1.25)
asked = 'SELECT "id" FROM "accounts_doctor" WHERE "last_name" = %s ORDER BY "last_name" ASC'
times_add(found={(asked, "radiographs/"): tally})
victim = Doctor.objects.get(email="docteur.demo@example.org")
for number in range(12):
    access_record(actor=None, action="refused", object_type="refusal.login", object_id=victim.pk)
anomalies_find()
print("ANOMALIES", Anomaly.objects.count())
"""


@pytest.mark.parametrize("width", [1440, 360])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_an_administrator_looks_at_the_running_system(open_browser, stack, language, width):
    assert "ANOMALIES 0" not in stack.manage("shell", "--command", SEED)
    admin = open_browser(language=language, width=width)
    page, _ = admin.page, admin._
    admin.log_in("admin.demo@example.org", "demonstration", onto=re.compile("/admin/"))

    page.goto("/admin/operations/statementtimes/")
    page.locator("#result_list th.field-short a", has_text="accounts_doctor").first.click()
    expect(page.locator("h1 + h2, h1").first).to_be_visible()
    page.get_by_role("link", name=_("Show the plan")).click()
    expect(page.locator(".queries-plan tbody tr").first).to_be_visible()
    admin.shot(f"statement-{language}-{width}")

    page.goto("/admin/operations/anomaly/?kind__exact=logins")
    row = page.locator("#result_list tbody tr").first
    expect(row.locator(".field-kind")).to_have_text(_("failed log-ins to one account"))
    row.locator("input.action-select").check()
    page.select_option("select[name=action]", "see")
    page.locator(".actions button[type=submit]").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    expect(row.locator(".field-seen_by")).not_to_have_text("-")
    admin.shot(f"anomalies-{language}-{width}")

    row.locator(".field-events a").click()
    expect(page.locator("#result_list tbody tr").first).to_be_visible()
    admin.shot(f"events-{language}-{width}")

    for name in ("backup", "restoredrill", "auditcheck", "statementtimes", "accessevent"):
        page.goto(f"/admin/operations/{name}/")
        admin.shot(f"{name}-{language}-{width}")
