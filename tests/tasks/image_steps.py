"""Does what an image is built by, and asks the server that it starts."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx

__all__ = ["answer_of", "build_steps"]

ROOT = Path(__file__).parents[2]


def answer_of(command: list[str], env: dict[str, str], port: int, path: str, rows: Any) -> Any:
    """What a server says to some rows.

    Args:
        command: How it is started.
        env: Its environment; of ours it gets the path alone.
        port: Where it listens.
        path: Where rows are sent.
        rows: A DataFrame of features.
    """
    where = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(command, env={"PATH": os.environ["PATH"], **env}, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not _is_ready(where):
            assert server.poll() is None, "the server ended before it was ready"
            assert time.monotonic() < deadline, "the server is not ready after two minutes"
            time.sleep(0.2)
        answer = httpx.post(f"{where}{path}", json={"rows": json.loads(rows.to_json(orient="records"))}, timeout=30)
    finally:
        server.terminate()
        server.wait(60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _is_ready(where: str) -> bool:
    try:
        return httpx.get(f"{where}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def build_steps(image: Path, place: Path) -> None:
    """What the build stage of a Dockerfile does, in a folder of this machine in the place of `/srv`."""
    stage = re.sub(r"\\\n", " ", image.read_text()).split("\nFROM ")[1]
    (place / "build").mkdir(parents=True)
    for kind, words in re.findall(r"^(COPY|RUN) (.+)$", stage, re.MULTILINE):
        if kind == "COPY":
            for name in words.split()[:-1]:
                shutil.copy(ROOT / name, place / "build")
            continue
        step = words.replace("/srv", str(place))
        done = subprocess.run(["bash", "-ec", step], cwd=place / "build", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
