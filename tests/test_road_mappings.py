"""The road-scene mappings: each set's layout on disk, and what its classes mean on the trees."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_dataset import codes_of, make_space, photograph, save, shipped

from harmonize import DatasetSpec, HarmonizeError, Ontology
from harmonize.config.strict_yaml import Value, load_text
from harmonize.data.dataset import SegmentationDataset

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
VISTAS = """
bird ground-animal curb fence guard-rail other-barrier wall bike-lane crosswalk-plain curb-cut
parking pedestrian-area rail-track road service-lane sidewalk bridge building tunnel person
bicyclist motorcyclist other-rider crosswalk-zebra general mountain sand sky snow terrain vegetation
water banner bench bike-rack billboard catch-basin cctv-camera fire-hydrant junction-box mailbox
manhole phone-booth pothole street-light pole traffic-sign-frame utility-pole traffic-light back
front trash-can bicycle boat bus car caravan motorcycle on-rails other-vehicle trailer truck
wheeled-slow car-mount ego-vehicle unlabeled
"""

CITYSCAPES_ROAD = "road_surface bike_lane_road tram_track marking manhole_road catch_basin pothole"
CITYSCAPES_PICKS = [
    (0, "unlabeled", ""),
    (1, "ego_vehicle", "ego_vehicle car_mount"),
    (4, "static", ""),
    (7, "road", CITYSCAPES_ROAD),
    (14, "guard_rail", "guard_rail"),
    (17, "pole", "pole traffic_sign_frame utility_pole"),
    (18, "polegroup", "pole_group"),
    (20, "traffic_sign", "signs_front"),
    (25, "rider", "bicyclist motorcyclist other_rider"),
    (33, "bicycle", "bicycle"),
]
TRAIN_ID_PICKS = [
    (0, "road", CITYSCAPES_ROAD),
    (7, "traffic_sign", "signs_front"),
    (9, "terrain", "drivable_terrain other_terrain sand curb_terrain"),
    (14, "truck", "heavy_truck pickup"),
    (18, "bicycle", "bicycle"),
    (255, "void", ""),
]


@dataclass(frozen=True)
class Layout:
    """Where one picture of a split and its label lie, and some of the values in the label.

    A pick is a value as stored, its class, and the nodes of roads.txt that it means; none if void.
    """

    mapping: str
    split: str
    picture: str
    label: str
    picks: Sequence[tuple[int | tuple[int, int, int], str, str]]
    list: str | None = None
    """The split's list, which holds the one line ``line``."""
    line: str = ""
    override: dict[str, Value] | None = None


