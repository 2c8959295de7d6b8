"""The networks of `strangers.py`: how each is built from its configuration, and its input."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

PACKAGES = {  # with the distribution that has its version
    "smp": "segmentation-models-pytorch",
    "monai": "monai",
    "ultralytics": "ultralytics",
    "pytorchcv": "pytorchcv",
    "braindecode": "braindecode",
    "transformers": "transformers",
    "kornia": "kornia",
    "torchvision": "torchvision",
    "torchaudio": "torchaudio",
}
Size = tuple[int, ...] | list[tuple[int, ...]]
Network = tuple[Callable[[], nn.Module], Size]


def names(package: str) -> list[str]:
    """Names of all requested networks."""
    return [name for name, _ in _networks(package)]


def made(package: str, name: str, *, values: bool = False) -> tuple[nn.Module, Size]:
    """A network without weights, on the meta device if its constructor allows it, and the shapes of its inputs.

    With `values`, its tables and counters have values, since the control flow of some networks depends on them.
    """
    make, size = dict(_networks(package))[name]
    try:
        with nullcontext() if values else torch.device("meta"):
            net = make()
    except Exception:  # a constructor that computes with its weights
        net = make()
    own = getattr(net, "in_size", None)  # pytorchcv's word for it
    is_own = isinstance(own, tuple) and not any(name.startswith(other) for other in OTHER_INPUTS)
    return net, (getattr(net, "in_channels", 3), *own) if is_own else size


def _networks(package: str) -> list[tuple[str, Network]]:
    return list(globals()[f"_{package}"]())


SMP = "DeepLabV3 DeepLabV3Plus FPN Linknet MAnet PAN PSPNet Segformer UPerNet Unet UnetPlusPlus"
ENCODERS = "resnet34 mobilenet_v2 efficientnet-b0 densenet121 mit_b0 vgg11_bn xception"
MORE_ENCODERS = "dpn68 inceptionv4 inceptionresnetv2 se_resnet50 timm-regnetx_002 mobileone_s0 tu-convnext_tiny"
IMPOSSIBLE = dict.fromkeys(("DeepLabV3", "DeepLabV3Plus", "PAN"), "densenet121 vgg11_bn xception")  # are not dilated
IMPOSSIBLE |= {"Linknet": "mit_b0", "UnetPlusPlus": "mit_b0"}


def _smp() -> Iterator[tuple[str, Network]]:
    smp = importlib.import_module("segmentation_models_pytorch")
    pairs = [(kind, encoder) for kind in SMP.split() for encoder in ENCODERS.split()]
    pairs = [(kind, encoder) for kind, encoder in pairs if encoder not in IMPOSSIBLE.get(kind, "").split()]
    pairs += [("Unet", encoder) for encoder in MORE_ENCODERS.split()]
    for kind, encoder in [("DPT", "tu-vit_base_patch16_224.augreg_in21k"), *pairs]:
        yield f"{kind}/{encoder}", (lambda k=kind, e=encoder: getattr(smp, k)(e, encoder_weights=None), (3, 224, 224))


MONAI = """
1x128x128 AHNet {spatial_dims: 2, out_channels: 2, psp_block_num: 0}
1x64x64 AttentionUnet {spatial_dims: 2, in_channels: 1, out_channels: 2, channels: [16, 32, 64], strides: [2, 2]}
1x64x64 AutoEncoder {spatial_dims: 2, in_channels: 1, out_channels: 2, channels: [16, 32], strides: [2, 2]}
1x64x64 AutoencoderKL {spatial_dims: 2}
1x64x64 BasicUNet {spatial_dims: 2}
1x64x64 BasicUNetPlusPlus {spatial_dims: 2}
1x64x64 Classifier {in_shape: [1, 64, 64], classes: 3, channels: [8, 16], strides: [2, 2]}
1x64x64 Critic {in_shape: [1, 64, 64], channels: [8, 16], strides: [2, 2]}
1x64x64x64 DAF3D {in_channels: 1, out_channels: 2}
1x64x64 DenseNet121 {spatial_dims: 2, in_channels: 1, out_channels: 2}
1x64x64x64 DenseNet169 {spatial_dims: 3, in_channels: 1, out_channels: 2}
1x64x64 DiffusionModelUNet {spatial_dims: 2, in_channels: 1, out_channels: 1}
1x64x64 Discriminator {in_shape: [1, 64, 64], channels: [8, 16], strides: [2, 2]}
1x64x64 DynUNet {spatial_dims: 2, in_channels: 1, out_channels: 2, kernel_size: [3, 3, 3], strides: [1, 2, 2], upsample_kernel_size: [2, 2]}
1x64x64 EfficientNetBN {model_name: efficientnet-b0, pretrained: false, in_channels: 1}
1x64x64 EfficientNetBNFeatures {model_name: efficientnet-b1, pretrained: false, in_channels: 1}
1x64x64 FlexibleUNet {in_channels: 1, out_channels: 2, backbone: efficientnet-b0}
1x96x96 FlexibleUNet {in_channels: 1, out_channels: 2, backbone: resnet18}
10 FullyConnectedNet {in_channels: 10, out_channels: 3, hidden_channels: [16, 16]}
8 Generator {latent_shape: [8], start_shape: [8, 8, 8], channels: [8, 4], strides: [2, 2]}
2x64x64 GlobalNet {image_size: [64, 64], spatial_dims: 2, in_channels: 2, num_channel_initial: 8, depth: 3}
1x32x32x32 HighResNet {spatial_dims: 3, in_channels: 1, out_channels: 2}
3x256x256 HoVerNet {}
2x64x64 LocalNet {spatial_dims: 2, in_channels: 2, num_channel_initial: 8, extract_levels: [0, 1]}
1x64x64 MaskedAutoEncoderViT {in_channels: 1, img_size: 64, patch_size: 16, spatial_dims: 2}
1x64x64 MedNeXt {spatial_dims: 2}
1x32x32x32 MedNeXt {spatial_dims: 3, kernel_size: 3}
1x256x256 MultiScalePatchDiscriminator {num_d: 2, num_layers_d: 3, spatial_dims: 2, channels: 8, in_channels: 1}
1x64x64 PatchDiscriminator {spatial_dims: 2, channels: 8, in_channels: 1}
1x64x64 Quicknat {num_classes: 5}
2x64x64 RegUNet {spatial_dims: 2, in_channels: 2, num_channel_initial: 8, depth: 3}
1x64x64 Regressor {in_shape: [1, 64, 64], out_shape: [2], channels: [8, 16], strides: [2, 2]}
1x64x64x64 ResNetFeatures {model_name: resnet18, pretrained: false}
1x64x64 SENet154 {spatial_dims: 2, in_channels: 1, num_classes: 2}
1x64x64x64 SEResNet50 {spatial_dims: 3, in_channels: 1, num_classes: 2}
1x64x64 SEResNext50 {spatial_dims: 2, in_channels: 1, num_classes: 2}
1x64x64 SegResNet {spatial_dims: 2}
1x64x64 SegResNetDS {spatial_dims: 2, dsdepth: 3}
1x64x64 SegResNetDS2 {spatial_dims: 2}
1x64x64 SegResNetVAE {input_image_size: [64, 64], spatial_dims: 2}
1x64x64 SwinUNETR {in_channels: 1, out_channels: 2, spatial_dims: 2, feature_size: 12}
3x224x224 TorchVisionFCModel {model_name: resnet18}
1x64x64 UNETR {in_channels: 1, out_channels: 2, img_size: 64, spatial_dims: 2}
1x64x64 UNet {spatial_dims: 2, in_channels: 1, out_channels: 2, channels: [16, 32, 64], strides: [2, 2], num_res_units: 2}
1x32x32x32 UNet {spatial_dims: 3, in_channels: 1, out_channels: 2, channels: [16, 32, 64], strides: [2, 2]}
1x64x64 VNet {spatial_dims: 2}
1x64x64 VQVAE {spatial_dims: 2, in_channels: 1, out_channels: 1}
1x64x64 VarAutoEncoder {spatial_dims: 2, in_shape: [1, 64, 64], out_channels: 1, latent_size: 8, channels: [8], strides: [2]}
10 VarFullyConnectedNet {in_channels: 10, out_channels: 10, latent_size: 4, encode_channels: [8], decode_channels: [8]}
1x64x64 ViT {in_channels: 1, img_size: 64, patch_size: 16, spatial_dims: 2, classification: true}
1x64x64 ViTAutoEnc {in_channels: 1, img_size: [64, 64], patch_size: [16, 16], spatial_dims: 2}
1x32x32x32 VoxelMorph {}
1x512 resnet18 {spatial_dims: 1, n_input_channels: 1, pretrained: false}
1x64x64 resnet50 {spatial_dims: 2, n_input_channels: 1, pretrained: false}
"""  # noqa: E501  # a network, a line
MONAI_INPUTS = {"DiffusionModelUNet": [()], "VoxelMorph": [(1, 32, 32, 32)]}  # beside the image


def _monai() -> Iterator[tuple[str, Network]]:
    nets = importlib.import_module("monai.networks.nets")
    for line in MONAI.strip().splitlines():
        text, name, written = line.split(" ", 2)
        settings = yaml.safe_load(written)
        shape = tuple(map(int, text.split("x")))
        size: Size = [shape, *MONAI_INPUTS[name]] if name in MONAI_INPUTS else shape
        yield f"{name}/{text}", (lambda n=name, s=settings: getattr(nets, n)(**s), size)


def _ultralytics() -> Iterator[tuple[str, Network]]:
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.gettempdir())
    tasks = importlib.import_module("ultralytics.nn.tasks")
    folder = Path(tasks.__file__).parents[1] / "cfg" / "models"
    kinds = {"cls": "ClassificationModel", "seg": "SegmentationModel", "pose": "PoseModel", "obb": "OBBModel"}
    kinds |= {"worldv2": "WorldModel", "world": "WorldModel", "rtdetr": "RTDETRDetectionModel", "yoloe": "YOLOEModel"}
    for path in sorted(folder.rglob("*.yaml")):
        kind = next((kinds[word] for word in kinds if word in path.stem), "DetectionModel")
        kind = "YOLOESegModel" if "yoloe" in path.stem and "seg" in path.stem else kind
        if "resnet18" in path.stem:  # which asks for weights
            continue
        side = 224 if "cls" in path.stem else 640
        yield path.stem, (lambda k=kind, p=path: getattr(tasks, k)(str(p), verbose=False), (3, side, side))


def _pytorchcv() -> Iterator[tuple[str, Network]]:
    models = importlib.import_module("pytorchcv.model_provider")._models
    first: dict[str, str] = {}
    for name in sorted(models, key=lambda name: (len(name), name)):
        first.setdefault(models[name].__module__, name)
    for name in sorted(first.values()):
        if not name.startswith(("propainter_ip", "visemenet")):  # of one video or speech they make the batch
            spoken = {"from_audio": False} if name.startswith(("jasper", "quartznet")) else {}
            yield name, (lambda n=name, s=spoken: _of_pytorchcv(models[n](pretrained=False, **s), n), _size_of(name))


class FirstFrames(nn.Module):
    """Wraps a video network that takes the number of frames."""

    def __init__(self, net: nn.Module, frames: int) -> None:
        super().__init__()
        self.net, self.frames = net, frames

    def forward(self, *videos: torch.Tensor) -> Any:
        """Call the wrapped network."""
        return self.net(*videos, self.frames)


def _of_pytorchcv(net: nn.Module, name: str) -> nn.Module:
    return FirstFrames(net, 3) if name == "propainter" else net


OTHER_INPUTS: dict[str, Any] = {  # than one image: speech and a person, two images, videos with masks, grey images
    "nvpattexp": [(8, 16, 29), ((), "int64")],
    "voca": [(1, 16, 29), ((), "int64")],
    "raft": [(3, 224, 224)] * 2,
    "propainter_rfc": [(5, 2, 240, 432), (5, 1, 240, 432)],
    "propainter": [(5, 3, 240, 432), (5, 1, 240, 432), (5, 1, 240, 432), (2, 4, 240, 432)],
    "superpointnet": (1, 224, 224),
    "jasper": [(64, 320), ((), "int64")],  # features of speech, and how many
    "quartznet": [(64, 320), ((), "int64")],
    "pfpcnet": (1, 320, 240),
}


def _size_of(name: str) -> Size:
    for start, size in OTHER_INPUTS.items():
        if name.startswith(start):
            return size  # type: ignore[no-any-return]
    for words, size in (
        (("cifar", "svhn"), (3, 32, 32)),
        (("cityscapes", "voc", "ade20k", "coco"), (3, 480, 480)),
        (("inception", "xception", "nasnet", "polynet", "fdmobilenet"), (3, 299, 299)),
    ):  # fmt: skip
        if any(word in name for word in words):
            return size
    return (3, 224, 224)


ELECTRODES = "Fz FC3 FC1 FCz FC2 FC4 C5 C3 C1 Cz C2 C4 C6 CP3 CP1 CPz CP2 CP4 P1 Pz P2 POz"
NOT_ASKED = (  # they want weights, or signals of other kinds
    "AttnSleep EEGDINO EMG2QwertyNet Labram MetaNeuromotorHand REVE SensingDynamics TCN USleep VEMG2Pose ZUNA"
)


def _braindecode() -> Iterator[tuple[str, Network]]:
    models = importlib.import_module("braindecode.models")
    shared = {"n_chans": 22, "n_outputs": 4, "n_times": 1000, "sfreq": 250}
    for name in sorted(dir(models)):
        kind = getattr(models, name)
        if isinstance(kind, type) and issubclass(kind, nn.Module) and name not in NOT_ASKED.split():
            yield name, (lambda k=kind: _with_electrodes(k, shared), (22, 1000))


def _with_electrodes(kind: Any, shared: dict[str, Any]) -> nn.Module:
    """Additional inputs that a network needs."""
    try:
        return kind(**shared)
    except (TypeError, ValueError):
        import mne

        montage = mne.channels.make_standard_montage("standard_1020").get_positions()["ch_pos"]
        infos = [{"ch_name": name, "kind": "eeg", "loc": [*montage[name], *[0.0] * 9]} for name in ELECTRODES.split()]
        return kind(**shared, chs_info=infos)


IMAGES = (
    "Aimv2Vision Beit Bit BlipVision CLIPVision ChineseCLIPVision ConvNext ConvNextV2 Cvt DINOv3ConvNext "
    "DINOv3ViT DPT Data2VecVision DeiT Dinov2 Dinov2WithRegisters DonutSwin EfficientNet FocalNet GLPN "
    "GitVision HGNetV2 Hiera IJepa Levit MaskFormerSwin MetaClip2Vision MobileNetV1 MobileNetV2 MobileViT "
    "MobileViTV2 Pixio PoolFormer Pvt PvtV2 RegNet ResNet SamVision Segformer SiglipVision SwiftFormer Swin "
    "Swin2SR Swinv2 TextNet ViT ViTMAE ViTMSN VitDet Yolos "
)
HEADS = (
    "DepthAnythingForDepthEstimation DPTForDepthEstimation GLPNForDepthEstimation "
    "UperNetForSemanticSegmentation SegformerForSemanticSegmentation MobileViTForSemanticSegmentation "
    "Swin2SRForImageSuperResolution ViTForImageClassification ConvNextForImageClassification "
    "SuperPointForKeypointDetection ZoeDepthForDepthEstimation "
)
WAVES = "Data2VecAudio Hubert SEW SEWD UniSpeech UniSpeechSat Wav2Vec2 WavLM"


def _transformers() -> Iterator[tuple[str, Network]]:
    package = importlib.import_module("transformers")
    sized = {
        "VideoMAE": (16, 3, 224, 224),
        "Vivit": (32, 3, 224, 224),
        "Timesformer": (8, 3, 224, 224),
        "AST": (1024, 128),
    }
    sizes = {f"{name}Model": (3, 224, 224) for name in IMAGES.split()} | dict.fromkeys(HEADS.split(), (3, 224, 224))
    sizes |= {f"{name}Model": (16_000,) for name in WAVES.split()}
    sizes |= {f"{name}Model": size for name, size in sized.items()}
    sizes |= {f"{name}Model": (1, 24_000) for name in ("Encodec", "Dac", "Mimi")}
    for name, size in sizes.items():
        kind = getattr(package, name, None)
        if kind is not None:
            yield name, (lambda k=kind: k(k.config_class()), _own_size(kind, size))


def _own_size(kind: Any, size: Size) -> Size:
    try:
        side = kind.config_class().image_size
    except AttributeError:
        return size
    sides = (side, side) if isinstance(side, int) else tuple(side)
    return (*size[:-2], *sides) if len(size) > 2 else size


def _kornia() -> Iterator[tuple[str, Network]]:
    feature = importlib.import_module("kornia.feature")
    for name in ("HardNet", "HardNet8", "HyNet", "SOSNet", "TFeat", "OriNet"):
        yield name, (lambda n=name: getattr(feature, n)(pretrained=False), (1, 32, 32))
    yield "KeyNet", (lambda: feature.KeyNet(pretrained=False), (1, 64, 64))
    yield "DISK", (feature.DISK, (3, 64, 64))
    yield "DeFMO", (lambda: feature.DeFMO(pretrained=False), (6, 64, 64))
    yield "XFeatModel", (feature.XFeatModel, (3, 64, 64))
    for path, settings, size in (
        ("dexined:DexiNed", {"pretrained": False}, (3, 64, 64)),
        ("rrdbnet:RRDBNet", {"num_in_ch": 3, "num_out_ch": 3}, (3, 32, 32)),
        ("small_sr:SmallSRNet", {"upscale_factor": 3, "pretrained": False}, (1, 32, 32)),
        ("yunet:YuNet", {"phase": "train", "pretrained": False}, (3, 320, 320)),
        ("tiny_vit:TinyViT", {}, (3, 224, 224)),
    ):
        home, _, name = path.partition(":")
        module = importlib.import_module(f"kornia.models.{home}")
        yield name, (lambda m=module, n=name, s=settings: getattr(m, n)(**s), size)


def _torchvision() -> Iterator[tuple[str, Network]]:
    models = importlib.import_module("torchvision.models")
    for room in ("detection", "segmentation", "video", "optical_flow"):
        for name in models.list_models(getattr(models, room)):
            settings = {"weights": None} | ({"weights_backbone": None} if room in ("detection", "segmentation") else {})
            size: Size = (3, 320, 320) if room == "detection" else (3, 224, 224)
            if room == "video":
                size = (3, 16, 112, 112) if "resnet" in name or "18" in name else (3, 16, 224, 224)
            size = [(3, 128, 128)] * 2 if room == "optical_flow" else size
            yield name, (lambda n=name, s=settings: models.get_model(n, **s), size)


def _torchaudio() -> Iterator[tuple[str, Network]]:
    models = importlib.import_module("torchaudio.models")
    wave = (16_000,)
    sizes = dict.fromkeys(("wav2vec2_base", "hubert_base", "wavlm_base", "squim_objective_base"), wave)
    sizes |= {"conv_tasnet_base": (1, 16_000), "hdemucs_low": (2, 44_100)}
    for name, size in sizes.items():
        settings = {"sources": ["drums", "bass", "other", "vocals"]} if name == "hdemucs_low" else {}
        yield name, (lambda n=name, s=settings: getattr(models, n)(**s), size)
    yield "Wav2Letter", (lambda: models.Wav2Letter(num_classes=40), (1, 16_000))
    yield "Wav2Letter/mfcc", (lambda: models.Wav2Letter(input_type="mfcc", num_features=13), (13, 400))
    yield "DeepSpeech", (lambda: models.DeepSpeech(n_feature=80), (1, 100, 80))
    yield "WaveRNN", (lambda: models.WaveRNN([5, 5, 8], 512, 200), [(1, 11_000), (1, 128, 59)])
