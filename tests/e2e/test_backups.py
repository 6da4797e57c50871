"""An administrator makes a backup with one click and sees how it ends."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.e2e


def test_a_backup_by_hand(open_browser, stack):
    admin = open_browser(language="en")
    page = admin.page
    admin.log_in("admin.demo@example.org", "demonstration", onto=re.compile("/admin/"))
    page.goto("/admin/operations/backup/")
    # A scheduled one may be under way; the list is read anew at its end.
    page.get_by_role("button", name="Back up now").click()
    message = page.locator(".messagelist .success")
    expect(message).to_be_visible()
    # No reload by hand: the page finds out by itself.
    newest = page.locator("#result_list tbody tr").first
    expect(newest.locator(".field-state")).to_have_text("done")
    expect(newest.locator(".field-kind")).to_have_text("by hand")
    expect(newest.locator(".field-requested_by")).not_to_have_text("-")
    expect(page.get_by_role("button", name="Back up now")).to_be_visible()
    # However quick the backup was, what was said of it still stands.
    expect(message).to_be_visible()
    admin.shot("backups")
    assert "\tcomplete\t" in stack.manage("backups")
