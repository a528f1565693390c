"""Licences of pictures, looked up in the table."""

from __future__ import annotations

from typing import Any

import pytest

from datagen.core.licenses import commercial_use, license_of, spdx_name
from datagen.core.record import Record
from datagen.core.stage import Answer, Reject
from stages.filter_license import FilterLicense


def judged(name: str, **options: Any) -> Answer:
    stage = FilterLicense(FilterLicense.Config.model_validate(options))
    return stage.process([Record("a", {"license": name})])[0]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("CC0-1.0", "allowed"),
        ("apache-2.0", "allowed"),
        (" CC-BY-4.0 ", "allowed"),
        ("http://creativecommons.org/licenses/by/2.0/", "allowed"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "allowed"),
        ("CC-BY-SA-4.0", "conditions"),
        ("CC-BY-NC-SA-2.0", "forbidden"),
        ("https://creativecommons.org/licenses/by-nc-nd/2.0/", "forbidden"),
        ("LicenseRef-SA-1B", "forbidden"),
        ("CC-BY", "unknown"),
        ("", "unknown"),
        ("all rights reserved", "unknown"),
    ],
)
def test_what_a_licence_says(name: str, found: str) -> None:
    assert commercial_use(name) == found
    answer = judged(name)
    if found in ("allowed", "conditions"):
        assert answer == {}
    else:
        assert isinstance(answer, Reject)
        assert answer.reason == ("license_unknown" if found == "unknown" else "license_forbids")


def test_a_config_may_allow_and_forbid_by_name() -> None:
    assert judged("our own", allow=["our own"]) == {}
    assert judged("CC-BY-NC-4.0", keep=["allowed", "forbidden"]) == {}
    assert isinstance(judged("CC-BY-SA-4.0", keep=["allowed"]), Reject)
    assert isinstance(judged("MIT", forbid=["MIT"]), Reject)


@pytest.mark.parametrize("spelt", ["cc-by-sa-4.0", " CC-BY-SA-4.0", "https://creativecommons.org/licenses/by-sa/4.0/"])
def test_names_are_compared_however_they_are_spelt(spelt: str) -> None:
    for found, given in ((spelt, "CC-BY-SA-4.0"), ("CC-BY-SA-4.0", spelt)):
        refused = judged(given, forbid=[found])
        assert isinstance(refused, Reject)
        assert refused.reason == "license_forbids"
        assert judged(given, allow=[found], keep=["allowed"]) == {}


@pytest.mark.parametrize(
    ("weights", "license"),
    [
        ("black-forest-labs/FLUX.2-klein-4B", "Apache-2.0"),
        ("black-forest-labs/FLUX.2-klein-9B", "LicenseRef-FLUX-Non-Commercial"),
        ("black-forest-labs/FLUX.1-Kontext-dev", "LicenseRef-FLUX-1-dev-Non-Commercial"),
        ("black-forest-labs/FLUX.1-schnell", "Apache-2.0"),
        ("Qwen/Qwen-Image-Edit-2511", "Apache-2.0"),
        ("Qwen/Qwen-Image-2.1", "LicenseRef-Qwen-Research"),
        ("facebook/sam2.1-hiera-large", "Apache-2.0"),
        ("facebook/sam3", "LicenseRef-SAM"),
        ("openai/clip-vit-large-patch14", "MIT"),
        ("facebook/dinov2-base", "Apache-2.0"),
        ("Qwen/Qwen2.5-VL-7B-Instruct", "Apache-2.0"),
        ("Qwen/Qwen2.5-VL-3B-Instruct", "LicenseRef-Qwen-Research"),
        ("Qwen/Qwen2.5-Coder-3B-Instruct", "LicenseRef-Qwen-Research"),
        ("Qwen/Qwen2.5-Coder-32B-Instruct", "Apache-2.0"),
        ("Qwen/Qwen2.5-Math-72B-Instruct", "LicenseRef-Qwen"),
        ("stabilityai/sdxl-turbo", "LicenseRef-Stability-NC-Community"),
        ("stabilityai/stable-diffusion-xl-base-1.0", "OpenRAIL++"),
        ("openai/gpt-oss-20b", "Apache-2.0"),
        ("gpt-oss:120b", "Apache-2.0"),
        ("gpt-4o", "LicenseRef-OpenAI-Terms"),
        ("somebody/something", ""),
    ],
)
def test_the_licences_of_known_weights(weights: str, license: str) -> None:
    assert license_of(weights) == license
    assert not license or commercial_use(license) != "unknown", "each licence of the table's weights is in the table"


def test_each_row_of_the_table_is_used_and_says_where_it_was_read() -> None:
    from datagen.core import licenses

    table = licenses._table()
    assert all(row["read"] for row in (*table["licenses"], *table["weights"]))
    assert {row["commercial"] for row in table["licenses"]} == {"allowed", "conditions", "forbidden"}
    for row in table["weights"]:
        assert row["license"] == "" or commercial_use(row["license"]) != "unknown", row
        assert license_of(row["of"][0].replace("*", "x")) == row["license"], "no row hides another"
    assert spdx_name("MIT") == "MIT"
