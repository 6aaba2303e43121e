"""One training from config to checkpoints; the same call again resumes."""

from __future__ import annotations

import json
import logging
import os
import signal
import statistics
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.plugins.environments import LightningEnvironment

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable, write_json
from egraff_lmp.locking import locked
from egraff_lmp.stopping import Stopped, check_notices
from egraff_lmp.train.batches import Batches
from egraff_lmp.train.checkpoint import Checkpoint, Record, load_checkpoint
from egraff_lmp.train.config import TrainConfig
from egraff_lmp.train.curve import PICTURE, draw_curve
from egraff_lmp.train.data import Parts, read_parts, species_order
from egraff_lmp.train.display import Display
from egraff_lmp.train.evaluate import evaluate
from egraff_lmp.train.graphs import EpochSampler, Graph, build_graphs, pack, unpack
from egraff_lmp.train.kernels import evaluated_model
from egraff_lmp.train.module import STATE_KEY, ForceFieldModule
from egraff_lmp.train.parity import PARITY, Parity
from egraff_lmp.train.processes import Processes
from egraff_lmp.train.progress import stop_reason
from egraff_lmp.train.record import make_record
from egraff_lmp.train.reference import stress_rms
from egraff_lmp.train.saving import BEST, LAST, LOG, Saving, TensorBoard
from egraff_lmp.train.schedule import unfinished_schedule
from egraff_lmp.train.start import begin_with, begun_from, read_start, settled
from egraff_lmp.train.wandb_log import LogRows, require_wandb, wandb_logger

logger = logging.getLogger(__name__)

