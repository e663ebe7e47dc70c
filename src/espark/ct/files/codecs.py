"""Lets pydicom decompress JPEG, JPEG-LS and JPEG 2000 pixel data with imagecodecs.

pydicom looks for three names in a plugin: ``is_available``, ``DECODER_DEPENDENCIES`` and the function registered below.
Other plugins that the user has installed (gdcm, pylibjpeg) still work.
"""

from __future__ import annotations

from collections.abc import Callable

import imagecodecs
import numpy as np
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

from espark.intake.dicom_file import coded_size
from espark.types import AnyArray

_LABEL = "espark-imagecodecs"

_DECODERS: dict[str, Callable[[bytes], AnyArray]] = {
    uid.JPEGBaseline8Bit: imagecodecs.jpeg_decode,
    uid.JPEGExtended12Bit: imagecodecs.jpeg_decode,
    uid.JPEGLossless: imagecodecs.ljpeg_decode,
    uid.JPEGLosslessSV1: imagecodecs.ljpeg_decode,
    uid.JPEGLSLossless: imagecodecs.jpegls_decode,
    uid.JPEGLSNearLossless: imagecodecs.jpegls_decode,
    uid.JPEG2000Lossless: imagecodecs.jpeg2k_decode,
    uid.JPEG2000: imagecodecs.jpeg2k_decode,
    uid.HTJ2KLossless: imagecodecs.htj2k_decode,
    uid.HTJ2KLosslessRPCL: imagecodecs.htj2k_decode,
    uid.HTJ2K: imagecodecs.htj2k_decode,
}

DECODER_DEPENDENCIES = dict.fromkeys(_DECODERS, ("imagecodecs",))


def is_available(syntax: str) -> bool:
    """Whether this plugin can decompress the transfer syntax."""
    return syntax in _DECODERS


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Decompress one frame to little-endian bytes, and set the pixel width for pydicom.

    A frame has a header of its own. It is compared before memory is reserved for what it declares.

    Raises:
        ValueError: when the number of pixels in the frame differs from the header.
    """
    size = coded_size(src)
    if size is not None and size != (runner.rows, runner.columns):
        raise ValueError(f"the compressed frame holds {size}, the header gives {runner.rows}×{runner.columns}")
    pixels = np.asarray(_DECODERS[runner.transfer_syntax](src))
    if pixels.size != runner.rows * runner.columns * runner.samples_per_pixel:
        raise ValueError(f"the compressed frame holds {pixels.shape}, the header gives {runner.rows}×{runner.columns}")
    runner.set_option("bits_allocated", pixels.dtype.itemsize * 8)
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def register() -> None:
    """Make pydicom use these decoders. Calling it again changes nothing."""
    for syntax in _DECODERS:
        decoder = get_decoder(uid.UID(syntax))
        if _LABEL not in decoder.available_plugins:
            decoder.add_plugin(_LABEL, (__name__, "decode_frame"))
