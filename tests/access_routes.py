"""Who gets which answer from every page and every API route: the table of ``test_access``.

A row is a name of the URL resolver and a method. A new route needs a row here, or the test
fails. The roles, in the order in which they ask:

- ``anonymous``: nobody signed in;
- ``pending``, ``suspended``: doctors who may not practise;
- ``other``: a practising doctor who owns none of the objects asked for;
- ``former``: one who was a member of the owner's practice and left;
- ``reader``, ``colleague``: members of the practice with which the owner shares the patient,
  who may look and who may treat;
- ``staff``, ``superuser``: administrators without and with every permission;
- ``owner``: the doctor whose objects they are.

An answer is a status, or where a redirect leads: ``login``, ``waiting``, ``admin``, or
``onward`` for any other address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

ROLES = (
    "anonymous",
    "pending",
    "suspended",
    "other",
    "former",
    "staff",
    "superuser",
    "reader",
    "colleague",
    "owner",
)
DOCTORS = ("other", "former", "reader", "colleague", "owner")
# Who changes the objects, by right.
TREATS = ("colleague", "owner")
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"

Answers = dict[str, int | str]

EVERYBODY: Answers = dict.fromkeys(ROLES, 200)
NOT_THERE: Answers = dict.fromkeys(ROLES, 404)
SIGNED_IN: Answers = EVERYBODY | {"anonymous": "login"}
PRACTISING: Answers = SIGNED_IN | {
    "pending": "waiting",
    "suspended": "waiting",
    "staff": "admin",
    "superuser": "admin",
}
# What the owner's practice sees, what those of it who treat may change, what is the owner's alone.
SHARED: Answers = PRACTISING | {"other": 404, "former": 404}
TREATED: Answers = SHARED | {"reader": 404}
OWNER: Answers = TREATED | {"colleague": 404}
# Where a page sends somebody who has no business there.
HOME: Answers = dict.fromkeys(ROLES, "onward") | {
    "pending": "waiting",
    "suspended": "waiting",
    "staff": "admin",
    "superuser": "admin",
}
# Onward for members of the owner's practice, whom the next page tells what came of it.
MEMBER_ROLES = ("reader", "colleague", "owner")
MEMBERS: Answers = SHARED | dict.fromkeys(MEMBER_ROLES, "onward")
TOKEN: Answers = EVERYBODY | {"anonymous": 401}
API_PRACTISING: Answers = TOKEN | {"pending": 403, "suspended": 403, "staff": 403, "superuser": 403}
API_SHARED: Answers = API_PRACTISING | {"other": 404, "former": 404}
API_TREATED: Answers = API_SHARED | {"reader": 404}
API_OWNER: Answers = API_TREATED | {"colleague": 404}


def practising(answer: int | str) -> Answers:
    """For every doctor who may practise ``answer``, for others what a page says."""
    return PRACTISING | dict.fromkeys(DOCTORS, answer)


def treated(answer: int | str) -> Answers:
    """For who treats the patient ``answer``, for others what a page says of one."""
    return TREATED | {"owner": answer, "colleague": answer}


def api_practising(answer: int) -> Answers:
    """The same for the API."""
    return API_PRACTISING | dict.fromkeys(DOCTORS, answer)


def api_treated(answer: int) -> Answers:
    return API_TREATED | {"owner": answer, "colleague": answer}


@dataclass(frozen=True)
class Route:
    """One name and method. ``args`` and ``body`` are made from the world of the test."""

    name: str
    method: str
    answers: Answers
    args: Callable = field(default=lambda world: [])
    body: Callable = field(default=lambda world: None)
    query: str = ""

    @property
    def is_api(self) -> bool:
        return self.name.startswith("api:")

    def __str__(self) -> str:
        return f"{self.method} {self.name}{self.query}"


def patient(world) -> list:
    return [world.patient.pk]


def radiograph(world) -> list:
    return [world.analysis.radiograph_id]


def analysis(world) -> list:
    return [world.analysis.pk]


def failed(world) -> list:
    return [world.failed.pk]


def failed_radiograph(world) -> list:
    return [world.failed.radiograph_id]


def second_reading(world) -> list:
    return [world.second.pk]


def upload_key(world) -> list:
    return [world.upload.pk]


def model_version(world) -> list:
    version = world.analysis.model_version
    return [version.name, version.version]


def invited(world) -> list:
    return [world.invitation.pk]


def membership(world) -> list:
    return [world.membership.pk]


def emergency(world) -> list:
    return [world.emergency.pk]


def program(world) -> list:
    return [world.program.pk]


def token(world) -> list:
    return [world.token.pk]


def program_token(world) -> list:
    return [world.program.pk, world.program_token.pk]


def person(_world) -> dict:
    return {"identifier": "NEW-1", "sex": "F", "birth_date": "1960-01-01"}


def corrected(world) -> dict:
    """As ``person``; the identifier stays, since only the patient's own doctor changes it."""
    identifier = getattr(world.patient, "identifier", "NEW-1")
    return person(world) | {"identifier": identifier}


