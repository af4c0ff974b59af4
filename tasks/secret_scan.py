"""Secrets in files that are about to leave this machine: passwords in addresses, keys and tokens by their form."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Secret", "secrets_in"]


class Secret(NamedTuple):
    """Where something secret stands, and of what kind it is; never what it is."""

    file: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line} ({self.kind})"


def secrets_in(folder: Path) -> tuple[Secret, ...]:
    """Everything in a folder's text files that looks like a secret.

    Only forms are looked for that are a secret in themselves: an AWS key, a private key, `user:password@` in an
    address, the tokens of common services. Random-looking text alone is none, for digests and identifiers look random.

    Args:
        folder: All files below it are read; those that are no UTF-8 are passed over.
    """
    looks = _looks()
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        name = path.relative_to(folder).as_posix()
        for number, line in enumerate(lines, start=1):
            found += [
                Secret(name, number, look.secret_type) for look in looks if any(map(bool, look.analyze_string(line)))
            ]
    return tuple(found)


def _looks() -> list[Any]:
    """Those detectors of detect-secrets that know a form; the package asks no service whether a secret is valid."""
    from detect_secrets.plugins import (
        aws,
        azure_storage_key,
        basic_auth,
        github_token,
        gitlab_token,
        jwt,
        openai,
        private_key,
        pypi_token,
        slack,
        stripe,
    )

    return [
        aws.AWSKeyDetector(),
        azure_storage_key.AzureStorageKeyDetector(),
        basic_auth.BasicAuthDetector(),
        github_token.GitHubTokenDetector(),
        gitlab_token.GitLabTokenDetector(),
        jwt.JwtTokenDetector(),
        openai.OpenAIDetector(),
        private_key.PrivateKeyDetector(),
        pypi_token.PypiTokenDetector(),
        slack.SlackDetector(),
        stripe.StripeDetector(),
    ]
