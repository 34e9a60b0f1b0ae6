"""The page on which people try the network: one file, which loads nothing from elsewhere."""

import base64
import functools
import hashlib
import json
import re
from pathlib import Path

from harmonize.report.templates import template_environment
from harmonize.serving.bodies import Limits
from harmonize.serving.questions import Words

_FACTS = "@facts@"


def page(words: Words, limits: Limits) -> tuple[str, str]:
    """Return the page, and its Content-Security-Policy: nothing but what stands in it is run."""
    text, policy = _page()
    facts = {
        "tree": words.tree.name,
        "depth": words.tree.depth,
        "datasets": list(words.datasets),
        "most_bytes": limits.most_bytes,
    }
    written = json.dumps(facts).replace("<", "\\u003c")
    return text.replace(_FACTS, written), policy


@functools.cache
def _page() -> tuple[str, str]:
    text = template_environment(Path(__file__).parent).get_template("page.html.jinja").render()
    policy = [
        "default-src 'none'",
        f"script-src {_hash(text, 'script')}",
        f"style-src {_hash(text, 'style')}",
        "img-src data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
    return text, "; ".join(policy)


def _hash(text: str, tag: str) -> str:
    """Return the hash of what stands within a tag without attributes."""
    found = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    assert found is not None
    digest = hashlib.sha256(found[1].encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