LAYOUTS = [
    Layout(
        "vistas_v1.2",
        split,
        f"{folder}/images/dojFUiCN6nSetZGUwnPthw.jpg",
        f"{folder}/v1.2/labels/dojFUiCN6nSetZGUwnPthw.png",
        [
            (0, "animal--bird", "bird"),
            (24, "marking--general", "general_marking"),
            (35, "object--billboard", "billboard"),
            (48, "object--traffic-light", "traffic_light"),
            (49, "object--traffic-sign--back", "signs_back"),
            (65, "void--unlabeled", ""),
        ],
    )
    for split, folder in [("train", "training"), ("val", "validation")]
]
LAYOUTS += [
    Layout(
        "vistas_v2.0",
        "train",
        "training/images/a.jpg",
        "training/v2.0/labels/a.png",
        [
            (2, "construction--barrier--ambiguous", ""),
            (31, "human--person--person-group", "person_group"),
            (39, "marking--discrete--arrow--left", "arrow_left"),
            (90, "object--traffic-light--general-single", "light_general_single"),
            (115, "object--vehicle--vehicle-group", ""),
            (122, "void--static", "other_static"),
            (123, "void--unlabeled", ""),
        ],
    ),
    Layout(
        "cityscapes",
        "train",
        "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png",
        "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png",
        CITYSCAPES_PICKS,
    ),
    Layout(
        "cityscapes_train_ids",
        "val",
        "leftImg8bit/val/frankfurt/frankfurt_000000_000294_leftImg8bit.png",
        "gtFine/val/frankfurt/frankfurt_000000_000294_gtFine_labelTrainIds.png",
        TRAIN_ID_PICKS,
    ),
    Layout(
        "kitti",
        "train",
        "training/image_2/000000_10.png",
        "training/semantic/000000_10.png",
        CITYSCAPES_PICKS,
        override={"splits.train.range": [0, 0]},
    ),
    Layout(
        "camvid32",
        "train",
        "701_StillsRaw_full/0001TP_006690.png",
        "LabeledApproved_full/0001TP_006690_L.png",
        [
            ((64, 128, 64), "Animal", "animal"),
            ((0, 128, 192), "Bicyclist", "bicyclist bicycle"),
            ((192, 0, 128), "Archway", "archway"),
            ((192, 128, 64), "Child", "child"),
            ((128, 0, 192), "LaneMkgsDriv", "marking"),
            ((192, 0, 64), "LaneMkgsNonDriv", ""),
            ((64, 128, 192), "SUVPickupTruck", "suv pickup"),
            ((0, 0, 0), "Void", ""),
        ],
        list="train.txt",
        line="0001TP_006690",
    ),
    Layout(
        "camvid",
        "test",
        "test/0001TP_008550.png",
        "testannot/0001TP_008550.png",
        [
            (0, "sky", "sky"),
            (1, "building", "structure"),
            (4, "pavement", "walkway road_shoulder bike_lane_sidewalk manhole_sidewalk"),
            (10, "bicyclist", "bicyclist bicycle"),
            (11, "void", ""),
        ],
    ),
    Layout(
        "bdd100k",
        "val",
        "seg/images/val/7d2f7975-e0c1c5a7.jpg",
        "seg/labels/val/7d2f7975-e0c1c5a7_train_id.png",
        TRAIN_ID_PICKS,
    ),
]
LAYOUTS += [
    Layout(
        "idd",
        "train",
        f"leftImg8bit/train/201/frame0029_leftImg8bit.{ending}",
        "gtFine/train/201/frame0029_gtFine_labelids.png",
        [
            (2, "drivable_fallback", "road_shoulder drivable_terrain sand"),
            (11, "autorickshaw", "autorickshaw"),
            (18, "vehicle_fallback", "other_vehicle wheeled_slow"),
            (34, "fallback_background", "mountain other_background"),
            (35, "unlabeled", ""),
            (39, "license_plate", ""),
        ],
    )
    for ending in ("png", "jpg")
]
LAYOUTS += [
    Layout(
        "wilddash2",
        split,
        "images/ar0001_100000.jpg",
        "labels/ar0001_100000_labelIds.png",
        [
            (0, "unlabeled", ""),
            (1, "egovehicle", "ego_vehicle"),
            (25, "rider", "rider"),
            (34, "pickup", "pickup"),
            (35, "van", "van"),
            (48, "rider", "rider"),
            (58, "autorickshaw", "autorickshaw"),
            (65, "bikelanesidewalk", "bike_lane_sidewalk"),
            (67, "dashcammount", "car_mount"),
            (80, "curbcut", "curb_cut"),
        ],
        list=list_,
        line="ar0001_100000",
    )
    for split, list_ in [("all", None), ("val", "val.txt")]
]
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


def write_layout(layout: Layout, root: Path, label: np.ndarray) -> None:
    """Write the picture, its label, the split's list and the classes' JSON file."""
    save(root / layout.picture, photograph(*label.shape[:2]))
    save(root / layout.label, label)
    if layout.list is not None:
        (root / layout.list).write_text(f"{layout.line}\n")
    if layout.mapping.startswith("vistas"):
        write_config(root, layout.mapping.removeprefix("vistas_"))
        indices = Image.fromarray(label.astype(np.uint8))
        indices.putpalette(photograph(16, 16).tobytes())
        indices.save(root / layout.label)


def write_config(root: Path, version: str, *, file: str | None = None) -> None:
    """Write Mapillary's list of classes, in the order of the mapping."""
    names = shipped(REPO, f"vistas_{version}").classes
    labels = [{"name": name, "readable": name.title(), "color": [0, 0, 0]} for name in names]
    text = json.dumps({"version": version[1:], "labels": labels})
    (root / (file or f"config_{version}.json")).write_text(text)


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
    "layout", LAYOUTS, ids=lambda one: f"{one.mapping}-{one.split}-{one.picture[-3:]}"
)
def test_a_layout_reads_to_exact_classes_and_codes(layout: Layout, tmp_path: Path) -> None:
    values, names, nodes = zip(*layout.picks, strict=True)
    label = np.array([values, values[::-1]])
    write_layout(layout, tmp_path, label)
    spec = shipped(REPO, layout.mapping, layout.override)
    dataset = SegmentationDataset(spec, layout.split, root=tmp_path)
    assert len(dataset) == 1
    classes = dataset[0].classes.tolist()
    assert [list(spec.classes)[number] for number in classes[0]] == list(names)
    assert classes[1] == classes[0][::-1]
    space = make_space(REPO, "roads", spec)
    expected = [space.code(text.split()) if text else space.ignore for text in nodes]
    single = [text if text in space.ontology.leaves else "" for text in nodes]
    for code, leaf in zip(expected, single, strict=True):  # a leaf's code is its channel
        assert not leaf or space.ontology.leaves[code] == leaf
    assert codes_of(dataset, space) == [expected, expected[::-1]]


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


