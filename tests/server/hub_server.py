"""As much of the Hugging Face hub's API as a snapshot needs, on loopback, for repositories that a test says."""

import hashlib
import json
from collections.abc import Mapping
from urllib.parse import unquote

from .archive_server import ArchiveServer, Page

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def serve_repository(
    server: ArchiveServer, repo_id: str, files: Mapping[str, bytes], revision: str = "main"
) -> None:
    """Have `server` answer for the repository as the hub does; sizes and hashes are those of the files."""
    listing = [
        {
            "type": "file",
            "path": name,
            "size": len(data),
            "oid": hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        }
        for name, data in files.items()
    ]
    info = {"id": repo_id, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
    api = f"/api/models/{repo_id}"
    server.pages[f"{api}/revision/{revision}"] = _json(info)
    for flags in ("?recursive=true&expand=false",):
        server.pages[f"{api}/tree/{COMMIT}{flags}"] = _json(listing)
    for entry in listing:
        data = files[str(entry["path"])]
        headers = {"ETag": f'"{entry["oid"]}"', "X-Repo-Commit": COMMIT}
        path = f"/{repo_id}/resolve/{COMMIT}/{unquote(str(entry['path']))}"
        server.pages[path] = Page(body=data, headers=headers)


def _json(value: object) -> Page:
    return Page(body=json.dumps(value).encode(), headers={"Content-Type": "application/json"})
