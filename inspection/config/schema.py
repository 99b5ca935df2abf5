"""The typed root of each config.

The fixed part is written down here. A component, a node with a `_target_`, is checked against the signature
of what it names, read from source: each class owns the schema of its config, and there is no second list of
its parameters to forget.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal


class Component:
    """A node with a `_target_`, checked against the signature of its target."""


@dataclass
class PathKeys:
    """Where things lie."""

    data: str
    outputs: str


@dataclass
class TaskKeys:
    """One inspection question on one product."""

    name: str
    question: str
    monitor: str
    mode: Literal["max", "min"]
    module: Component


@dataclass
class TrainerKeys:
    """The keys of `conf/trainer/default.yaml`; others of Lightning's Trainer can be added with `+`."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    devices: int | Literal["auto"] | list[int]
    num_nodes: int
    strategy: str
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed", "64-true"]
    channels_last: Literal["auto"] | bool
    max_epochs: int
    min_epochs: int | None
    max_time: str | None
    gradient_clip_val: float | None
    accumulate_grad_batches: int
    check_val_every_n_epoch: int
    log_every_n_steps: int
    limit_train_batches: float | int
    limit_val_batches: float | int
    limit_test_batches: float | int
    overfit_batches: float | int
    fast_dev_run: bool | int
    detect_anomaly: bool
    deterministic: bool | Literal["warn"] | None
    sync_batchnorm: bool
    profiler: Literal["simple", "advanced", "pytorch"] | None


@dataclass
class TrainingKeys:
    """What a training is made of: every root that takes the words of a training command has these."""

    seed: int
    paths: PathKeys
    task: TaskKeys
    data: Component
    model: Component
    loss: Component
    optimizer: Component
    scheduler: Component | None
    decide: Component
    trainer: TrainerKeys
    callbacks: Mapping[str, Component]
    logger: Component | None


@dataclass
class TrainRoot(TrainingKeys):
    """`conf/train.yaml`."""

    usage: ClassVar[str] = "task=<task>"
    keeps_folder: ClassVar[bool] = True  # each job has a folder of its own

    ckpt_path: str | None
    test: bool


@dataclass
class NewDataKeys:
    """Where other images lie than a run's own; the names are those of the data modules."""

    root: str | None
    category: str | None
    folders: list[list[str | None]] | None
    pictures: str | None
    tables: str | None
    table: str | None
    annotations: str | None


@dataclass
class EvaluateRoot:
    """`conf/evaluate.yaml`."""

    usage: ClassVar[str] = "run=<run folder> [data.root=<folder of other images>]"
    keeps_folder: ClassVar[bool] = False

    run: str
    inspector: str | None
    output: str | None
    data: NewDataKeys


@dataclass
class DecideRoot:
    """`conf/decide.yaml`."""

    usage: ClassVar[str] = "run=<run folder> decide=<rule>"
    keeps_folder: ClassVar[bool] = False

    run: str
    decide: Component


@dataclass
class PredictRoot:
    """`conf/predict.yaml`."""

    usage: ClassVar[str] = "run=<run folder> input=<folder, file or pattern>"
    keeps_folder: ClassVar[bool] = False

    run: str
    input: str
    output: str | None
    threshold: float | dict[str, float] | None
    overlays: bool
    batch_size: int
    device: str
    threads: int | None


@dataclass
class ExportRoot:
    """`conf/export.yaml`."""

    usage: ClassVar[str] = "run=<run folder> format=<format> precision=<precision>"
    keeps_folder: ClassVar[bool] = False

    run: str
    format: Literal["onnx", "openvino", "torch_export", "torchscript"]
    precision: Literal["fp32", "bf16", "int8"]
    heatmaps: bool
    images: int | None
    calibration: int
    max_drop: float
    max_changed: float | None
    output: str | None


@dataclass
class CompareRoot:
    """`conf/compare.yaml`."""

    usage: ClassVar[str] = "runs=[<run folder>,<run folder>]"
    keeps_folder: ClassVar[bool] = False

    runs: list[str]
    part: Literal["val", "test"]
    pictures: int
    output: str | None


@dataclass
class ExplainRoot:
    """`conf/explain.yaml`."""

    usage: ClassVar[str] = "run=<run folder> input=<folder, file or pattern>"
    keeps_folder: ClassVar[bool] = False

    run: str
    input: str
    output: str | None
    method: Literal["auto", "grad_cam", "grad_cam_plus_plus", "layer_cam", "hires_cam", "cam", "occlusion"]
    layer: str | None
    target: str | None
    compare: bool | list[str]
    patch: int | tuple[int, int] | None
    stride: int | tuple[int, int] | None
    filters: bool
    features: bool
    faithfulness: bool
    steps: int
    masks: str | None
    batch_size: int


@dataclass
class SplitRoot:
    """`conf/split.yaml`."""

    usage: ClassVar[str] = "data=<data> data.root=<folder>"
    keeps_folder: ClassVar[bool] = False

    seed: int
    output: str | None
    overwrite: bool
    paths: PathKeys
    data: Component


@dataclass
class AuditRoot(TrainingKeys):
    """`conf/audit.yaml`: what a task is made of, so that the command of a training names its data here, too."""

    usage: ClassVar[str] = "task=<task> data.root=<folder>"
    keeps_folder: ClassVar[bool] = False

    output: str | None
    sweep: str | None


@dataclass
class CameraKeys:
    """What a camera at this computer is asked for."""

    size: tuple[int, int] | None
    rate: float | None


@dataclass
class StreamDriftKeys:
    """How a stream is watched for drift."""

    rate: float | None
    window: int
    false_alarms: float


@dataclass
class StreamRoot:
    """`conf/stream.yaml`."""

    usage: ClassVar[str] = "inspector=<run folder or file> source=<camera, URL, video, folder or pattern>"
    keeps_folder: ClassVar[bool] = False

    inspector: str
    source: int | str
    output: str | None
    threshold: float | dict[str, float] | None
    device: str
    threads: int | None
    sinks: Mapping[str, Component] | None
    overflow: Literal["drop_oldest", "block"] | None
    queue: int
    batch: int
    deadline: float
    rate: float | None
    repeat: int | None
    frames: int | None
    camera: CameraKeys
    reconnect: int | None
    stop_within: float
    drift: StreamDriftKeys | None


@dataclass
class LabelRoot:
    """`conf/label.yaml`."""

    usage: ClassVar[str] = "source=<video, folder or pattern>"
    keeps_folder: ClassVar[bool] = False

    source: str | None
    check: str | None
    relabel: str | None
    output: str
    attributes: list[str]
    keys: dict[str, str | int] | None
    rules: list[list[str]]
    carry: bool
    window: tuple[int, int]


Root = type[Any]
ROOTS: dict[str, Root] = {
    "train": TrainRoot,
    "predict": PredictRoot,
    "evaluate": EvaluateRoot,
    "decide": DecideRoot,
    "explain": ExplainRoot,
    "split": SplitRoot,
    "audit": AuditRoot,
    "label": LabelRoot,
    "compare": CompareRoot,
    "export": ExportRoot,
    "stream": StreamRoot,
}
