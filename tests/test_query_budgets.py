"""Every page and every API address has a budget of queries; a new one needs a row here.

The count is that of a first visit of the owner (an administrator in the admin), without what
is recorded of it, and of the token (once a minute). More queries than the budget fail, so a page
that asks for each row of its list is found as soon as there are two. That lists cost the same for
any number of rows is tested beside each list (``*_costs_the_same_*``).
"""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.access_routes import ALLAUTH
from tests.security.walk import address, ask, door, names, rows
from tests.test_access import world  # noqa: F401

pytestmark = pytest.mark.django_db

BUDGETS: dict[str, int] = {
    "account_change_password": 2,
    "account_confirm_email": 2,
    "account_confirm_login_code": 2,
    "account_email": 6,
    "account_email_verification_sent": 2,
    "account_inactive": 2,
    "account_login": 2,
    "account_logout": 2,
    "account_reauthenticate": 8,
    "account_reset_password": 2,
    "account_reset_password_done": 2,
    "account_reset_password_from_key": 3,
    "account_reset_password_from_key_done": 2,
    "account_set_password": 2,
    "account_signup": 2,
    "accounts:account": 3,
    "accounts:practice": 7,
    "accounts:program_token": 5,
    "accounts:sessions": 3,
    "accounts:tokens": 3,
    "accounts:waiting": 2,
    "admin:accounts_apitoken_changelist": 4,
    "admin:accounts_doctor_changelist": 4,
    "admin:accounts_practice_changelist": 4,
    "admin:accounts_practicemembership_changelist": 4,
    "admin:auth_group_changelist": 5,
    "admin:index": 3,
    "admin:inference_analysis_changelist": 4,
    "admin:inference_modelversion_changelist": 4,
    "admin:inference_promotion_changelist": 4,
    "admin:inference_review_changelist": 4,
    "admin:operations_accessevent_changelist": 4,
    "admin:operations_anomaly_changelist": 4,
    "admin:operations_auditcheck_changelist": 4,
    "admin:operations_backup_changelist": 7,
    "admin:operations_restoredrill_changelist": 4,
    "admin:operations_statementtimes_changelist": 4,
    "admin:patients_emergencyaccess_changelist": 4,
    "admin:patients_erasure_changelist": 4,
    "admin:patients_patient_changelist": 4,
    "admin:radiology_radiograph_changelist": 4,
    "api:analysis-detail": 2,
    "api:analysis-list": 5,
    "api:analysis-map": 2,
    "api:analysis-reviews": 3,
    "api:docs": 0,
    "api:index": 0,
    "api:me": 1,
    "api:model-detail": 2,
    "api:model-list": 3,
    "api:not-found": 0,
    "api:patient-detail": 2,
    "api:patient-list": 3,
    "api:problem": 0,
    "api:problems": 0,
    "api:radiograph-detail": 2,
    "api:radiograph-dicom": 2,
    "api:radiograph-list": 5,
    "api:radiograph-preview": 2,
    "api:root": 0,
    "api:schema": 0,
    "favicon": 2,
    "inference:compare": 8,
    "inference:design": 2,
    "inference:help": 3,
    "inference:list": 6,
    "inference:map": 3,
    "inference:model_card": 3,
    "inference:new": 3,
    "inference:notices": 3,
    "inference:patient_erasure": 4,
    "inference:patient_report": 5,
    "inference:reading": 9,
    "inference:report": 7,
    "inference:result": 3,
    "inference:second_readings": 6,
    "inference:statistics": 4,
    "inference:statistics_csv": 3,
    "inference:status": 6,
    "inference:viewer": 3,
    "inference:worklist": 11,
    "inference:worklist_news": 3,
    "landing": 3,
    "mfa_activate_totp": 10,
    "mfa_add_webauthn": 10,
    "mfa_authenticate": 2,
    "mfa_deactivate_totp": 4,
    "mfa_download_recovery_codes": 4,
    "mfa_edit_webauthn": 9,
    "mfa_generate_recovery_codes": 9,
    "mfa_index": 6,
    "mfa_list_webauthn": 4,
    "mfa_reauthenticate": 5,
    "mfa_reauthenticate_webauthn": 5,
    "mfa_remove_webauthn": 9,
    "mfa_view_recovery_codes": 4,
    "operations:live": 2,
    "operations:metrics": 6,
    "operations:ready": 2,
    "patients:accesses": 3,
    "patients:create": 2,
    "patients:detail": 9,
    "patients:emergency": 6,
    "patients:list": 5,
    "patients:update": 3,
    "radiology:depth": 3,
    "radiology:depth_state": 3,
    "radiology:dicom": 3,
    "radiology:preview": 3,
    "set_language": 2,
}


def asked() -> list[str]:
    """Every name that answers to GET: pages, API, allauth's pages, the lists of the admin."""
    return [
        name
        for name in names()
        if name in ALLAUTH
        or any(row.method == "GET" for row in rows(name))
        or (name.startswith("admin:") and name.endswith(("_changelist", ":index")))
    ]


def test_every_page_and_route_has_a_budget():
    assert set(asked()) == set(BUDGETS)


@pytest.mark.parametrize("name", asked())
def test_it_keeps_to_its_budget(name, world):  # noqa: F811
    who = world.accounts["superuser" if name.startswith("admin:") else "owner"]
    client, url = door(name, who), address(name, world)
    with CaptureQueriesContext(connection) as queries:
        ask(client, "GET", url)
    recorded = ("operations_accessevent", "UPDATE accounts_apitoken")
    statements = [
        query["sql"][:200]
        for query in queries.captured_queries
        if not any(
            one in query["sql"].partition("(")[0].replace('"', "").replace("`", "")
            for one in recorded
        )
        and not query["sql"].startswith(("SAVEPOINT", "RELEASE"))
    ]
    assert len(statements) <= BUDGETS[name], "\n".join(statements)
