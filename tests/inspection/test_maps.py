"""Maps of computation over images."""

import jax
import numpy as np
import pytest
from pages import classes

from tapehead import Linear, UserError
from tapehead.inspection.figures import computation
from tapehead.inspection.maps import _enlarged, units_taken
from tapehead.inspection.report.examples import is_image, picture
from tapehead.inspection.report.pack import pack, unpack
from tapehead.inspection.report.page import render
from tapehead.networks import ResNet

KEY = jax.random.key(0)


def test_units_of_all_blocks_are_added_up():
    network = ResNet(16, 2, channels=1, blocks=2, units=1, stride=1, key=KEY)
    taken = units_taken(network, np.zeros((3, 16), np.float32))
    np.testing.assert_array_equal(taken, np.full((3, 4, 4), 2))
    assert units_taken(Linear(16, 2, key=KEY), np.zeros((3, 16), np.float32)) is None


def test_a_position_covers_its_pixels():
    maps = np.arange(4.0).reshape(1, 2, 2)
    np.testing.assert_array_equal(_enlarged(maps, 4)[0], np.kron(maps[0], np.ones((2, 2))))
    np.testing.assert_array_equal(_enlarged(maps, 3)[0], [[0, 0, 1], [0, 0, 1], [2, 2, 3]])


def test_an_image_at_one_step_is_drawn_as_it_is():
    image = np.linspace(0, 1, 16).reshape(4, 4)
    shown = unpack(picture(image.reshape(1, 16)))  # columns first
    np.testing.assert_allclose(shown, image.T, atol=0.01)
    assert not is_image(np.zeros((1, 15)))
    assert not is_image(np.zeros((2, 16)))


def test_a_report_says_what_the_maps_are():
    content = classes()
    assert "the warmer" not in render(content)
    for card in content.cards:
        card["taken"] = pack(np.ones((28, 28)), 0, 5.0)
    assert "the warmer the more, up to 5." in render(content)


def test_a_figure_lays_maps_over_images():
    images = np.zeros((7, 4, 4))
    figure = computation(images, images + 3)
    drawn = [axes for axes in figure.axes if len(axes.images) == 2]
    assert len(drawn) == 7
    np.testing.assert_array_equal(drawn[-1].images[1].get_array(), np.full((4, 4), 3))
    with pytest.raises(UserError, match="expected images and maps of shape"):
        computation(images, images[:3])
