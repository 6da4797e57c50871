"""Programs that speak to the API."""

from __future__ import annotations

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from tests.accounts.factories import token_for


@pytest.fixture
def api_for():
    """``api_for(account)``: a program with a token of ``account``; ``api_for(None)``: without."""

    def make(account, *, language: str = "en") -> APIClient:
        client = APIClient(enforce_csrf_checks=True, headers={"accept-language": language})
        if account is not None:
            # It has asked a moment ago: its last use need not be written.
            token = token_for(account, last_used_at=timezone.now())
            client.credentials(HTTP_AUTHORIZATION=f"Token {token}")
        return client

    return make


@pytest.fixture
def api(api_for, doctor) -> APIClient:
    """A program of ``doctor``."""
    return api_for(doctor)


@pytest.fixture
def other_api(api_for, other_doctor) -> APIClient:
    """A program of another doctor."""
    return api_for(other_doctor)
