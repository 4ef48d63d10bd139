import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gemix.runtime.errors import GemixError
from gemix.runtime.records import Record, parse_record, read_record


class Recipe(Record):
    SCHEMA: ClassVar[int] = 3

    name: str
    grams: list[int]

    @classmethod
    def upgraded(cls, content: dict[str, Any], schema: int) -> dict[str, Any]:
        if schema == 1:
            return super().upgraded(content, schema)
        return content | {"grams": [content["grams"]]}


def test_what_is_written_reads_back_and_carries_its_schema(tmp_path: Path) -> None:
    recipe = Recipe(name="bread", grams=[500, 10])
    assert json.loads(recipe.to_json())["schema"] == 3
    (tmp_path / "recipe.json").write_text(recipe.to_json())
    assert read_record(tmp_path / "recipe.json", Recipe, "a recipe") == recipe


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '{"schema": 4, "name": "x", "taste": 1}',
            "written by a newer gemix (schema 4, this one reads 3): update gemix",
        ),
        ('{"schema": 1, "name": "x"}', "it has schema 1, and this gemix reads 3: make it anew"),
        ('{"schema": "new"}', "not a recipe: schema must be a number, not 'new'"),
        ('{"schema": 3, "name": "x", "grams": ["a"]}', "not a recipe: grams.0: Input should be a valid integer"),
        ('{"schema": 3, "name": "x", "grams": [], "more": 1}', "not a recipe: more: Extra inputs are not permitted"),
        ("[]", "not a recipe: a JSON object was expected, not a list"),
        ('{"schema": 3, "na', "not a recipe: no JSON"),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(text)
    with pytest.raises(GemixError) as caught:
        read_record(path, Recipe, "a recipe")
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("key", ["schema", "version", "schema_version"])
def test_an_older_schema_is_upgraded_under_whatever_name_its_number_went(key: str) -> None:
    assert parse_record(json.dumps({key: 2, "name": "tea", "grams": 5}), Recipe, "a recipe").grams == [5]
