"""What an account may do before any row is looked at."""

from rest_framework.permissions import BasePermission, IsAuthenticated

from accounts.credentials import practice_check
from accounts.errors import AccountPendingError, AccountSuspendedError, NotADoctorError


class MayPractise(BasePermission):
    """A doctor who may work with patients now; administrators have the admin for that.

    The default of the API, so a route that says nothing is closed to everybody else.
    """

    codes = (AccountPendingError.code, AccountSuspendedError.code, NotADoctorError.code)

    def has_permission(self, request, view) -> bool:
        if not request.user.is_authenticated:
            return False
        practice_check(request.user)
        return True


class HasToken(IsAuthenticated):
    """Whoever holds a valid token, whatever the account may do."""
