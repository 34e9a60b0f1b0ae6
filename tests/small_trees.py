"""Small trees for tests."""

from harmonize import Ontology

SMALL = """\
background
person
\thair
\teyes
\t\tleft
\t\tright
@mirror left right
"""


def tree(text: str) -> Ontology:
    return Ontology(text, name="tree", source="tree.txt")
