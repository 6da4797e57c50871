"""The batches that are drawn from what the frozen layers made of the images."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("keras")

from ml_training.architectures import CLASSIFIER
from ml_training.frozen_cache import BOXES, Cache, CachedBatches

pytestmark = pytest.mark.training

WHOLE, MASKED = 1.0, -1.0
CONFIG = SimpleNamespace(epochs=6, batch_size=8, masked_share=0.25, mixup=0.0, seed=3)


def cache(value: float, size: int) -> Cache:
    """``size`` images in two variants, all of whose features are ``value``."""
    return Cache(
        features=np.full((2 * size, 2, 2, 3), value, np.float16),
        boxes=np.zeros((2 * size, 2, 2), np.float32),
        truth=np.arange(size) % 3,
        chances=np.full(size, 1 / size),
        count=2,
    )


@pytest.fixture
def batches() -> CachedBatches:
    return CachedBatches(cache(WHOLE, 12), cache(MASKED, 30), CONFIG, plain_epochs=2)


@pytest.mark.parametrize(("epoch", "masked"), [(0, 2), (3, 2), (4, 0), (5, 0)])
def test_the_last_epochs_are_of_whole_radiographs_alone(batches, epoch, masked):
    batches.epoch = epoch
    features, targets = batches[0]
    assert features.shape == (8, 2, 2, 3)
    assert (features[:, 0, 0, 0] == MASKED).sum() == masked
    assert targets[CLASSIFIER].shape == (8, 3)
    assert targets[BOXES].shape == (8, 2, 2, 1)


def test_an_epoch_sees_as_many_whole_radiographs_as_there_are(batches):
    assert len(batches) == 2, "12 whole ones, 6 in each batch"


def test_epoch_and_place_decide_what_is_drawn(batches):
    first, again = batches[1][1][CLASSIFIER], batches[1][1][CLASSIFIER]
    batches.epoch = 1
    assert np.array_equal(first, again)
    assert not np.array_equal(first, batches[1][1][CLASSIFIER])


def test_cases_are_mixed_with_others_of_their_own_cache():
    config = SimpleNamespace(**vars(CONFIG) | {"mixup": 0.5})
    batches = CachedBatches(cache(WHOLE, 12), cache(MASKED, 30), config, plain_epochs=2)
    features, targets = batches[0]
    assert set(np.unique(features)) <= {np.float32(WHOLE), np.float32(MASKED)}
    assert (targets[CLASSIFIER].max(axis=1) < 1).any(), "no label was mixed"
    assert targets[CLASSIFIER].sum(axis=1) == pytest.approx(1)
