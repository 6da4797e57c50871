"""Where an account is logged in: listed, ended one by one, and not for ever."""