def upload(world) -> dict:
    return {"file": world.file(), "patient": world.patient.pk}


PAGES = [
    Route("landing", "GET", dict.fromkeys(ROLES, "onward") | {"anonymous": 200}),
    Route("favicon", "GET", dict.fromkeys(ROLES, "onward")),
    Route("set_language", "GET", dict.fromkeys(ROLES, "onward")),
    Route(
        "set_language",
        "POST",
        dict.fromkeys(ROLES, "onward"),
        body=lambda world: {"language": "en"},
    ),
    Route("operations:live", "GET", EVERYBODY),
    Route("operations:ready", "GET", dict.fromkeys(ROLES, 503)),
    Route("operations:metrics", "GET", EVERYBODY),
    Route("accounts:account", "GET", SIGNED_IN),
    Route("accounts:account", "POST", dict.fromkeys(ROLES, 422) | {"anonymous": "login"}),
    Route(
        "accounts:waiting",
        "GET",
        HOME | {"anonymous": "login", "pending": 200, "suspended": 200},
    ),
    Route(
        "accounts:proof",
        "POST",
        HOME | {"anonymous": "login", "pending": 422, "suspended": 422},
    ),
    Route(
        "accounts:apply",
        "POST",
        HOME | {"anonymous": "login", "pending": 422, "suspended": 422},
    ),
    Route("accounts:tokens", "GET", PRACTISING),
    Route("accounts:tokens", "POST", practising(422)),
    Route(
        "accounts:tokens",
        "POST",
        practising(201),
        body=lambda world: {"name": "Archive", "scopes": "read", "days": 30},
    ),
    Route("accounts:token_end", "POST", OWNER | {"owner": "onward"}, token),
    Route("accounts:sessions", "GET", SIGNED_IN),
    Route(
        "accounts:session_end",
        "POST",
        dict.fromkeys(ROLES, 404) | {"anonymous": "login"},
        body=lambda world: {"session": "1"},
    ),
    Route("accounts:practice", "GET", PRACTISING),
    Route("accounts:practice", "POST", practising(422)),
    Route(
        "accounts:practice_invite",
        "POST",
        MEMBERS | {"reader": 422, "colleague": 422},
        body=lambda world: {"address": "nobody@example.org", "role": "doctor"},
    ),
    Route("accounts:program_new", "POST", MEMBERS | dict.fromkeys(MEMBER_ROLES, 422)),
    Route("accounts:program_token", "GET", OWNER, program),
    Route("accounts:program_token", "POST", OWNER | {"owner": 422}, program),
    Route(
        "accounts:program_token",
        "POST",
        OWNER | {"owner": 201},
        program,
        lambda world: {"name": "Archive", "scopes": "read", "days": 30},
    ),
    Route("accounts:program_token_end", "POST", OWNER | {"owner": "onward"}, program_token),
    Route("accounts:program_end", "POST", MEMBERS, program),
    Route("accounts:practice_answer", "POST", OWNER | {"owner": 404, "other": "onward"}, invited),
    Route("accounts:practice_withdraw", "POST", MEMBERS, invited),
    Route(
        "accounts:practice_role",
        "POST",
        MEMBERS,
        membership,
        lambda world: {"role": "reader"},
    ),
    Route("accounts:practice_end", "POST", MEMBERS, membership),
    Route("patients:emergency", "GET", PRACTISING),
    Route("patients:emergency", "POST", practising(422)),
    Route("patients:emergency_noted", "POST", practising("onward")),
    # Who opened it (the colleague), the patient's doctor, who owns the practice.
    Route("patients:emergency_end", "POST", treated("onward"), emergency),
    Route("patients:list", "GET", PRACTISING),
    Route("patients:create", "GET", PRACTISING),
    Route("patients:create", "POST", practising("onward"), body=person),
    Route("patients:search", "POST", PRACTISING, body=lambda world: {"q": "A"}),
    Route("patients:detail", "GET", SHARED, patient),
    Route("patients:update", "GET", TREATED, patient),
    Route("patients:accesses", "GET", SHARED, patient),
    Route("patients:update", "POST", treated("onward"), patient, person),
    Route(
        "patients:sharing",
        "POST",
        OWNER | {"owner": "onward"},
        patient,
        lambda world: {},
    ),
    Route("inference:new", "GET", PRACTISING),
    Route(
        "inference:new",
        "POST",
        practising("onward") | {"other": 422, "former": 422, "reader": 422},
        body=lambda world: {"patient": world.patient.pk, "files": world.file()},
    ),
    Route("inference:inspect", "POST", PRACTISING, body=lambda world: {"head": world.file()}),
    Route("inference:help", "GET", EVERYBODY),
    Route("inference:design", "GET", NOT_THERE | {"staff": 200, "superuser": 200}),
    Route("inference:list", "GET", PRACTISING),
    Route("inference:worklist", "GET", PRACTISING),
    Route("inference:worklist_news", "GET", practising(204) | {"owner": 200}),
    Route(
        "inference:worklist_reread",
        "POST",
        PRACTISING,
        body=lambda world: {"radiograph": world.failed.radiograph_id},
    ),
    Route("inference:worklist_export", "POST", PRACTISING, body=lambda world: {"what": "all"}),
    Route("inference:worklist_approve", "POST", treated("onward"), analysis),
    Route("inference:notices", "GET", dict.fromkeys(ROLES, 204) | {"owner": 200}),
    Route("inference:statistics", "GET", PRACTISING),
    Route("inference:statistics_csv", "GET", PRACTISING),
    Route("inference:reading", "GET", SHARED, radiograph),
    Route("inference:viewer", "GET", SHARED, radiograph),
    Route("inference:status", "GET", SHARED, radiograph),
    Route("inference:result", "GET", SHARED, radiograph),
    Route("inference:retry", "POST", treated("onward"), failed_radiograph),
    Route("inference:read_again", "POST", treated("onward"), radiograph),
    Route(
        "inference:review",
        "POST",
        treated("onward"),
        analysis,
        lambda world: {"verdict": "approved"},
    ),
    Route("inference:map", "GET", SHARED, analysis),
    Route("inference:report", "GET", SHARED, radiograph),
    Route(
        "inference:report",
        "GET",
        SHARED | dict.fromkeys(("owner", "colleague", "reader"), 409),
        failed_radiograph,
    ),
    Route("inference:account_export", "POST", SIGNED_IN),
    Route("inference:patient_export", "POST", TREATED, patient),
    Route("inference:patient_report", "GET", SHARED, patient),
    Route("inference:patient_erasure", "GET", OWNER, patient),
    Route("inference:patient_erasure", "POST", OWNER | {"owner": 422}, patient),
    Route("inference:second_readings", "GET", PRACTISING),
    Route(
        "inference:second_reading_new",
        "POST",
        OWNER | {"owner": "onward"},
        radiograph,
        lambda world: {"address": world.accounts["other"].email},
    ),
    Route("inference:second_reading_end", "POST", OWNER | {"owner": "onward"}, second_reading),
    Route("inference:compare", "GET", SHARED, patient, query="?left={radiograph}&right={failed}"),
    Route(
        "inference:compare",
        "GET",
        SHARED | dict.fromkeys(("owner", "colleague", "reader"), "onward"),
        patient,
    ),
    Route("inference:model_card", "GET", SIGNED_IN, model_version),
    Route("radiology:uploads", "POST", practising(201), body=lambda world: {"size": 5}),
    Route("radiology:upload", "HEAD", OWNER | {"owner": 204}, upload_key),
    Route("radiology:upload", "PATCH", OWNER | {"owner": 409}, upload_key),
    Route("radiology:upload", "DELETE", OWNER | {"owner": 204}, upload_key),
    Route("radiology:preview", "GET", SHARED, radiograph),
    Route("radiology:dicom", "GET", SHARED, radiograph),
    Route("radiology:depth", "GET", SHARED, radiograph),
    Route("radiology:depth_state", "GET", SHARED, radiograph),
    Route("radiology:depth_state", "POST", SHARED, radiograph),
]

