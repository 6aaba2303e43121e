"""Batches of an epoch, put together in the background while the step before them runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from torch.utils.data import BatchSampler

from egraff_lmp.train.graphs import Batch, EpochSampler, Graph, collate

# One batch is in use, so many more wait for it: they are small beside a step's own memory.
AHEAD = 2
THREAD = "egraff-batches"


class Batches:
    """The batches of each epoch, in the order of the sampler.

    A thread puts them together, at most `AHEAD` in advance. It takes no random numbers, its errors
    are raised where the batch is asked for, and it ends with the iteration, however that ends.

    Args:
        graphs: the frames of a part.
        batch_size: frames of a batch; the last one holds what is left.
        sampler: order of the frames, anew in each epoch.
    """

    def __init__(self, graphs: Sequence[Graph], batch_size: int, sampler: EpochSampler) -> None:
        self.graphs = graphs
        # Lightning looks here for the sampler, to tell it the epoch.
        self.batch_sampler = BatchSampler(sampler, batch_size, drop_last=False)

    def __len__(self) -> int:
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[Batch]:
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix=THREAD) as pool:
            ahead: deque[Future[Batch]] = deque()
            for indices in self.batch_sampler:
                ahead.append(pool.submit(self._batch, indices))
                if len(ahead) > AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def _batch(self, indices: Sequence[int]) -> Batch:
        return collate([self.graphs[index] for index in indices])
