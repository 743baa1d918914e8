"""Pulse from face video with graph neural networks: `import rppg_graph as rg`.

Every name below is loaded when it is first used.

    predict               a video → its pulse wave, its heart rate, and the quality of the signal
    Stream                frames as they come → a heart rate about once a second
    named_method          what predict and Stream read a face by: a formula or a network, by name
    train                 a config → a folder with a trained network
    evaluate              networks and formulas on the same recordings → errors, waves, a report
    load_checkpoint       a network that `train` left
    load_weights          a network that comes with the package
    MODELS                all networks by name: STGNet, STGNetMap and StreamNet are their classes
    CLASSICAL             all formulas by name: mean colours (T, 3), frames a second → wave (T,)
    heart_rate            a wave → beats a minute, with a quality, or with a reason why there is none
    CONTACT               the same for a contact sensor's wave or a network's: CONTACT.heart_rate
    feature_map_to_graph  a feature map (B, C, T, H, W) → its patches as the nodes of a PyG batch
    KNNGraph              a PyG transform: edges to every node from its nearest ones
    knn                   features → the nearest neighbours of every node
    neighbour_mean        features → the mean over the neighbours of every node
    AverageRelativeConv   STGNet's graph convolution, a PyG layer
    ClipDataset           cached recordings → clips with their pulse, for a torch DataLoader
"""

from importlib import import_module

__version__ = "0.1.0"

# Public name → module and name in it.
_PUBLIC = {
    "predict": ("inference.named", "predict"),
    "named_method": ("inference.named", "named_method"),
    "Stream": ("inference.stream", "Stream"),
    "train": ("experiments.train_run", "train_anew"),
    "evaluate": ("experiments.evaluate", "evaluate"),
    "load_checkpoint": ("models.checkpoint", "load"),
    "load_weights": ("models.weights", "load_weights"),
    "MODELS": ("models", "MODELS"),
    "STGNet": ("models.stgnet", "STGNet"),
    "STGNetMap": ("models.stgnet_map", "STGNetMap"),
    "StreamNet": ("models.stream_net", "StreamNet"),
    "CLASSICAL": ("pulse.classical", "CLASSICAL"),
    "heart_rate": ("pulse.heart_rate", "heart_rate"),
    "CONTACT": ("pulse.heart_rate", "CONTACT"),
    "feature_map_to_graph": ("graph.feature_map", "feature_map_to_graph"),
    "KNNGraph": ("graph.knn_graph", "KNNGraph"),
    "knn": ("graph.knn", "knn"),
    "neighbour_mean": ("graph.aggregate", "neighbour_mean"),
    "AverageRelativeConv": ("nn.relative_conv", "AverageRelativeConv"),
    "ClipDataset": ("data.clip_dataset", "ClipDataset"),
}
__all__ = list(_PUBLIC)


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, inner = _PUBLIC[name]
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), inner)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
