"""What makes a password too easy to guess, beside Django's own rules. Looked at only where a
password is set, never at a login."""
