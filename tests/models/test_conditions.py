"""What a network is told beside the picture."""

from pathlib import Path

import numpy as np
import pytest
import torch

from vidcolor.errors import UsageError
from vidcolor.models import create_model, load_weights, save_weights
from vidcolor.models.conditions import METADATA_WIDTH, check_label, condition_vector, condition_width

CLASSES = ("cat", "dog", "owl")


def test_what_is_not_known_is_zero() -> None:
    assert condition_vector(CLASSES, True).tolist() == [0.0] * (3 + METADATA_WIDTH)
    assert condition_vector(CLASSES, False, label="bear").tolist() == [0.0, 0.0, 0.0]
    assert condition_vector((), True, latitude=10).tolist() == [0.0] * METADATA_WIDTH
    assert condition_width(CLASSES, True) == 3 + METADATA_WIDTH


def test_hours_and_months_lie_on_circles_and_places_on_the_globe() -> None:
    known = condition_vector((), True, hour=6, month=1, latitude=0, longitude=90)
    np.testing.assert_allclose(known, [1, 0, 0, 1, 0, 1, 0], atol=1e-6)
    near, far = (condition_vector((), True, hour=hour)[:2] for hour in (0.1, 12))
    before = condition_vector((), True, hour=23.9)[:2]
    assert np.linalg.norm(before - near) < 0.1 < np.linalg.norm(before - far)
    np.testing.assert_allclose(
        condition_vector((), True, latitude=90, longitude=40)[4:], [0, 0, 1], atol=1e-6
    )


def test_a_label_that_is_not_known_is_refused() -> None:
    check_label(CLASSES, "dog")
    with pytest.raises(UsageError, match="does not know the label 'bear'; it knows cat, dog, owl"):
        check_label(CLASSES, "bear")
    with pytest.raises(UsageError, match="knows no labels"):
        check_label((), "dog")


def test_a_network_that_was_not_trained_on_conditions_ignores_them_and_can_learn(tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"widths": [4, 8], "labels": list(CLASSES), "metadata": True}
    model = create_model("unet", **options).eval()
    torch.nn.init.normal_(model.head.weight)  # it starts at zero, and says nothing at all then
    lightness = torch.rand(2, 1, 32, 32) * 100
    told = torch.from_numpy(
        np.stack([condition_vector(CLASSES, True, label=n, hour=3) for n in ("cat", "owl")])
    )
    assert torch.equal(model(lightness, None, told), model(lightness))
    torch.nn.init.normal_(model.known.weight)
    answer = model(lightness, None, told)
    assert not torch.allclose(answer, model(lightness))
    save_weights(tmp_path / "w.safetensors", model, name="unet", options=options, version="9")
    again = load_weights(tmp_path / "w.safetensors").model
    assert again.labels == CLASSES
    assert again.takes_metadata
    assert torch.equal(again(lightness, None, told), answer)


def test_a_vector_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"condition must be \(1, 0\) for this model"):
        create_model("unet", widths=[4, 8])(torch.zeros(1, 1, 16, 16), None, torch.zeros(1, 3))