RESULT = "result.json"
_LIGHTNING = tuple(logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric"))
# Read by the processes that a training starts before anything of ours runs in them: that there is
# an `srun` which this program does without is no news to a user.
_OF_PROCESSES = {
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "PYTHONWARNINGS": "ignore:The `srun` command is available:UserWarning",
}
SHORTEST_A = 0.1  # no bond is shorter than that of H2, 0.74 A


@dataclass(frozen=True)
class TrainResult:
    """Outcome of a training.

    Attributes:
        checkpoint: the best checkpoint, for `deploy`.
        best_epoch: its epoch, counted from 1.
        epochs: epochs done over all resumes.
        validation: validation errors of the best epoch (names of `evaluate.Errors`).
        test: errors of the best checkpoint on the test part; empty without one.
        wall_seconds: training time over all resumes.
        frames_per_second: median over the epochs, of training alone; None if no epoch says.
        peak_memory_gb: largest of a process, in an epoch of any start; None likewise.
        stop: why training ended.
        log: CSV file with one row an epoch; learning_curve.png beside it shows it, and parity.png
            predictions of the test (else validation) part against its labels.
    """

    checkpoint: Path
    best_epoch: int
    epochs: int
    validation: Mapping[str, float]
    test: Mapping[str, float]
    wall_seconds: float
    frames_per_second: float | None
    peak_memory_gb: float | None
    stop: str
    log: Path


def train(
    config: TrainConfig,
    out_dir: str | Path,
    *,
    base: Path | None = None,
    progress: bool = True,
    trust: bool = False,
) -> TrainResult:
    """Train, or resume an unfinished training, or return the result of a finished one.

    A resumed training gives the same weights as an uninterrupted one.

    Args:
        config: what to train.
        out_dir: folder of last.ckpt, best.ckpt, log.csv, learning_curve.png,
            parity.png and result.json.
        base: folder that relative paths of the config start from.
        progress: show a bar (terminal) or log a line an epoch.
        trust: open a `start_from` that runs code when it is opened.

    Raises:
        EgraffError: bad data, another run in `out_dir`, or divergence.
    """
    out = Path(out_dir)
    if out.exists() and not out.is_dir():
        raise EgraffError(f"{out}: expected a folder for the checkpoints, got a file.")
    require_writable(out)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        return _train(config, out, base, progress, trust)


def _train(
    config: TrainConfig, out: Path, base: Path | None, progress: bool, trust: bool
) -> TrainResult:
    if config.logger == "wandb":
        require_wandb()
    parts = read_parts(config, base)
    start = read_start(config, base, [*parts.train, *parts.validation, *parts.test], trust=trust)
    if start is None:
        species = species_order(parts, config.species)
    else:
        config, species = settled(config, start), start.record.species
    graphs = _graphs(parts, species, config.r_max)
    _check_distances(graphs["train"], config.r_max)
    record = make_record(config, parts, graphs["train"], base, species)
    if start is not None:
        record = begun_from(start, record, parts.train, config)
    previous = _previous(out / LAST, record, config)
    torch.manual_seed(config.seed)
    if previous is not None:
        # Of the same data: a run that an earlier release began did not record it.
        record = replace(previous.record, training_range=record.training_range)
    model = record.build()
    if start is not None:
        begin_with(model, start, config.dtype)
    module = ForceFieldModule(model, config, stress_rms(parts.train))
    if previous is not None:
        module.on_load_checkpoint({STATE_KEY: previous.state})
    if stop_reason(module.progress, config.stop, config.second_stage) is None:
        if caution := unfinished_schedule(config):
            logger.warning("%s", caution)
        module.bound_memory(max(graphs["train"], key=lambda graph: graph.edge_index.shape[1]))
        callbacks: list[Callback] = [Saving(out, record)]
        callbacks += [TensorBoard(out)] if config.tensorboard else []
        callbacks += [Display()] if progress else []
        sink = None
        if config.logger == "wandb":
            callbacks.append(LogRows())
            sink = wandb_logger(out, record, config.model_dump(mode="json"))
        _fit(module, graphs, callbacks, out / LAST if previous else None, sink)
        if config.devices > 1:  # other processes trained, this one's copy is as it was
            module.on_load_checkpoint({STATE_KEY: load_checkpoint(out / LAST).state})
    return _result(config, module, graphs, out)


def _graphs(parts: Parts, species: tuple[str, ...], r_max: float) -> dict[str, list[Graph]]:
    return {
        name: [graph for frames in group for graph in build_graphs(frames, species, r_max)]
        for name, group in parts.by_name().items()
    }


def _check_distances(graphs: Sequence[Graph], r_max: float) -> None:
    """Positions in another unit than A show at once: no neighbours, or far too close ones."""
    shortest = min(
        (float(g.edge_vectors().norm(dim=1).min()) for g in graphs if g.edge_index.shape[1]),
        default=None,
    )
    if shortest is None:
        raise EgraffError(
            f"expected neighbours within r_max = {r_max:g} A, the training frames have none at "
            "all: r_max and positions are in A; choose a larger r_max."
        )
    if shortest < SHORTEST_A:
        raise EgraffError(
            f"expected atoms at least {SHORTEST_A} A apart, got two at {shortest:.3g} A in the "
            "training frames: positions are in A; or remove the frames with coincident atoms."
        )


def _previous(path: Path, record: Record, config: TrainConfig) -> Checkpoint | None:
    if not path.exists():
        return None
    previous = load_checkpoint(path)
    _same_cosine(path.parent, previous.record, config)
    for what, identity in (("config", _config_hash), ("data", _data_hashes), ("start", _start)):
        if identity(previous.record) != identity(record):
            raise EgraffError(
                f"{path.parent}: expected an empty folder or one of the same run, got a run with "
                f"another {what}: choose another --out, or delete this folder to start anew."
            )
    return previous


def _same_cosine(folder: Path, earlier: Record, config: TrainConfig) -> None:
    """Say how to go on where a cosine that is as long as `max_epochs` is another one by that alone.

    Raises:
        EgraffError: it is.
    """
    if config.schedule.name != "cosine" or config.schedule.epochs is not None:
        return
    begun = json.loads(earlier.config)
    length = begun["schedule"]["epochs"] or begun["stop"]["max_epochs"]
    schedule = config.schedule.model_copy(update={"epochs": length})
    same = config.model_copy(update={"schedule": schedule}).sha256() == _config_hash(earlier)
    if same and length != config.cosine_epochs:
        raise EgraffError(
            f"{folder}: expected a run of {config.cosine_epochs} epochs, got one whose learning "
            f"rate falls over {length}: `--set schedule.epochs={length}` goes on with it, at the "
            "last rate from there on; choose another --out to begin anew."
        )


def _config_hash(record: Record) -> str:
    return str(record.provenance["config_sha256"])


def _start(record: Record) -> str | None:
    return (record.provenance.get("start") or {}).get("sha256")


def _data_hashes(record: Record) -> dict[str, str]:
    return {part: entry["sha256"] for part, entry in record.provenance["data"].items()}


def _fit(
    module: ForceFieldModule,
    graphs: Mapping[str, list[Graph]],
    callbacks: list[Callback],
    resume_from: Path | None,
    logger: Logger | None,
) -> None:
    config = module.config
    if config.devices > len(graphs["validation"]):
        raise EgraffError(
            f"devices: expected at most as many as validation frames ({len(graphs['validation'])}"
            f"), got {config.devices}: ask for fewer, or for more validation frames."
        )
    interrupt = signal.getsignal(signal.SIGINT)
    with _quiet(), _no_process_left():
        trainer = lightning.Trainer(
            accelerator=_accelerator(config.device),
            devices=config.devices,
            strategy=Processes() if config.devices > 1 else "auto",  # of this one program
            use_distributed_sampler=False,
            max_epochs=config.stop.max_epochs,
            callbacks=callbacks,
            # Without this, Lightning takes over from Slurm or MPI that happen to be around.
            plugins=[_Processes()],
            logger=logger or False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            inference_mode=False,
        )
        try:
            trainer.fit(
                module,
                datamodule=Loaders(graphs, config),
                ckpt_path=None if resume_from is None else str(resume_from),
                weights_only=True,
            )
        except torch.multiprocessing.ProcessRaisedException as error:
            raise _of_process(error) from None
        except Stopped:
            raise
        except SystemExit:
            check_notices()
            # Lightning turns Ctrl-C into an exit of its own and leaves the signal ignored.
            if not trainer.interrupted:
                raise
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, interrupt)
            raise KeyboardInterrupt from None


