"""What may stand in the way of a change to a practice."""

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError


class NotOwnerError(PermanentError):
    code = "not_practice_owner"
    status = 403
    sentence = _("Only an owner of the practice may do this.")


class AlreadyMemberError(PermanentError):
    code = "already_practice_member"
    status = 409
    sentence = _("You belong to a practice already: leave it first.")


class LastOwnerError(PermanentError):
    code = "last_practice_owner"
    status = 409
    sentence = _("A practice needs an owner: hand the ownership over first.")


class InvitationGoneError(PermanentError):
    code = "invitation_gone"
    status = 409
    sentence = _("This invitation holds no more.")


class InvitationOfMemberError(PermanentError):
    code = "invitation_of_member"
    sentence = _("This address is that of a member of the practice.")


class TooManyInvitationsError(PermanentError):
    """``limit`` is how many may wait for an answer."""

    code = "too_many_invitations"
    status = 409
    sentence = _("%(limit)s invitations wait for an answer: withdraw one first.")


class MembershipOverError(PermanentError):
    code = "membership_over"
    status = 409
    sentence = _("This doctor is no longer a member of the practice.")


class TooManyProgramsError(PermanentError):
    """``limit`` is how many a practice may have."""

    code = "too_many_programs"
    status = 409
    sentence = _("The practice has %(limit)s programs: end one first.")
