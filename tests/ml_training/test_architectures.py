"""Every network by name: builds, learns, exports, reads its weights."""

import numpy as np
import pytest

from ml_training.datasets import Split
from ml_training.errors import ConfigInvalidError, ModelNotServableError

pytestmark = [
    pytest.mark.training,
    # TensorFlow and Keras warn of themselves; what we call of them is pinned.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]

SERVED = (
    "mobilenetv2_frozen",
    "mobilenetv2",
    "resnet50",
    "inceptionv3",
    "vgg16",
    "densenet121",
    "efficientnetv2b0",
)
SIZE = 80


def images(number=2):
    return np.random.default_rng(3).random((number, SIZE, SIZE, 3), np.float32)


def build(name, **options):
    import keras

    from ml_training import architectures

    keras.utils.set_random_seed(4)
    options = {"weights": None, "input_size": SIZE} | options
    return architectures.build(name, **options)


def weights_of(model):
    return [values.copy() for values in model.get_weights()]


def learn_one_step(model, inputs):
    import keras

    number = len(next(iter(inputs.values())) if isinstance(inputs, dict) else inputs)
    # Eagerly: to compile a step of a large network takes longer than to run one.
    model.compile(keras.optimizers.SGD(1e-3), loss="categorical_crossentropy", run_eagerly=True)
    return model.train_on_batch(inputs, np.eye(3, dtype=np.float32)[np.arange(number) % 3])


def test_these_are_the_networks():
    from ml_training.architectures import ARCHITECTURES

    assert {"cnn_original", *SERVED} == set(ARCHITECTURES)
    assert {name for name, kind in ARCHITECTURES.items() if kind.exact_map} == set(SERVED)


@pytest.mark.parametrize("name", SERVED)
def test_learns_and_exports_alike(name, tmp_path):
    """One step of training, then the file that serves agrees with Keras, gate included."""
    from ml_training.architectures import BACKBONE, CLASSIFIER, with_features
    from ml_training.export import export_weights, litert_predict
    from ml_training.gate_output import with_gate_output

    model = build(name, dropout=0.2)
    before = weights_of(model.get_layer(BACKBONE)), weights_of(model.get_layer(CLASSIFIER))
    assert np.isfinite(learn_one_step(model, images()))

    learned = weights_of(model.get_layer(BACKBONE)), weights_of(model.get_layer(CLASSIFIER))
    changed = [
        any((one != other).any() for one, other in zip(*pair, strict=True))
        for pair in zip(before, learned, strict=True)
    ]
    assert changed == [name != "mobilenetv2_frozen", True]

    exported = export_weights(model, tmp_path, images())
    assert exported["parity"]["max_abs_difference"] <= 1e-4
    assert exported["input_size"] == [SIZE, SIZE]
    found = litert_predict(tmp_path / "model.tflite", images())
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)

    whole = with_gate_output(with_features(model), BACKBONE)
    outputs = {key: value.numpy() for key, value in whole(images()).items()}
    assert outputs["gate"].shape[:2] == (2, 1)
    # The map is exact: the mean of its places, through the dense layer, is the answer.
    kernel, bias = model.get_layer(CLASSIFIER).get_weights()
    logits = (outputs["features"] @ kernel).mean(axis=(1, 2)) + bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    answer = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answer, outputs["probabilities"], atol=1e-4)


def test_the_original_network_is_the_original_one(tmp_path):
    import keras

    from ml_training.architectures import BACKBONE
    from ml_training.export import export_weights

    model = build("cnn_original", dropout=0.7)
    backbone = model.get_layer(BACKBONE)
    convolutions = [x for x in backbone.layers if isinstance(x, keras.layers.Conv2D)]
    everything = [*backbone.layers, *model.layers]

    assert [layer.filters for layer in convolutions] == [8, 32, 10]
    for layer in convolutions:
        assert float(layer.kernel_regularizer.l2) == pytest.approx(0.01)
    dropouts = [layer.rate for layer in everything if isinstance(layer, keras.layers.Dropout)]
    assert dropouts == [0.4, 0.4, 0.2]
    decay = sum(0.01 * (layer.kernel.numpy() ** 2).sum() for layer in convolutions)
    assert float(sum(model.losses)) == pytest.approx(decay, rel=1e-4)
    np.testing.assert_allclose(model.predict(images(), verbose=0).sum(axis=1), 1, atol=1e-5)
    before = weights_of(model)
    learn_one_step(model, images())
    kernels = [place for place, values in enumerate(before) if values.ndim > 1]
    after = weights_of(model)
    assert len(kernels) == 4
    assert all((before[place] != after[place]).any() for place in kernels)
    with pytest.raises(ModelNotServableError):
        export_weights(model, tmp_path / "model", images())
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("mobilenetv2", "mobilenet_v2"),
        ("resnet50", "resnet"),
        ("inceptionv3", "inception_v3"),
        ("vgg16", "vgg16"),
        ("densenet121", "densenet"),
    ],
)
def test_images_reach_the_backbone_as_it_was_trained_on_them(name, module):
    """Against Keras's own ``preprocess_input``, of 0 to 255; its blue first is a turned kernel."""
    import keras

    from ml_training.architectures import ARCHITECTURES

    ours = ARCHITECTURES[name]
    scaled = np.asarray(keras.layers.Rescaling(ours.scale, ours.offset)(images()))
    expected = getattr(keras.applications, module).preprocess_input(images() * 255)

    turned = expected[..., ::-1] if ours.blue_first else expected
    np.testing.assert_allclose(scaled, turned, rtol=1e-4, atol=1e-4)


