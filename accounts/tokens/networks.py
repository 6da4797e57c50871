"""The addresses from which a token may be used."""

from __future__ import annotations

import ipaddress

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

MOST_NETWORKS = 20
# The longest spelling of an IPv6 network.
LONGEST_NETWORK = 49


def network_normalize(text: str) -> str:
    """One address or network (CIDR, RFC 4632 and 4291) in its one spelling.

    Raises ``ValidationError`` for anything else: a network with bits behind its mask is a slip
    that would open more than was meant, and IPv4 written as IPv6 would never match.
    """
    try:
        if len(text) > LONGEST_NETWORK or "%" in text:
            raise ValueError
        network = ipaddress.ip_network(text)
        if getattr(network.network_address, "ipv4_mapped", None):
            raise ValueError
    except ValueError as error:
        raise ValidationError(
            _(
                "%(text)s is neither an address nor a network such as 192.0.2.0/24 or "
                "2001:db8::/32."
            ),
            code="invalid",
            params={"text": text[:LONGEST_NETWORK]},
        ) from error
    return str(network)


def networks_normalize(texts: list[str]) -> list[str]:
    """Each in its one spelling and once; raises ``ValidationError``, for too many as well."""
    if len(texts) > MOST_NETWORKS:
        raise ValidationError(
            _("Give %(limit)s addresses and networks at most."),
            code="max_length",
            params={"limit": MOST_NETWORKS},
        )
    return list(dict.fromkeys(map(network_normalize, texts)))


def address_normalize(text: str) -> str | None:
    """``REMOTE_ADDR`` without a zone, and as IPv4 where it is one; ``None`` for what is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def address_within(address: str | None, networks: list[str]) -> bool:
    """Whether a normalized ``address`` lies in one of ``networks``; in none, if unknown."""
    if address is None:
        return False
    client = ipaddress.ip_address(address)
    return any(client in ipaddress.ip_network(network) for network in networks)
