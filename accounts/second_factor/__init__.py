"""The second factor of a log-in: an app's codes, recovery codes, security keys and passkeys."""
