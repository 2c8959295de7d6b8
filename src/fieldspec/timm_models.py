"""Importing this module registers the catalogue with timm, and the model `fieldspec` for any other spec.

Example:
    >>> import timm
    >>> import fieldspec.timm_models
    >>> timm.create_model("c1c2c3c40", num_classes=5).get_classifier()
    Linear(in_features=132, out_features=5, bias=True)
    >>> layers = [{"conv": {"out": 8}}, {"max_pool": {}}, {"conv": {"out": 16}}]
    >>> timm.create_model("fieldspec", spec={"input": [3, 64, 64], "layers": layers}).num_features
    16
"""

from fieldspec.architectures.network.timm_models import default_cfgs, fieldspec

__all__ = ["default_cfgs", "fieldspec"]
