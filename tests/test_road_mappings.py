"""The road-scene mappings: each set's layout on disk, and what its classes mean on the trees."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from dataset_files import shipped
from harmonize import Ontology
from road_sets import LAYOUTS, VISTAS

REPO = Path(__file__).parents[1]

CITYSCAPES = """
unlabeled ego_vehicle rectification_border out_of_roi static dynamic ground road sidewalk parking
rail_track building wall fence guard_rail bridge tunnel pole polegroup traffic_light traffic_sign
vegetation terrain sky person rider car truck bus caravan trailer train motorcycle bicycle
"""

TRAIN_IDS = """
road sidewalk building wall fence pole traffic_light traffic_sign vegetation terrain sky person
rider car truck bus train motorcycle bicycle
"""

IDD = """
road parking drivable_fallback sidewalk rail_track non_drivable_fallback person animal rider
motorcycle bicycle autorickshaw car truck bus caravan trailer train vehicle_fallback curb wall fence
guard_rail billboard traffic_sign traffic_light pole polegroup obs_str_bar_fallback building bridge
tunnel vegetation sky fallback_background unlabeled ego_vehicle rectification_border out_of_roi
license_plate
"""

MAPPINGS = list(dict.fromkeys(layout.mapping for layout in LAYOUTS))
SERVED = [(name, tree) for name in MAPPINGS for tree in shipped(REPO, name).meaning]

SHARED = {
    ("camvid32", "vistas"): [["Building", "Archway"], ["Pedestrian", "Child"]],
    ("cityscapes", "vistas"): [["pole", "polegroup"]],
    ("idd", "vistas"): [["pole", "polegroup"]],
    ("kitti", "vistas"): [["pole", "polegroup"]],
    ("wilddash2", "vistas"): [
        ["railtrack", "tramtrack"],
        ["pole", "polegroup"],
        ["car", "van"],
        ["truck", "pickup"],
        ["manhole", "manholesidewalk"],
        ["curb", "curbterrain"],
        ["othervehicle", "autorickshaw"],
        ["bikelane", "bikelanesidewalk"],
    ],
}
"""The classes that the coarser tree cannot tell apart, the one that is predicted first."""

_CITYSCAPES_VOID = "unlabeled rectification_border out_of_roi static dynamic ground"

VOID = {
    "bdd100k": "void",
    "camvid": "void",
    "camvid32": "Void LaneMkgsNonDriv",
    "camvid32 vistas": "RoadShoulder SUVPickupTruck TrafficCone VegetationMisc",
    "cityscapes": _CITYSCAPES_VOID,
    "cityscapes_train_ids": "void",
    "idd": "unlabeled rectification_border out_of_roi license_plate",
    "idd vistas": "drivable_fallback vehicle_fallback fallback_background",
    "kitti": _CITYSCAPES_VOID,
    "vistas_v1.2": "void--unlabeled",
    "vistas_v2.0": """
        construction--barrier--ambiguous marking--discrete--ambiguous
        object--traffic-sign--ambiguous object--vehicle--vehicle-group void--unlabeled
    """,
    "vistas_v2.0 roads": "object--sign--ambiguous",
    "vistas_v2.0 vistas": """
        object--parking-meter object--traffic-cone object--water-valve void--dynamic void--ground
        void--static
    """,
    "wilddash2": "unlabeled overlay outofroi static dynamic ground trafficsignany",
}
"""The ignored classes of each mapping, and those of one of its trees alone."""


def ids_of(name: str) -> dict[str, tuple[int, ...]]:
    """Return the values of each class of a shipped mapping."""
    return {key: one.values for key, one in shipped(REPO, name).classes.items()}


def sets_of(name: str, tree: Ontology) -> dict[str, set[str]]:
    """Return the leaves of each class of a shipped mapping that is not void."""
    spec = shipped(REPO, name)
    rows = zip(spec.classes, spec.leaf_masks(tree), strict=True)
    leaves = np.array(tree.leaves)
    return {key: set(leaves[mask].tolist()) for key, mask in rows if mask.any()}


@pytest.fixture(scope="module")
def roads() -> Ontology:
    """The tree of all road-scene sets."""
    return Ontology.from_file(REPO / "trees" / "roads.txt")


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("cityscapes", CITYSCAPES),
        ("kitti", CITYSCAPES),
        ("cityscapes_train_ids", TRAIN_IDS),
        ("bdd100k", TRAIN_IDS),
        ("idd", IDD),
    ],
)
def test_ids_are_those_of_the_data_sets(name: str, names: str) -> None:
    expected = {key: (number,) for number, key in enumerate(names.split())}
    assert ids_of(name) == expected | ({"void": (255,)} if names is TRAIN_IDS else {})


def test_wilddash_has_each_of_its_81_ids_once() -> None:
    ids = ids_of("wilddash2")
    assert sorted(number for values in ids.values() for number in values) == [*range(81)]
    assert ids["rider"] == (25, 47, 48, 49)


def test_camvid32_has_32_colours_and_camvid_its_eleven_ids_and_void() -> None:
    colors = list(ids_of("camvid32").values())
    assert len({color for values in colors for color in values}) == len(colors) == 32
    assert [*ids_of("camvid").values()] == [(number,) for number in range(12)]


def test_every_leaf_is_in_a_class_of_some_mapping(roads: Ontology) -> None:
    meant = [leaves for name in MAPPINGS for leaves in sets_of(name, roads).values()]
    assert set(roads.leaves) - set[str]().union(*meant) == set()


def test_some_mapping_tells_every_two_leaves_apart(roads: Ontology) -> None:
    meant = [leaves for name in MAPPINGS for leaves in sets_of(name, roads).values()]
    pattern = {leaf: tuple(leaf in leaves for leaves in meant) for leaf in roads.leaves}
    same = [pair for pair in combinations(roads.leaves, 2) if pattern[pair[0]] == pattern[pair[1]]]
    assert same == []


@pytest.mark.parametrize(("name", "tree"), [one for one in SERVED if one[0] != "vistas_v2.0"])
def test_no_two_classes_share_leaves_unless_the_tree_cannot_tell_them_apart(
    name: str, tree: str
) -> None:
    sets = sets_of(name, Ontology.from_file(REPO / "trees" / f"{tree}.txt"))
    sharing = [[a, b] for a, b in combinations(sets, 2) if sets[a] & sets[b]]
    assert sharing == SHARED.get((name, tree), [])
    assert all(sets[a] == sets[b] for a, b in sharing)


def test_vistas_v2_shares_leaves_on_the_coarser_tree_alone(roads: Ontology) -> None:
    fine = sets_of("vistas_v2.0", roads)
    assert [pair for pair in combinations(fine, 2) if fine[pair[0]] & fine[pair[1]]] == []
    coarse = sets_of("vistas_v2.0", Ontology.from_file(REPO / "trees" / "vistas.txt"))
    for one, other in combinations(coarse.values(), 2):
        assert one == other or not one & other
    groups = {frozenset(leaves) for leaves in coarse.values()}
    assert set().union(*groups) == {*VISTAS.split()} - {"unlabeled"}
    assert (len(coarse), len(groups)) == (113, 65)


@pytest.mark.parametrize(("name", "tree"), SERVED)
def test_what_says_nothing_about_the_scene_is_void(name: str, tree: str) -> None:
    void = {key for key, nodes in shipped(REPO, name).meaning[tree].items() if not nodes}
    expected = {*VOID[name].split(), *VOID.get(f"{name} {tree}", "").split()}
    assert void == (expected - {"ground"} if tree == "universal" else expected)  # a leaf of it


@pytest.mark.parametrize("name", MAPPINGS)
def test_two_trees_serve_every_mapping(name: str) -> None:
    assert {"roads", "vistas"} <= shipped(REPO, name).meaning.keys()