API = [
    Route(
        "api:token",
        "POST",
        {
            "anonymous": 401,
            "pending": 403,
            "suspended": 403,
            "staff": 403,
            "superuser": 403,
        }
        | dict.fromkeys(DOCTORS, 200),
        body=lambda world: world.credentials,
    ),
    Route("api:me", "GET", TOKEN),
    Route("api:patient-list", "GET", API_PRACTISING),
    Route("api:patient-list", "POST", api_practising(201), body=person),
    Route("api:patient-search", "POST", API_PRACTISING, body=lambda world: {"identifier": "A"}),
    Route("api:patient-detail", "GET", API_SHARED, patient),
    Route("api:patient-detail", "PUT", API_TREATED, patient, corrected),
    Route("api:patient-detail", "PATCH", API_TREATED, patient, lambda world: {"sex": "O"}),
    Route("api:radiograph-list", "GET", API_PRACTISING),
    Route("api:radiograph-list", "POST", api_treated(202), body=upload),
    Route("api:radiograph-detail", "GET", API_SHARED, radiograph),
    Route("api:radiograph-preview", "GET", API_SHARED, radiograph),
    Route("api:radiograph-dicom", "GET", API_SHARED, radiograph),
    Route("api:analysis-list", "GET", API_PRACTISING),
    Route("api:analysis-detail", "GET", API_SHARED, analysis),
    Route("api:analysis-map", "GET", API_SHARED, analysis),
    # The colleague was first.
    Route("api:analysis-retry", "POST", api_treated(202) | {"owner": 409}, failed),
    Route("api:analysis-reviews", "GET", API_SHARED, analysis),
    Route(
        "api:analysis-reviews",
        "POST",
        api_treated(201),
        analysis,
        lambda world: {"verdict": "approved"},
    ),
    Route("api:model-list", "GET", API_PRACTISING),
    Route(
        "api:model-detail", "GET", API_PRACTISING, lambda world: [world.analysis.model_version_id]
    ),
    Route("api:index", "GET", dict.fromkeys(ROLES, "onward")),
    Route("api:root", "GET", EVERYBODY),
    Route("api:schema", "GET", EVERYBODY),
    Route("api:docs", "GET", EVERYBODY),
    Route("api:problems", "GET", EVERYBODY),
    Route("api:problem", "GET", EVERYBODY, lambda world: ["not_found"]),
    Route("api:not-found", "GET", NOT_THERE, query="nothing/"),
    # Last, since it ends the tokens.
    Route("api:logout", "POST", dict.fromkeys(ROLES, 204) | {"anonymous": 401}),
]

