"""The description of the service for programs: OpenAPI 3.1."""

from typing import Any

from harmonize import __version__
from harmonize.serving.bodies import FORM, Limits
from harmonize.serving.forms import MOST_NUMBERS
from harmonize.serving.questions import DECODES, FORMATS, Words

Json = dict[str, Any]

_NUMBERS: Json = {"type": "array", "items": {"type": "number"}}
_POINT: Json = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
_SCHEMAS: Json = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string", "description": "what is wrong, what to do"}},
        "additionalProperties": False,
    },
    "Health": {
        "type": "object",
        "required": ["status", "step", "busy", "places", "answered", "batches"],
        "properties": {
            "status": {"const": "ok"},
            "step": {"type": "integer", "description": "that the network was trained to"},
            "busy": {"type": "integer", "description": "places that are taken"},
            "places": {"type": "integer"},
            "answered": {"type": "integer", "description": "pictures so far"},
            "batches": {"type": "integer", "description": "passes of the network so far"},
        },
    },
    "Legend": {
        "type": "object",
        "required": ["made_by", "answers", "encoding", "classes", "left_out"],
        "properties": {
            "made_by": {"type": "string"},
            "answers": {"type": "string"},
            "encoding": {"type": "string", "description": "of the PNG: ids, or colours"},
            "classes": {
                "type": "object",
                "description": "by the id or colour that the PNG has",
                "additionalProperties": {
                    "type": "object",
                    "required": ["name", "color", "depth", "nodes"],
                    "properties": {
                        "name": {"type": "string"},
                        "color": {"type": "string", "pattern": "^#[0-9a-f]{6}$"},
                        "depth": {"type": ["integer", "null"]},
                        "nodes": {"type": "array", "items": {"type": "string"}},
                        "classes": {"type": "array", "items": {"type": "string"}},
                    },
                },
            },
            "left_out": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    },
    "Coco": {
        "type": "object",
        "required": ["images", "categories", "annotations"],
        "properties": {
            "info": {"type": "object"},
            "images": {
                "type": "array",
                "items": {"type": "object", "required": ["id", "width", "height", "file_name"]},
            },
            "categories": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "name", "color"],
                    "properties": {
                        "id": {"type": "integer"},
                        "name": {"type": "string"},
                        "color": {**_NUMBERS, "minItems": 3, "maxItems": 3},
                    },
                },
            },
            "annotations": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "image_id", "category_id", "segmentation", "area", "bbox"],
                    "properties": {
                        "category_id": {"type": "integer"},
                        "segmentation": {
                            "type": "object",
                            "required": ["size", "counts"],
                            "properties": {"size": _POINT, "counts": {"type": "string"}},
                        },
                        "area": {"type": "integer", "minimum": 1},
                        "bbox": {**_NUMBERS, "minItems": 4, "maxItems": 4},
                        "iscrowd": {"const": 1},
                    },
                },
            },
        },
    },
    "Polygons": {
        "type": "object",
        "required": ["type", "width", "height", "features"],
        "properties": {
            "type": {"const": "FeatureCollection"},
            "width": {"type": "integer"},
            "height": {"type": "integer"},
            "features": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["type", "properties", "geometry"],
                    "properties": {
                        "type": {"const": "Feature"},
                        "properties": {
                            "type": "object",
                            "required": ["id", "name", "color", "area"],
                        },
                        "geometry": {
                            "type": "object",
                            "required": ["type", "coordinates"],
                            "properties": {
                                "type": {"const": "Polygon"},
                                "coordinates": {
                                    "type": "array",
                                    "items": {"type": "array", "minItems": 5, "items": _POINT},
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}

_PROBLEMS = {
    400: "The body is no picture, a damaged one, or a form without a file",
    408: "The body did not come in time",
    413: "The body has too many bytes, or the picture too many pixels",
    415: "The body is of another type",
    422: "The query asks for what there is not",
    500: "The service failed",
    503: "All places are taken, or memory is lacking; Retry-After says when to try again",
    504: "The answer was not ready in time",
}


_FORMS = (
    "Of the answer; probabilities come as NumPy's .npz: `probabilities` (float16, possible answers "
    f"x height x width, at most {MOST_NUMBERS} numbers), `keys` of these answers in the legend and "
    "their `names`"
)


def describe_service(words: Words, limits: Limits) -> Json:
    """Return the description, with the data sets and depths of the network."""
    asked = _parameters(words)
    schema: Json = {"type": "string", "enum": [*FORMATS], "default": "png"}
    form = _query("format", schema, _FORMS)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "harmonize serve",
            "version": __version__,
            "description": f"Segments pictures by the tree {words.tree.name}.",
        },
        "paths": {
            "/predict": {
                "post": {
                    "operationId": "predict",
                    "summary": "Answer a picture; the answer has the picture's own size",
                    "parameters": [*asked, form],
                    "requestBody": _body(limits),
                    "responses": {"200": _answers(), **_problems(*_PROBLEMS)},
                }
            },
            "/legend": {
                "get": {
                    "operationId": "legend",
                    "summary": "What the ids or colours of answers mean",
                    "parameters": asked,
                    "responses": {"200": _json("The legend", "Legend"), **_problems(422, 500)},
                }
            },
            "/health": {
                "get": {
                    "operationId": "health",
                    "summary": "Whether the service answers, and how busy it is",
                    "responses": {"200": _json("It does", "Health")},
                }
            },
            "/openapi.json": {
                "get": {
                    "operationId": "openapi",
                    "summary": "This description",
                    "responses": {"200": _content("It", {"application/json": {}})},
                }
            },
            "/": {
                "get": {
                    "operationId": "page",
                    "summary": "A page on which people try the network",
                    "responses": {"200": _content("It", {"text/html": {}})},
                }
            },
        },
        "components": {"schemas": _SCHEMAS},
    }


def _parameters(words: Words) -> list[Json]:
    depth = {"type": "integer", "minimum": 1, "maximum": words.tree.depth}
    confidence = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    return [
        _query("as", {"type": "string", "enum": [*words.datasets]}, "In a data set's own classes"),
        _query("depth", depth, "By the groups at a depth of the tree"),
        _query("confidence", confidence, "By the deepest node that is as probable"),
        _query("decode", {"type": "string", "enum": [*DECODES]}, "How pixels are decided"),
    ]


def _query(name: str, schema: Json, about: str = "Of the answer") -> Json:
    one = " (at most one of as, depth and confidence)" if name in _EXCLUSIVE else ""
    return {"name": name, "in": "query", "description": about + one, "schema": schema}


_EXCLUSIVE = ("as", "depth", "confidence")


def _body(limits: Limits) -> Json:
    file: Json = {"type": "string", "contentMediaType": "application/octet-stream"}
    form = {"type": "object", "required": ["file"], "properties": {"file": file}}
    return {
        "required": True,
        "description": f"A picture of at most {limits.most_bytes} bytes and "
        f"{limits.most_pixels} pixels",
        "content": {
            "image/*": {},
            "application/octet-stream": {},
            FORM: {"schema": form},
        },
    }


def _answers() -> Json:
    found = _content(
        "The answer",
        {
            "image/png": {},
            "application/json": _schema("Coco"),
            "application/geo+json": _schema("Polygons"),
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
        },
    )
    text = {"schema": {"type": "string"}}
    found["headers"] = {
        "Link": {"description": "The legend", **text},
        "Harmonize-Warning": {"description": "What is doubtful about the picture", **text},
    }
    return found


def _problems(*statuses: int) -> Json:
    return {str(status): _json(_PROBLEMS[status], "Error") for status in statuses}


def _json(about: str, name: str) -> Json:
    return _content(about, {"application/json": _schema(name)})


def _schema(name: str) -> Json:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _content(about: str, content: Json) -> Json:
    return {"description": about, "content": content}
