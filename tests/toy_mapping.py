"""A small mapping for tests of what mappings say."""

from harmonize import DatasetSpec, Ontology
from harmonize.config.strict_yaml import load_text

TEXT = """\
name: toy
root: data/toy
picture: images/{id}.jpg
label: labels/{id}.png
encoding: ids
splits:
  train: {glob: "images/{id}.jpg"}
classes:
  sky: 0
  road: [1, 2]
  void: 255
meaning:
  street:
    sky: sky
    road: [road, pavement]
    void: ignore
"""

STREET = Ontology("sky\nground\n\troad\n\tpavement\n\tgrass\n", name="street")


def toy(text: str = TEXT) -> DatasetSpec:
    return DatasetSpec.from_document(load_text(text, "toy.yaml"))


def changed(*changes: tuple[str, str]) -> str:
    text = TEXT
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return text


NO_IDS = [("sky: 0", "sky: ~"), ("[1, 2]", "~"), ("void: 255", "void: ~")]
