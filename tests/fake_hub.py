"""A hub of models in memory, with the calls of huggingface_hub's client that sharing makes."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError


class FakeHub:
    """Stands in for ``HfApi``: repositories by name, each a list of commits."""

    def __init__(self) -> None:
        self.commits: dict[str, list[dict[str, bytes]]] = {}
        self.private: dict[str, bool] = {}
        self.is_down = False

    def __call__(self) -> "FakeHub":
        return self

    def repo_info(self, repo_id: str, **how: Any) -> SimpleNamespace:
        self._reach()
        assert how["files_metadata"]
        files = self._files(repo_id, how["revision"])
        siblings = [SimpleNamespace(rfilename=name, size=len(data)) for name, data in files.items()]
        return SimpleNamespace(sha=_sha(files), siblings=siblings)

    def create_repo(self, repo_id: str, *, private: bool, repo_type: str) -> None:
        assert repo_id not in self.commits
        assert repo_type == "model"
        self.commits[repo_id] = [{".gitattributes": b"*.safetensors filter=lfs\n"}]
        self.private[repo_id] = private

    def create_commit(self, repo_id: str, operations: list[Any], **how: Any) -> None:
        assert how["commit_message"]
        files = dict(self.commits[repo_id][-1])
        for one in operations:
            if isinstance(one, CommitOperationDelete):
                del files[one.path_in_repo]
            else:
                assert isinstance(one, CommitOperationAdd)
                assert isinstance(one.path_or_fileobj, str)
                files[one.path_in_repo] = Path(one.path_or_fileobj).read_bytes()
        self.commits[repo_id].append(files)

    def hf_hub_download(self, repo_id: str, filename: str, **how: Any) -> str:
        self._reach()
        path = Path(how["local_dir"], filename)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self._files(repo_id, how["revision"])[filename])
        return str(path)

    def _files(self, repo: str, revision: str | None) -> dict[str, bytes]:
        response: Any = SimpleNamespace(status_code=404, headers={}, request=None)
        if repo not in self.commits:
            raise RepositoryNotFoundError(f"404: {repo}\nmore", response=response)
        found = [one for one in self.commits[repo] if revision in (None, _sha(one))]
        if not found:
            raise HfHubHTTPError(f"no revision {revision}", response=response)
        return found[-1]

    def _reach(self) -> None:
        if self.is_down:
            raise ConnectionError("no route to the hub\nmore")


def _sha(files: dict[str, bytes]) -> str:
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
