"""What stands at the top of the OpenAPI document. Plain text, so that settings can import it."""

DESCRIPTION = """
Send chest radiographs as DICOM files and get, for each, one of three classes with its
certainty. **It assists; it never decides**: every reading must be looked at by a person, above
all one of low certainty.

1. `POST /api/v1/auth/token/` gives a token. Send it as `Authorization: Token <token>`.
2. `POST /api/v1/radiographs/?wait=10` takes a file, says whose it is, and answers `201` with the
   reading.
3. If that takes longer, or without `wait`, the answer is `202` with a `Location`:
   `GET <Location>?wait=10` answers as soon as the reading is there; repeat it while `status` is
   `queued` or `running`.

**Errors** are problem details (RFC 9457, `application/problem+json`). Decide by `code`, which never
changes its meaning; `detail` is a sentence in the language of `Accept-Language` (`en` or `fr`).
`GET /api/problems/` lists all codes. Fields and parameters that are unknown are refused, never
overlooked.

**What is not yours does not exist**: a key that belongs to another doctor is answered exactly as
one that was never given, with `404`.

**Lists** are in pages, the newest first. Follow `next` until it is `null`. Rows that arrive
meanwhile move nothing.

**Limits**: too many requests are answered with `429` and `Retry-After`.
""".strip()

TAGS = [
    {"name": "account", "description": "Tokens, and the account behind one."},
    {
        "name": "patients",
        "description": "An identifier, a sex and a birth date; no name.",
    },
    {
        "name": "radiographs",
        "description": "Send them, await readings, list them, fetch files.",
    },
    {"name": "analyses", "description": "Each run of a model on a radiograph, and its reviews."},
    {"name": "models", "description": "The networks that read, with what was measured of them."},
    {"name": "problems", "description": "What the codes of errors mean."},
]
