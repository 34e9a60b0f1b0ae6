"""Warnings that a process gives once, given again by the next test."""

import pytest

from harmonize.system import once


def warn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have everything said again that was said before."""
    monkeypatch.setattr(once, "_said", set[str]())
    monkeypatch.delenv("HARMONIZE_WARNED", raising=False)
