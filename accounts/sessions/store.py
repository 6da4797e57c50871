"""Sessions in the database, as Django's, with the form that waits sealed (``waiting``)."""

from __future__ import annotations

from django.contrib.sessions.backends import db

from .waiting import LAPSED, SEALED, STATE, form_seal, form_unseal


class SessionStore(db.SessionStore):
    """Whoever saves a session, and whenever: it comes through here."""

    def encode(self, session_dict: dict) -> str:
        if STATE in session_dict:
            sealed = form_seal(session_dict[STATE])
            session_dict = {
                name: v for name, v in session_dict.items() if name not in (STATE, LAPSED)
            }
            if sealed:
                session_dict[SEALED] = sealed
        return super().encode(session_dict)

    def decode(self, session_data: str) -> dict:
        session = super().decode(session_data)
        sealed = session.pop(SEALED, "")
        if sealed:
            state = form_unseal(sealed)
            session |= {STATE: state} if state else {LAPSED: True}
        return session
