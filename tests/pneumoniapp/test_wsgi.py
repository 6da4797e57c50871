"""The server's own door: what a request says of itself before Django reads it."""

import io
from wsgiref.util import setup_testing_defaults

import pytest

from pneumoniapp.wsgi import application

pytestmark = pytest.mark.django_db

CODECS_THAT_READ_NO_TEXT = ("hex", "undefined", "punycode", "bz2")


def ask(method: str, path: str, content_type: str, body: bytes = b"", cookie: str = "") -> int:
    """The status with which the server answers."""
    path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "testserver",
        "HTTP_COOKIE": cookie,
        "wsgi.input": io.BytesIO(body),
    }
    setup_testing_defaults(environ)
    statuses = []
    answer = application(environ, lambda status, headers: statuses.append(int(status[:3])))
    answer.close()
    return statuses[0]


@pytest.mark.parametrize(
    "content_type",
    [
        *(f"text/plain; charset={name}" for name in CODECS_THAT_READ_NO_TEXT),
        "text/plain; x*=nosuch''a",
        "text/plain; x*=undefined''a",
    ],
)
def test_a_content_type_that_cannot_be_read_breaks_nothing(content_type):
    assert ask("GET", "/accounts/login/?next=%2F", content_type) == 200
    assert ask("GET", "/api/problems/invalid/?a=1", content_type) == 400
    assert ask("POST", "/api/v1/auth/token/", content_type, b"{}") == 415


@pytest.mark.parametrize("charset", [*CODECS_THAT_READ_NO_TEXT, "nosuch", "iso-8859-1"])
def test_a_form_that_is_not_utf_8_is_refused(charset):
    form = b'--x\r\nContent-Disposition: form-data; name="login"\r\n\r\na\xe9\r\n--x--\r\n'
    content_type = f"multipart/form-data; boundary=x; charset={charset}"
    status = ask("POST", "/accounts/login/", content_type, form, f"csrftoken={'a' * 32}")
    assert status == 403
    assert ask("POST", "/api/v1/auth/token/", f"application/json; charset={charset}", b"{}") == 415


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", '"utf-8"', "us-ascii"])
def test_utf_8_is_read(charset):
    content_type = f"application/json; charset={charset}"
    assert ask("POST", "/api/v1/auth/token/", content_type, b"{}") == 400
