"""Practices: who joins, who administers, who may leave, and what stays of it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client, TestCase
from django.urls import reverse
from django.utils import timezone

from accounts.models import Doctor, PracticeInvitation, PracticeMembership
from accounts.practices import services
from accounts.practices.errors import (
    AlreadyMemberError,
    InvitationGoneError,
    InvitationOfMemberError,
    LastOwnerError,
    MembershipOverError,
    NotOwnerError,
)
from accounts.practices.selectors import invitations_for
from accounts.practices.services import (
    invitation_accept,
    invitation_create,
    invitation_decline,
    invitation_mail,
    invitation_withdraw,
    member_end,
    member_role_set,
    practice_create,
    practice_rename,
)
from operations.models import AccessEvent

from .factories import AdminFactory, DoctorFactory, joined, left

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    doctor = DoctorFactory()
    practice_create(by=doctor, name="  Cabinet   du Port ")
    doctor.refresh_from_db()
    return doctor


def ask(owner, doctor, role="doctor"):
    return invitation_create(practice=owner.practice, by=owner, address=doctor.email, role=role)


def row(doctor) -> PracticeMembership:
    return doctor.memberships.get(is_open=True)


def strip_keys(page: str) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", page)


def browser(doctor) -> Client:
    client = Client()
    client.force_login(doctor)
    return client


def test_who_opens_a_practice_owns_it(owner):
    assert (owner.practice.name, owner.practice_role) == ("Cabinet du Port", "owner")
    assert row(owner).role == "owner"
    with pytest.raises(AlreadyMemberError):
        practice_create(by=owner, name="Another")


def test_an_invitation_must_be_accepted_by_who_was_asked(owner):
    colleague, stranger = DoctorFactory(), DoctorFactory()
    asked = ask(owner, colleague)
    colleague.refresh_from_db()
    assert colleague.practice is None
    with pytest.raises(InvitationGoneError):
        invitation_accept(invitation=asked, by=stranger)
    invitation_accept(invitation=asked, by=colleague)
    colleague.refresh_from_db()
    assert (colleague.practice, colleague.practice_role) == (owner.practice, "doctor")
    with pytest.raises(InvitationGoneError):
        invitation_accept(invitation=asked, by=colleague)


def test_a_doctor_is_in_one_practice_at_a_time(owner):
    other = DoctorFactory()
    practice_create(by=other, name="Other")
    asked = ask(owner, other)
    with pytest.raises(AlreadyMemberError):
        invitation_accept(invitation=asked, by=other)


@pytest.mark.parametrize("gone", ["left", "removed", "demoted", "suspended"])
def test_an_invitation_ends_with_the_right_of_who_made_it(owner, gone):
    """Nobody comes in by the word of somebody who has no say any more."""
    second, colleague = joined(owner.practice, DoctorFactory(), role="owner"), DoctorFactory()
    asked = ask(second, colleague)
    assert list(invitations_for(colleague)) == [asked]
    if gone == "left":
        left(second)
    elif gone == "removed":
        member_end(membership=row(second), by=owner)
    elif gone == "demoted":
        member_role_set(membership=row(second), role="reader", by=owner)
    else:
        Doctor.objects.filter(pk=second.pk).update(verification="suspended")
        with pytest.raises(NotOwnerError):
            ask(second, DoctorFactory())
    with pytest.raises(InvitationGoneError):
        invitation_accept(invitation=asked, by=colleague)


def test_an_invitation_grows_old_and_may_be_declined_or_withdrawn(owner):
    colleague = DoctorFactory()
    asked = ask(owner, colleague)
    assert ask(owner, colleague) == asked, "asked twice is asked once"
    old = timezone.now() - timedelta(days=15)
    PracticeInvitation.objects.update(invited_at=old)
    with pytest.raises(InvitationGoneError):
        invitation_accept(invitation=asked, by=colleague)
    asked = ask(owner, colleague)
    invitation_decline(invitation=asked, by=colleague)
    again = ask(owner, colleague)
    assert again != asked
    invitation_withdraw(invitation=again, by=owner)
    with pytest.raises(InvitationGoneError):
        invitation_accept(invitation=again, by=colleague)
    outcomes = PracticeInvitation.objects.order_by("invited_at").values_list("outcome", flat=True)
    assert list(outcomes) == ["withdrawn", "declined", "withdrawn"]


def test_inviting_tells_nobody_who_has_an_account(owner, django_capture_on_commit_callbacks):
    known, client = DoctorFactory(), browser(owner)
    pages = []
    for address in (known.email, "nobody@example.org", DoctorFactory(pending=True).email):
        data = {"address": address, "role": "doctor"}
        answer = client.post(reverse("accounts:practice_invite"), data, follow=True)
        pages.append(answer.content.decode().replace(address, "ADDRESS"))
    words = [page[page.index("<h1>") : page.index("invite-heading")] for page in pages]
    assert strip_keys(words[0]) == strip_keys(words[1]) == strip_keys(words[2])
    assert PracticeInvitation.objects.filter(doctor=None).count() == 2
    for asked in PracticeInvitation.objects.all():
        with django_capture_on_commit_callbacks(execute=True):
            invitation_mail(invitation_id=asked.pk)
    assert [message.to for message in mail.outbox] == [[known.email]]
    assert owner.practice.name not in mail.outbox[0].body


def test_who_was_nobody_when_asked_is_nobody_later(owner):
    asked = invitation_create(
        practice=owner.practice, by=owner, address="late@example.org", role="doctor"
    )
    late = DoctorFactory(email="late@example.org")
    assert not invitations_for(late)
    with pytest.raises(InvitationGoneError):
        invitation_accept(invitation=asked, by=late)


def test_who_is_verified_since_is_reached_by_asking_again(owner):
    late = DoctorFactory(pending=True)
    first = ask(owner, late)
    late.verification = "verified"
    late.save()
    assert not invitations_for(late)
    again = ask(owner, late)
    first.refresh_from_db()
    assert (first.outcome, again.doctor) == ("withdrawn", late)
    assert ask(owner, late) == again
    invitation_accept(invitation=again, by=late)
    late.refresh_from_db()
    assert late.practice == owner.practice


def test_one_practice_mails_one_doctor_only_so_often(owner, monkeypatch):
    sent = []
    monkeypatch.setattr(services, "_send", sent.append)
    doctor = DoctorFactory()
    with TestCase.captureOnCommitCallbacks(execute=True):
        for number in range(12):
            ask(owner, doctor, role=("reader", "doctor")[number % 2])
    assert len(sent) == services.MOST_MAILS
    assert len(invitations_for(doctor)) == 1


def test_a_member_is_not_invited_again(owner):
    with pytest.raises(InvitationOfMemberError):
        ask(owner, joined(owner.practice, DoctorFactory()))


def test_the_last_owner_stays_until_somebody_else_owns(owner):
    colleague = joined(owner.practice, DoctorFactory())
    for act in (
        lambda: member_end(membership=row(owner), by=owner),
        lambda: member_role_set(membership=row(owner), role="doctor", by=owner),
    ):
        with pytest.raises(LastOwnerError):
            act()
    member_role_set(membership=row(colleague), role="owner", by=owner)
    left(owner)
    owner.refresh_from_db()
    assert (owner.practice, owner.practice_role) == (None, "")


def test_the_last_member_closes_the_practice(owner):
    practice = owner.practice
    waiting = DoctorFactory()
    ask(owner, waiting)
    left(owner)
    practice.refresh_from_db()
    assert practice.closed_at
    assert not invitations_for(waiting)


@pytest.mark.parametrize("role", ["doctor", "reader"])
def test_only_an_owner_administers(owner, role):
    member = joined(owner.practice, DoctorFactory(), role=role)
    other = joined(owner.practice, DoctorFactory())
    asked = ask(owner, DoctorFactory())
    for act in (
        lambda: ask(member, DoctorFactory()),
        lambda: member_role_set(membership=row(member), role="owner", by=member),
        lambda: member_end(membership=row(other), by=member),
        lambda: invitation_withdraw(invitation=asked, by=member),
        lambda: practice_rename(practice=owner.practice, by=member, name="Mine"),
    ):
        with pytest.raises(NotOwnerError):
            act()


def test_a_demoted_owner_administers_no_more_with_what_their_page_still_knows(owner):
    """The row that the request read is old by then; the service looks again under its lock."""
    second = joined(owner.practice, DoctorFactory(), role="owner")
    member_role_set(membership=row(owner), role="doctor", by=second)
    assert owner.practice_role == "owner", "as it was when the request began"
    with pytest.raises(NotOwnerError):
        member_end(membership=row(second), by=owner)


def test_an_owner_of_another_practice_has_no_say(owner):
    other = DoctorFactory()
    practice_create(by=other, name="Other")
    other.refresh_from_db()
    member = joined(owner.practice, DoctorFactory())
    with pytest.raises(NotOwnerError):
        member_end(membership=row(member), by=other)
    client = browser(other)
    for name in ("accounts:practice_end", "accounts:practice_role"):
        assert client.post(reverse(name, args=[row(member).pk])).status_code == 404


def test_memberships_are_kept_as_evidence(owner):
    member = joined(owner.practice, DoctorFactory())
    member_role_set(membership=row(member), role="reader", by=owner)
    ended = row(member)
    member_end(membership=ended, by=owner)
    with pytest.raises(MembershipOverError):
        member_end(membership=ended, by=owner)
    rows = PracticeMembership.objects.filter(doctor=member).order_by("joined_at")
    assert [(one.role, one.ended_by, one.is_open) for one in rows] == [
        ("doctor", owner, None),
        ("reader", owner, None),
    ]
    assert all(one.joined_at <= one.ended_at for one in rows)
    ends = AccessEvent.objects.filter(reason="membership_ended", object_id=str(ended.pk))
    assert [event.actor for event in ends] == [owner]


def test_the_row_of_the_account_repeats_the_membership(owner):
    """What every request reads is what the evidence says."""
    members = [joined(owner.practice, DoctorFactory(), role=role) for role in ("doctor", "reader")]
    left(members[0])
    for doctor in Doctor.objects.all():
        open_now = doctor.memberships.filter(is_open=True).values_list("practice", "role")
        known = [(doctor.practice_id, doctor.practice_role)] if doctor.practice_id else []
        assert list(open_now) == known


def test_an_administrator_ends_and_hands_over(owner, django_capture_on_commit_callbacks):
    member, admin = joined(owner.practice, DoctorFactory()), AdminFactory()
    client = browser(admin)
    url = reverse("admin:accounts_practicemembership_changelist")
    data = {"action": "make_owner", "_selected_action": [row(member).pk]}
    assert client.post(url, data).status_code == 302
    assert row(member).role == "owner"
    data = {"action": "end_membership", "_selected_action": [row(owner).pk]}
    with django_capture_on_commit_callbacks(execute=True):
        client.post(url, data)
    owner.refresh_from_db()
    assert owner.practice is None
    assert [message.to for message in mail.outbox] == [[owner.email]]


def test_no_field_of_a_form_puts_somebody_into_a_practice(owner):
    stranger = DoctorFactory()
    client, fields = browser(stranger), {"practice": owner.practice_id, "practice_role": "owner"}
    profile = {"first_name": "A", "last_name": "B", "language": "en"}
    client.post(reverse("accounts:account"), profile | fields)
    client.post(reverse("accounts:practice"), fields)
    stranger.refresh_from_db()
    assert (stranger.practice, stranger.practice_role) == (None, "")


def test_the_page_says_who_is_in_and_lets_owners_alone_administer(owner):
    member = joined(owner.practice, DoctorFactory(), role="reader")
    url = reverse("accounts:practice")
    mine, theirs = (browser(one).get(url).content.decode() for one in (owner, member))
    assert str(member) in mine
    assert str(owner) in theirs
    assert reverse("accounts:practice_invite") in mine
    assert reverse("accounts:practice_invite") not in theirs
    assert reverse("accounts:practice_end", args=[row(member).pk]) in theirs
    assert reverse("accounts:practice_end", args=[row(owner).pk]) not in theirs


@pytest.mark.parametrize("name", ["accounts:practice_role", "accounts:practice_end"])
def test_a_session_left_open_hands_nothing_over(name, owner, time_machine):
    """Roles and members are changed by who has just shown who they are."""
    member = joined(owner.practice, DoctorFactory())
    client = browser(owner)
    time_machine.move_to(timezone.now() + timedelta(minutes=20))
    answer = client.post(reverse(name, args=[row(member).pk]), {"role": "owner"})
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert row(member).role == "doctor"


def test_a_whole_walk_through_the_pages():
    first, second = DoctorFactory(), DoctorFactory()
    client, url = browser(first), reverse("accounts:practice")
    assert client.post(url, {"name": "Cabinet"}).status_code == 302
    data = {"address": second.email, "role": "doctor"}
    assert client.post(reverse("accounts:practice_invite"), data).status_code == 302
    other = browser(second)
    asked = PracticeInvitation.objects.get(doctor=second)
    assert "Cabinet" in other.get(url).content.decode()
    other.post(reverse("accounts:practice_answer", args=[asked.pk]), {"accept": "1"})
    second.refresh_from_db()
    assert second.practice.name == "Cabinet"
    client.post(reverse("accounts:practice_role", args=[row(second).pk]), {"role": "owner"})
    client.post(reverse("accounts:practice_end", args=[row(first).pk]))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.practice, second.practice_role) == (None, "owner")
    other.post(url, {"name": "Cabinet du Port"})
    second.practice.refresh_from_db()
    assert second.practice.name == "Cabinet du Port"
