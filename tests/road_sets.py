"""The road-scene sets: how each lies on disk, and how its labels read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.config.strict_yaml import Value

REPO = Path(__file__).parents[1]

VISTAS = """
bird ground-animal curb fence guard-rail other-barrier wall bike-lane crosswalk-plain curb-cut
parking pedestrian-area rail-track road service-lane sidewalk bridge building tunnel person
bicyclist motorcyclist other-rider crosswalk-zebra general mountain sand sky snow terrain vegetation
water banner bench bike-rack billboard catch-basin cctv-camera fire-hydrant junction-box mailbox
manhole phone-booth pothole street-light pole traffic-sign-frame utility-pole traffic-light back
front trash-can bicycle boat bus car caravan motorcycle on-rails other-vehicle trailer truck
wheeled-slow car-mount ego-vehicle unlabeled
"""


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
