"""Where deployments run: the work pool, the image of its containers, and what is pulled before a run begins."""

import re
from typing import Any, NamedTuple

from prefect_mlops.core.errors import DataError

__all__ = ["AS_IT_IS", "BUSY_SERVER", "NO_SERVER", "START_SERVER", "Where"]

START_SERVER = "PREFECT_MESSAGING_BROKER=prefect_mlops.deployments.broker prefect server start"
"""On SQLite Prefect's own broker loses events, so every text that says how to start a server says this."""
NO_SERVER = f"Start it with `{START_SERVER}`, or set PREFECT_API_URL."
BUSY_SERVER = "It is up but busy: run this again, and give it PostgreSQL instead of SQLite if that lasts."
DEFAULT_POOL = "local"
CLONE = "code"
"""In the folder of the run, which is its own; Prefect puts the clone on the path of imports."""
GIT = re.compile(r"git\+(?P<url>https?://[^/@:]+(:\d+)?/[^@]+|ssh://[^@]+@[^@]+|file://[^@]+)(@(?P<ref>[^@]+))?")


class Where(NamedTuple):
    """What `prefect-mlops sync` is told besides the specs.

    Attributes:
        pool: The work pool; the one in the file, or `local`, when None.
        image: The image of the runs' containers; that of the work pool when empty.
        code: What is pulled first, `git+https://...@REF` or `s3://bucket/folder`; when empty, all is in the image.
        environment: Name of the block documents that the runs load.
    """

    pool: str | None = None
    image: str = ""
    code: str = ""
    environment: str = "default"

    def work_pool(self, before: str | None = None) -> dict[str, Any]:
        """The `work_pool` of a deployment.

        Args:
            before: The pool that the file named until now.

        Examples:
            >>> Where("ecs", "me/worker:1").work_pool()
            {'name': 'ecs', 'job_variables': {'image': 'me/worker:1'}}
        """
        named = {"name": self.pool or before or DEFAULT_POOL}
        return named | ({"job_variables": {"image": self.image}} if self.image else {})

    def pull(self) -> list[dict[str, Any]]:
        """The `pull` steps of a deployment; the run begins in the folder that they make.

        Raises:
            DataError: The code's address is neither of the two kinds, or holds a password.

        Examples:
            >>> Where(code="git+https://example.org/team/models.git@v3").pull()[0]["prefect.deployments.steps.git_clone"]
            {'repository': 'https://example.org/team/models.git', 'clone_directory_name': 'code', 'branch': 'v3'}
            >>> list(Where(code="s3://code/models").pull()[0])
            ['prefect_aws.deployments.steps.pull_from_s3']
        """
        if not self.code:
            return []
        if found := GIT.fullmatch(self.code):
            told = {"repository": found["url"], "clone_directory_name": CLONE}
            told |= {_ref(found["ref"]): found["ref"]} if found["ref"] else {}
            return [{"prefect.deployments.steps.git_clone": told}]
        bucket, _, folder = self.code.removeprefix("s3://").partition("/")
        if self.code.startswith("s3://") and bucket and folder:
            told = {"requires": "prefect-aws>=0.7", "bucket": bucket, "folder": folder}
            return [{"prefect_aws.deployments.steps.pull_from_s3": told}]
        cure = "Write git+https://host/team/project.git@REF without a login, or s3://bucket/folder"
        raise DataError("The address of the code cannot be pulled from", cure)


AS_IT_IS = Where()
"""The file's own pool or `local`, on whatever the pool runs."""


def _ref(ref: str) -> str:
    """A whole commit hash is fetched as such; everything else is a branch or a tag."""
    return "commit_sha" if re.fullmatch(r"[0-9a-f]{40}", ref) else "branch"
