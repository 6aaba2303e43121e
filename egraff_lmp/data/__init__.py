"""Reading ab-initio data: one reader a file format, one record for all."""

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.read import FORMATS, read_frames

__all__ = ["FORMATS", "Frames", "read_frames"]
