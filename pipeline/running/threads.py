"""Keeps what is written into a bundle from depending on the number of threads."""

import contextlib
from collections.abc import Iterator

import torch
from threadpoolctl import threadpool_limits

from pipeline.running.one_at_a_time import ALONE


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Lets PyTorch and NumPy's BLAS use one thread in this process while the block runs.

    On several they part the sums of a matrix product as it suits their number, and may round
    otherwise in the last digit: of a weight that then is rounded to another integer, or of a logit
    that is written down. The numbers are the whole process's, so one block runs at a time.
    """
    with ALONE:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with threadpool_limits(limits=1, user_api="blas"):
                yield
        finally:
            torch.set_num_threads(before)
