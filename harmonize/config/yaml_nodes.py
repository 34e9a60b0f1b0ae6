"""YAML text to nodes, without what stands for more than is written."""

import yaml

from harmonize.errors import HarmonizeError

_MAX_NESTING = 100  # PyYAML takes seconds for thousands of levels
_MOST_NODES = 200_000  # which take PyYAML as long
_TOO_DEEP = f"nested too deeply; at most {_MAX_NESTING} levels"


class _StrictLoader(yaml.SafeLoader):
    """Refuses what stands for more than is written, and what takes PyYAML long to read."""

    def __init__(self, text: str, source: str) -> None:
        super().__init__(text)
        self._source = source
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        event = self.peek_event()
        if event.anchor is not None or getattr(event, "tag", None) is not None:
            self._refuse(event, "anchors, aliases and tags are not used here; write the value out")
        if self._depth >= _MAX_NESTING and isinstance(event, yaml.CollectionStartEvent):
            self._refuse(event, _TOO_DEEP)
        self._nodes += 1
        if self._nodes > _MOST_NODES:
            self._refuse(event, f"more than {_MOST_NODES} keys and values; write fewer")
        self._depth += 1
        node = super().compose_node(parent, index)  # type: ignore[arg-type]
        self._depth -= 1
        return node

    def fetch_flow_collection_start(self, TokenClass: type[yaml.Token]) -> None:
        if self.flow_level >= _MAX_NESTING:  # the scanner looks far ahead of the composer
            self._refuse(yaml.Event(self.get_mark()), _TOO_DEEP)
        super().fetch_flow_collection_start(TokenClass)

    def _refuse(self, event: yaml.Event, wrong: str) -> None:
        raise HarmonizeError(f"{place_of(self._source, event)}: {wrong}")


def compose(text: str, source: str) -> yaml.Node | None:
    """Parse one YAML document into nodes, which know their places; None for an empty text.

    Raises:
        HarmonizeError: anchors, aliases, tags, or too many levels.
        yaml.YAMLError: the text is not YAML.
    """
    loader = _StrictLoader(text, source)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def place_of(source: str, node: yaml.Node | yaml.Event) -> str:
    """Return where a node begins, as ``file:line:column``."""
    mark = node.start_mark
    return f"{source}:{mark.line + 1}:{mark.column + 1}"
