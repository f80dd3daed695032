"""Holds what a command prints with --json against its published schema, docs/schema/NAME.json."""
import json
import pathlib

import jsonschema

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "docs" / "schema"


def check(name, text):
    """Raises unless the text is JSON as docs/schema/NAME.json has it; returns what it says."""
    file = FOLDER / f"{name}.json"
    schema = json.loads(file.read_text())
    validator = jsonschema.Draft202012Validator if hasattr(jsonschema, "Draft202012Validator") else jsonschema.Draft7Validator
    validator.check_schema(schema)
    value = json.loads(text)
    errors = [f"{'/'.join(map(str, e.path))}: {e.message}" for e in validator(schema, resolver=jsonschema.RefResolver(file.as_uri(), schema)).iter_errors(value)]
    assert not errors, errors
    return value