@contextmanager
def _no_process_left() -> Iterator[None]:
    """End the processes that the block started, if it ends before them (by a signal)."""
    before = set(torch.multiprocessing.active_children())
    try:
        yield
    except BaseException:
        for process in set(torch.multiprocessing.active_children()) - before:
            process.kill()  # every file is written whole, so that nothing needs a last word
            process.join()
        raise


class _Processes(LightningEnvironment):
    """Processes of this program alone, as quiet as the one that started them."""

    def set_global_rank(self, rank: int) -> None:
        """Called first of all in each process."""
        _silence()
        super().set_global_rank(rank)


def _of_process(error: Exception) -> Exception:
    """A user error of another process is a user error here; anything else stays as it is."""
    name = f"{EgraffError.__module__}.{EgraffError.__qualname__}: "
    *_, last = [line for line in str(error).splitlines() if line.strip()] or [""]
    return EgraffError(last.removeprefix(name)) if last.startswith(name) else error


class Loaders(lightning.LightningDataModule):
    """Batches of this process, which asks for them once it knows its rank."""

    def __init__(self, graphs: Mapping[str, Sequence[Graph]], config: TrainConfig) -> None:
        super().__init__()
        self._graphs: Mapping[str, Sequence[Graph]] | None = graphs
        self._config = config
        self._packed: dict[str, dict[str, torch.Tensor]] = {}
        if config.devices > 1:  # the processes that are started share the memory of these
            self._graphs = None
            self._packed = {name: pack(graphs[name]) for name in ("train", "validation")}

    def setup(self, stage: str) -> None:
        """Threads of a process that was started for this training."""
        if self._config.devices > 1 and self._config.threads is not None:
            torch.set_num_threads(self._config.threads)

    def train_dataloader(self) -> Batches:
        """Shuffled training batches."""
        return self._batches("train", shuffle=True)

    def val_dataloader(self) -> Batches:
        """Validation batches in order."""
        return self._batches("validation", shuffle=False)

    def _batches(self, part: str, *, shuffle: bool) -> Batches:
        if self._graphs is None:
            self._graphs = {name: unpack(packed) for name, packed in self._packed.items()}
        graphs, config = self._graphs[part], self._config
        rank, ranks = (0, 1)
        if self.trainer is not None:
            rank, ranks = self.trainer.global_rank, self.trainer.world_size
        sampler = EpochSampler(len(graphs), config.seed, rank, ranks, shuffle=shuffle)
        return Batches(graphs, config.batch_size, sampler)


def _accelerator(device: str) -> str:
    if device == "cuda" and not torch.cuda.is_available():
        raise EgraffError("device: expected a CUDA GPU, there is none: use `device: cpu`.")
    return "gpu" if device != "cpu" and torch.cuda.is_available() else "cpu"


def _result(
    config: TrainConfig,
    module: ForceFieldModule,
    graphs: Mapping[str, Sequence[Graph]],
    out: Path,
) -> TrainResult:
    stage = config.second_stage
    draw_curve(module.history, out / PICTURE, None if stage is None else stage.start_epoch)
    best = load_checkpoint(out / BEST)
    model = evaluated_model(best.build(), config)
    part = "test" if graphs.get("test") else "validation"
    parity = Parity(best.record.species, part)
    errors = evaluate(model, graphs[part], config.batch_size, parity.add).as_dict()
    parity.draw(out / PARITY)
    done = module.progress
    # Epochs that an earlier release trained do not say.
    speeds, peaks = (
        [row[name] for row in module.history if name in row]
        for name in ("frames_per_second", "peak_memory_gb")
    )
    result = TrainResult(
        checkpoint=out / BEST,
        best_epoch=done.best_epoch,
        epochs=done.epoch,
        validation=dict(done.best_metrics),
        test=errors if part == "test" else {},
        wall_seconds=done.wall_seconds,
        frames_per_second=statistics.median(speeds) if speeds else None,
        peak_memory_gb=max(peaks, default=None),
        stop=stop_reason(done, config.stop, config.second_stage) or "stopped from outside",
        log=out / LOG,
    )
    plain = {**asdict(result), "checkpoint": BEST, "log": LOG, "resumes": done.resumes}
    write_json(out / RESULT, plain)
    return result


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's advice while the block runs; errors still come through."""
    levels = [entry.level for entry in _LIGHTNING]
    ours = {name: text for name, text in _OF_PROCESSES.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        with warnings.catch_warnings():
            _silence()
            yield
    finally:
        for name in ours:
            del os.environ[name]
        for entry, level in zip(_LIGHTNING, levels, strict=True):
            entry.setLevel(level)


def _silence() -> None:
    """No advice about loggers, workers and devices in this process."""
    for entry in _LIGHTNING:
        entry.setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
