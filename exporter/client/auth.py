"""The one header that authenticates a request."""

from __future__ import annotations

import re
from base64 import b64encode

from requests import PreparedRequest
from requests.auth import AuthBase

from exporter.config import Secret
from exporter.errors import UnauthorizedError

PRINTABLE = re.compile(r"[\x21-\x7e]+")


class TokenAuth(AuthBase):
    """Sets the header at the moment of sending, in the way that `circleci.auth` names.

    An auth callable also keeps requests from asking `.netrc`.
    """

    def __init__(self, kind: str, token: Secret) -> None:
        """`kind` is circle-token, bearer or basic. Raises UnauthorizedError for what no header can hold."""
        if not PRINTABLE.fullmatch(token.reveal()):
            raise UnauthorizedError("the token is empty or contains a space or an invalid character")
        self.kind, self.token = kind, token
        self.header = "Circle-Token" if kind == "circle-token" else "Authorization"

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers[self.header] = self._value(self.token.reveal())
        return request

    def forget(self, request: PreparedRequest) -> None:
        """Take the header away again, so that nothing that keeps the request keeps the token."""
        del request.headers[self.header]

    def _value(self, token: str) -> str:
        match self.kind:
            case "basic":
                return "Basic " + b64encode(f"{token}:".encode()).decode()
            case "bearer":
                return f"Bearer {token}"
            case _:
                return token