def test_vistas_has_the_channels_of_the_paper(tmp_path: Path) -> None:
    layout = LAYOUTS[0]
    label = np.arange(66).reshape(6, 11)
    write_layout(layout, tmp_path, label)
    spec = shipped(REPO, layout.mapping)
    dataset = SegmentationDataset(spec, layout.split, root=tmp_path)
    names = VISTAS.split()
    assert [name.split("--")[-1] for name in spec.classes] == names
    assert dataset[0].classes.tolist() == label.tolist()
    channels = [*range(45), 48, 51, 45, 46, 47, 49, 50, *range(52, 66)]  # leaf to id
    space = make_space(REPO, "vistas", spec)
    assert [space.ontology.leaves.index(name) for name in names] == np.argsort(channels).tolist()
    codes = np.argsort(channels)
    codes[65] = space.ignore
    assert codes_of(dataset, space) == codes[label].tolist()


def test_the_ids_of_vistas_follow_its_own_file_whatever_the_order(tmp_path: Path) -> None:
    layout = LAYOUTS[0]
    write_layout(layout, tmp_path, np.array([[0, 13, 65]]))
    config = tmp_path / "config_v1.2.json"
    labels = json.loads(config.read_text())["labels"]
    config.write_text(json.dumps({"labels": labels[::-1]}))
    dataset = SegmentationDataset(shipped(REPO, layout.mapping), "train", root=tmp_path)
    assert dataset[0].classes.tolist() == [[65, 52, 0]]
    config.write_text(json.dumps({"labels": labels[1:]}))
    with pytest.raises(HarmonizeError, match="no class 'animal--bird', which the mapping has"):
        SegmentationDataset(shipped(REPO, layout.mapping), "train", root=tmp_path)


def test_the_older_package_of_vistas_needs_two_other_paths(tmp_path: Path) -> None:
    save(tmp_path / "validation/images/a.jpg", photograph(1, 3))
    save(tmp_path / "validation/labels/a.png", [[13, 0, 65]])
    write_config(tmp_path, "v1.2", file="config.json")
    override: dict[str, Value] = {
        "class_file.json": "config.json",
        "label": "{split}/labels/{id}.png",
    }
    spec = shipped(REPO, "vistas_v1.2", override)
    assert SegmentationDataset(spec, "val", root=tmp_path)[0].classes.tolist() == [[13, 0, 65]]


def test_the_instance_pictures_of_kitti_hold_the_ids_too(tmp_path: Path) -> None:
    save(tmp_path / "training/image_2/000161_10.png", photograph(1, 3))
    instances = np.array([[26 << 8 | 3, 7 << 8, 0]], dtype=np.uint16)
    (tmp_path / "training/instance").mkdir()
    Image.fromarray(instances).save(tmp_path / "training/instance/000161_10.png")
    override: dict[str, Value] = {
        "label": "training/instance/{id:06d}_10.png",
        "value": "V // 256",
        "splits.val.range": [161, 161],
    }
    spec = shipped(REPO, "kitti", override)
    assert SegmentationDataset(spec, "val", root=tmp_path)[0].classes.tolist() == [[26, 7, 0]]


def test_the_segment_numbers_of_a_panoptic_picture_are_read_by_a_formula(tmp_path: Path) -> None:
    text = """
name: panoptic
picture: "images/{id}.jpg"
label: "panoptic/{id}.png"
encoding: ids
value: R + 256*G + 65536*B
splits: {all: {glob: "panoptic/{id}.png"}}
classes: {car: [70000, 255], road: 256, sky: 16777215, void: 0}
meaning: {roads: {car: car, road: road, sky: sky, void: ignore}}
"""
    numbers = np.array([[70000, 255, 256], [16777215, 0, 256]])
    save(tmp_path / "images/a.jpg", photograph(2, 3))
    save(tmp_path / "panoptic/a.png", np.stack([numbers >> shift & 255 for shift in (0, 8, 16)], 2))
    spec = DatasetSpec.from_document(load_text(text, "panoptic.yaml"))
    dataset = SegmentationDataset(spec, "all", root=tmp_path)
    assert dataset[0].classes.tolist() == [[0, 0, 1], [2, 3, 1]]


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
    assert void == {*VOID[name].split(), *VOID.get(f"{name} {tree}", "").split()}


@pytest.mark.parametrize("name", MAPPINGS)
def test_two_trees_serve_every_mapping(name: str) -> None:
    assert {"roads", "vistas"} <= shipped(REPO, name).meaning.keys()