# Filters that name an object are doors as well.
FILTERS = [
    Route(name, "GET", API_SHARED, query=f"?{parameter}={{{attribute}}}")
    for name, parameter, attribute in (
        ("api:radiograph-list", "patient", "patient"),
        ("api:analysis-list", "radiograph", "radiograph"),
    )
]

# allauth's pages: what each answers to GET, and that none is for doctors alone.
ALLAUTH: dict[str, Answers] = {
    "account_login": HOME | {"anonymous": 200},
    "account_signup": HOME | {"anonymous": 200},
    "account_logout": EVERYBODY | {"anonymous": "onward"},
    "account_inactive": EVERYBODY,
    "account_reauthenticate": SIGNED_IN,
    "account_email": SIGNED_IN,
    "account_email_verification_sent": EVERYBODY,
    "account_change_password": SIGNED_IN,
    "account_set_password": dict.fromkeys(ROLES, "onward") | {"anonymous": "login"},
    "account_reset_password": EVERYBODY,
    "account_reset_password_done": EVERYBODY,
    "account_reset_password_from_key": EVERYBODY,
    "account_reset_password_from_key_done": EVERYBODY,
    "account_confirm_email": EVERYBODY,
    "account_confirm_login_code": HOME | {"anonymous": "login"},
    "mfa_index": SIGNED_IN,
    "mfa_authenticate": HOME | {"anonymous": "login"},
    "mfa_reauthenticate": dict.fromkeys(ROLES, "onward") | {"anonymous": "login"},
    "mfa_reauthenticate_webauthn": dict.fromkeys(ROLES, "onward") | {"anonymous": "login"},
    # Who they are is asked first, or there is nothing to take away.
    "mfa_activate_totp": dict.fromkeys(ROLES, "onward") | {"anonymous": "login"},
    "mfa_deactivate_totp": NOT_THERE | {"anonymous": "login"},
    "mfa_view_recovery_codes": NOT_THERE | {"anonymous": "login"},
    "mfa_download_recovery_codes": NOT_THERE | {"anonymous": "login"},
    "mfa_generate_recovery_codes": dict.fromkeys(ROLES, "onward") | {"anonymous": "login"},
    "mfa_list_webauthn": SIGNED_IN,
    "mfa_add_webauthn": dict.fromkeys(ROLES, "onward") | {"anonymous": "login"},
    "mfa_edit_webauthn": dict.fromkeys(ROLES, "onward") | {"anonymous": "login"},
    "mfa_remove_webauthn": dict.fromkeys(ROLES, "onward") | {"anonymous": "login"},
}
ALLAUTH_ARGUMENTS = {
    "account_confirm_email": ["unknown"],
    "account_reset_password_from_key": ["1", "unknown"],
    "mfa_edit_webauthn": [1],
    "mfa_remove_webauthn": [1],
}
