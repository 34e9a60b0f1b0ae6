"""A package on a hub of models, such as huggingface.co."""

import contextlib
import functools
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize.errors import HarmonizeError
from harmonize.sharing.store import because, copy_at_most
from harmonize.system.extras import need


@dataclass(frozen=True)
class HubStore:
    """A repository of models; ``address`` is as the user names it.

    A commit holds all files of a package, so that it is whole or not there.
    """

    address: str
    repo: str
    revision: str | None
    public: bool = False

    @functools.cached_property
    def _hub(self) -> Any:
        return need("huggingface_hub", extra="hub", key=self.address)

    @functools.cached_property
    def _api(self) -> Any:
        return self._hub.HfApi()

    @functools.cached_property
    def _info(self) -> Any:
        """What the hub says of the repository at one commit; None if it is not there."""
        missing = self._hub.errors.RepositoryNotFoundError
        with self._asking("cannot be looked up"):
            try:
                return self._api.repo_info(
                    self.repo, revision=self.revision, repo_type="model", files_metadata=True
                )
            except missing:
                return None

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Say in one line what the hub, its client or the network says."""
        try:
            yield
        except HarmonizeError:
            raise
        except Exception as error:
            raise HarmonizeError(
                f"{self.address}: {what}: {because(error)}; is there a network, and are you "
                "logged in (`hf auth login`)?"
            ) from None

    def sizes(self) -> dict[str, int]:
        """Return the size of each file; see ``Store``."""
        info = self._info
        siblings = [] if info is None else info.siblings or []
        return {one.rfilename: int(one.size or 0) for one in siblings}

    def fetch(self, name: str, path: Path, size: int) -> None:
        """Download a file of the commit that was looked up; see ``Store``."""
        with self._asking(f"{name}: cannot be read"), tempfile.TemporaryDirectory() as folder:
            found = self._api.hf_hub_download(
                self.repo, name, revision=self._info.sha, repo_type="model", local_dir=folder
            )
            with Path(found).open("rb") as file:
                copy_at_most(file, path, size, f"{self.address}: {name}")

    def publish(self, folder: Path, names: Collection[str], stale: Collection[str]) -> None:
        """Commit the files; see ``Store``. A new repository is private unless asked otherwise."""
        adding, deleting = self._hub.CommitOperationAdd, self._hub.CommitOperationDelete
        operations = [
            *(adding(path_in_repo=name, path_or_fileobj=str(folder / name)) for name in names),
            *(deleting(path_in_repo=name) for name in stale),
        ]
        with self._asking("cannot be written"):
            if self._info is None:
                self._api.create_repo(self.repo, private=not self.public, repo_type="model")
            self._api.create_commit(
                self.repo,
                operations,
                commit_message="harmonize push",
                revision=self.revision,
                repo_type="model",
            )
