"""What is said of keys that a config does not know."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from egraff_lmp.config_keys import closed, unknown_key


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Wheel(Part):
    kind: Literal["wheel"] = "wheel"
    diameter: float = 1.0


class Bell(Part):
    kind: Literal["bell"] = "bell"
    loudness: float = 1.0


class Bicycle(Part):
    colour: str = "red"
    saddle: Bell | None = None
    parts: tuple[Annotated[Wheel | Bell, Field(discriminator="kind")], ...] = ()


def said(raw, names=None):
    with pytest.raises(ValidationError) as caught:
        Bicycle.model_validate(raw)
    return [unknown_key(item["loc"], Bicycle, names) for item in caught.value.errors()]


def test_the_nearest_key_of_the_section():
    assert said({"color": 1}) == ["unknown key 'color': did you mean 'colour'?"]
    assert said({"saddle": {"loudnes": 1}}) == [
        "unknown key 'loudnes' in 'saddle': did you mean 'loudness'?"
    ]


def test_entries_of_a_list_and_members_of_a_union():
    (sentence,) = said({"parts": [{"kind": "wheel", "diametre": 2}]})
    assert sentence == "unknown key 'diametre' in 'parts.0.wheel': did you mean 'diameter'?"
    (sentence,) = said({"parts": [{"kind": "bell", "diametre": 2}]})
    assert "the keys there are kind, loudness" in sentence  # and not those of a wheel


def test_a_key_of_another_section_and_other_names():
    assert said({"loudness": 3}) == [
        "unknown key 'loudness': did you mean 'parts.loudness' or 'saddle.loudness'?"
    ]
    assert said({"hue": 3}, {"hue": "colour"}) == ["unknown key 'hue': did you mean 'colour'?"]
    assert said({"zzz": 3}) == ["unknown key 'zzz': the keys there are colour, saddle, parts"]


def test_the_end_of_a_sentence():
    assert closed("a") == "a."
    assert closed("a?") == "a?"