def test_efficientnet_gets_what_its_own_layers_would_make():
    import keras

    from ml_training.architectures import ARCHITECTURES

    whole = keras.applications.EfficientNetV2B0(
        input_shape=(SIZE, SIZE, 3), include_top=False, weights=None
    )
    (last,) = (x for x in whole.layers if isinstance(x, keras.layers.Normalization))
    expected = keras.Model(whole.input, last.output).predict(images() * 255, verbose=0)
    ours = ARCHITECTURES["efficientnetv2b0"]
    scaled = np.asarray(keras.layers.Rescaling(ours.scale, ours.offset)(images()))
    np.testing.assert_allclose(scaled, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pooling", [None, "avg"])
def test_weights_from_a_file_are_those_of_the_file(tmp_path, pooling):
    """VGG16 as Keras runs it, its own preprocessing before it, gives the same features."""
    import keras

    from ml_training.architectures import POOLING

    keras.utils.set_random_seed(5)
    theirs = keras.applications.VGG16(
        input_shape=(SIZE, SIZE, 3), include_top=False, weights=None, pooling=pooling
    )
    theirs.save_weights(tmp_path / "backbone.weights.h5")
    model = build("vgg16", weights=tmp_path / "backbone.weights.h5")

    prepared = keras.applications.vgg16.preprocess_input(images() * 255)
    expected = theirs.predict(prepared, verbose=0)
    output = model.get_layer(POOLING).output if pooling else model.get_layer(POOLING).input
    found = keras.Model(model.input, output).predict(images(), verbose=0)
    assert expected.std() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * abs(expected).max())


def test_a_fine_tuned_network_keeps_its_statistics_and_its_frozen_layers(tmp_path):
    import keras

    from ml_training.architectures import BACKBONE

    trained = keras.applications.MobileNetV2(
        input_shape=(SIZE, SIZE, 3), include_top=False, weights=None
    )
    for layer in trained.layers:
        # Statistics of a trained network keep the signal up; without them it dies away.
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(layer.moving_variance * 0.1)
    trained.save_weights(tmp_path / "backbone.weights.h5")
    model = build(
        "mobilenetv2",
        weights=tmp_path / "backbone.weights.h5",
        trainable_from="block_16_expand",
    )
    backbone = model.get_layer(BACKBONE)
    names = [layer.name for layer in backbone.layers]
    first = names.index("block_16_expand")
    before = {layer.name: weights_of(layer) for layer in backbone.layers}
    learn_one_step(model, images())

    changed = {
        layer.name
        for layer in backbone.layers
        if any(
            (one != other).any()
            for one, other in zip(before[layer.name], layer.get_weights(), strict=True)
        )
    }
    convolutions = keras.layers.Conv2D, keras.layers.DepthwiseConv2D
    assert changed == {x.name for x in backbone.layers[first:] if isinstance(x, convolutions)}


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("alexnet", {}, "alexnet"),
        ("mobilenetv2", {"trainable_from": "block_99"}, "block_99"),
        ("mobilenetv2_frozen", {"trainable_from": "block_16_expand"}, "frozen"),
        ("mobilenetv2", {"weights": "absent.h5"}, "absent"),
        ("cnn_original", {"weights": "imagenet"}, "cnn_original"),
        ("inceptionv3", {"input_size": 64}, "input_size"),
        ("mobilenetv2", {"fusion": ("weight",)}, "age, sex, view"),
        ("mobilenetv2", {"fusion": ("age", "age")}, "once"),
    ],
)
def test_says_what_cannot_be_built(name, options, reason):
    with pytest.raises(ConfigInvalidError) as raised:
        build(name, **options)
    assert reason in str(raised.value.params["reason"])


def test_weights_of_another_network_are_refused(tmp_path):
    build("cnn_original").save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(ConfigInvalidError) as raised:
        build("mobilenetv2", weights=tmp_path / "other.weights.h5")
    assert "other.weights.h5" in raised.value.params["reason"]


def test_age_sex_and_view_join_late_and_a_missing_one_is_told(tmp_path):
    from ml_training.architectures import CLASSIFIER, FACTS, IMAGE
    from ml_training.export import export_weights
    from ml_training.fusion import fused_facts

    fusion = ("age", "sex", "view")
    split = Split(
        images=list(np.zeros((4, 8, 8), np.uint8)),
        truth=np.zeros(4, int),
        patients=np.array(["a", "b", "c", "d"]),
        origins=np.array(["x"] * 4),
        sexes=np.array(["F", "M", "", "F"]),
        ages=np.array([50, 50, np.nan, 0], np.float32),
        views=np.array(["AP", "PA", "", "AP"]),
    )
    facts = fused_facts(split, fusion)
    # What is missing is unlike every known value, an age of 50 or 0 years included.
    assert len({tuple(row) for row in facts.tolist()}) == 4
    assert not facts[2].any()

    model = build("mobilenetv2", fusion=fusion)
    same = {IMAGE: np.repeat(images(1), 4, axis=0), FACTS: facts}
    found = model.predict(same, verbose=0)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert len({tuple(row) for row in found.round(5).tolist()}) == 4
    before = weights_of(model.get_layer(CLASSIFIER))[0]
    learn_one_step(model, same)
    learned = weights_of(model.get_layer(CLASSIFIER))[0] != before
    assert learned[-facts.shape[1] :].any(axis=1).all()
    with pytest.raises(ModelNotServableError):
        export_weights(model, tmp_path / "model", images())
