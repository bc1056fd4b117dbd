"""The users of the account and how they prove who they are."""

import base64
import binascii
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

DEFAULT_USER = "TESTER"
DEFAULT_PASSWORD = "not-a-secret"


@dataclass
class LoginRefused(Exception):
    """A login that Snowflake refuses, with its code."""

    code: int
    message: str


@dataclass
class User:
    """A user and what it may log in with; an empty means is none."""

    name: str
    password: str = ""
    public_key_pem: str = ""
    access_tokens: list[str] = field(default_factory=list)
    """Programmatic access tokens."""
    oauth_tokens: list[str] = field(default_factory=list)
    expired_oauth_tokens: list[str] = field(default_factory=list)
    identity_tokens: list[str] = field(default_factory=list)
    """Attestations of workload identity."""
    default_role: str = "ACCOUNTADMIN"
    default_warehouse: str | None = None


class Users:
    """All users; one with a password is there from the start."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self.reset()

    def reset(self) -> None:
        """Leave the user that was there from the start."""
        self._users = {DEFAULT_USER: User(DEFAULT_USER, DEFAULT_PASSWORD)}

    def set(self, name: str, given: dict[str, Any]) -> None:
        """Add a user or put another in its place. Raises TypeError for fields that there are not."""
        self._users[name.upper()] = User(name.upper(), **given)

    def authenticate(self, sent: dict[str, Any]) -> tuple[User, dict[str, Any]]:
        """Return the user of a login, and what was seen of its proof, without the proof itself.

        ``sent`` is the ``data`` of a login request. Raises LoginRefused with Snowflake's code.
        """
        authenticator = str(sent.get("AUTHENTICATOR") or "SNOWFLAKE").upper()
        token = str(sent.get("TOKEN") or "")
        seen: dict[str, Any] = {"authenticator": authenticator, "has_token": bool(token)}
        user = self._users.get(str(sent.get("LOGIN_NAME") or "").upper())
        if authenticator == "SNOWFLAKE_JWT":
            claims, user = self._verify_jwt(token, user)
            return user, seen | {"claims": claims, "signature": "verified"}
        if authenticator in ("OAUTH", "PROGRAMMATIC_ACCESS_TOKEN", "WORKLOAD_IDENTITY"):
            found = user if user or sent.get("LOGIN_NAME") else self._owner(token)
            return _check_token(authenticator, token, found), seen
        if authenticator not in ("SNOWFLAKE", "USERNAME_PASSWORD_MFA"):
            raise LoginRefused(390137, f"The specified authenticator is not accepted: {authenticator}")
        # A programmatic access token may also stand where a password does.
        password = str(sent.get("PASSWORD") or "")
        if user is None or not password or password not in (user.password, *user.access_tokens):
            raise LoginRefused(390100, "Incorrect username or password was specified.")
        return user, seen

    def _owner(self, token: str) -> User | None:
        for user in self._users.values():
            if token and token in (*user.oauth_tokens, *user.access_tokens, *user.identity_tokens):
                return user
        return None

    def _verify_jwt(self, token: str, user: User | None) -> tuple[dict[str, Any], User]:
        invalid = LoginRefused(390144, "JWT token is invalid.")
        try:
            head, body, signature = token.split(".")
            header, claims = json.loads(_decoded(head)), json.loads(_decoded(body))
        except (ValueError, binascii.Error):
            raise invalid from None
        named = self._users.get(str(claims.get("sub", "")).rpartition(".")[2].upper())
        if user is None or user is not named or not user.public_key_pem or header.get("alg") != "RS256":
            raise invalid
        key = serialization.load_pem_public_key(user.public_key_pem.encode())
        assert isinstance(key, RSAPublicKey)
        try:
            key.verify(_decoded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise invalid from None
        if str(claims.get("iss", "")).rpartition(".")[2] != fingerprint(key) or claims.get("exp", 0) < time.time():
            raise invalid
        return claims, user


def fingerprint(key: RSAPublicKey) -> str:
    """Return a public key's fingerprint as Snowflake shows it."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode()


def _check_token(authenticator: str, token: str, user: User | None) -> User:
    if authenticator == "OAUTH":
        if user and token in user.expired_oauth_tokens:
            raise LoginRefused(390318, "OAuth access token expired.")
        if user and token and token in user.oauth_tokens:
            return user
        raise LoginRefused(390303, "Invalid OAuth access token.")
    if authenticator == "PROGRAMMATIC_ACCESS_TOKEN":
        if user and token and token in user.access_tokens:
            return user
        raise LoginRefused(394400, "Programmatic access token is invalid.")
    if user and token and token in user.identity_tokens:
        return user
    raise LoginRefused(394610, "The workload identity attestation is invalid.")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
