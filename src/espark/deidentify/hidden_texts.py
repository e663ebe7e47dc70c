"""What may hide in compressed pixels and color profiles: comments, EXIF, and names in descriptions."""

from __future__ import annotations

import struct

_SOI, _SOS = b"\xff\xd8", 0xDA
_JFIF, _ADOBE = 0xE0, 0xEE
"""Segments that a decoder needs: JFIF and Adobe give the color space."""
_APPLICATION, _COMMENT = range(0xE0, 0xF0), 0xFE
_JFIF_BYTES, _ADOBE_BYTES = 16, 14
_ALONE = {0x01, *range(0xD0, 0xD9)}

_J2K_START, _J2K_TILE, _J2K_COMMENT = b"\xff\x4f", b"\xff\x90", b"\xff\x64"
_J2K_TILE_LENGTH = 12

_ICC_HEADER, _ICC_ENTRY = 128, 12
_NUMERIC = {b"XYZ ", b"curv", b"para", b"mft1", b"mft2", b"mAB ", b"mBA ", b"sf32", b"chrm", b"view", b"meas", b"sig "}
_ICC_TEXT = b"desc" + bytes(4) + struct.pack(">I", 5) + b"none\0" + bytes(78)
_ICC_COPYRIGHT = b"text" + bytes(4) + b"none\0"
_ICC_NAMES = slice(48, 56)


def clean_frame(frame: bytes) -> bytes:
    """A compressed frame or tile without comments and application data; other frames as they are.

    JPEG and JPEG-LS have such segments before the scan, JPEG 2000 before its first tile.

    Raises:
        ValueError: when the frame is damaged.
    """
    if frame.startswith(_SOI):
        return _clean_jpeg(frame)
    if frame.startswith(_J2K_START):
        return _clean_jpeg2000(frame)
    return frame


def _clean_jpeg(frame: bytes) -> bytes:
    parts, at = [_SOI], 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        kind = frame[at + 1]
        if kind == 0xFF or kind in _ALONE:
            at += 1 if kind == 0xFF else 2
            continue
        if kind == _SOS:
            return b"".join((*parts, _until_the_end(frame, at)))
        end = at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
        segment = frame[at:end]
        if end > len(frame):
            raise ValueError("a JPEG segment is cut off")
        if kind not in _APPLICATION and kind != _COMMENT:
            parts.append(segment)
        elif kind == _JFIF and segment[4:9] == b"JFIF\0":
            # Without the thumbnail that may follow.
            parts.append(b"\xff\xe0\x00\x10" + segment[4:_JFIF_BYTES] + b"\0\0")
        elif kind == _ADOBE and segment[4:9] == b"Adobe":
            parts.append(b"\xff\xee\x00\x0e" + segment[4 : _ADOBE_BYTES + 2])
        at = end
    # The shared tables of a TIFF have no scan.
    return b"".join((*parts, b"\xff\xd9"))


def _until_the_end(frame: bytes, at: int) -> bytes:
    """From the scan to the last end marker: what follows is not part of the picture."""
    end = frame.rfind(b"\xff\xd9")
    if end < at:
        return frame[at:]
    return frame[at : end + 2] + b"\0" * ((end + 2 - at) % 2)


def _clean_jpeg2000(frame: bytes) -> bytes:
    parts, at = [_J2K_START], 2
    while at + 4 <= len(frame):
        marker = frame[at : at + 2]
        if marker == _J2K_TILE:
            return b"".join((*parts, _tile_parts(frame, at)))
        end = at + 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
        if marker != _J2K_COMMENT:
            parts.append(frame[at:end])
        at = end
    raise ValueError("a JPEG 2000 frame has no tile")


def _tile_parts(frame: bytes, at: int) -> bytes:
    """All tile parts. They are kept as they are, because their headers give their length; what follows is cut off."""
    start = at
    while frame[at : at + 2] == _J2K_TILE:
        length = int.from_bytes(frame[at + 6 : at + 10], "big")
        if length < _J2K_TILE_LENGTH:  # 0: up to the end of the codestream
            at = max(frame.rfind(b"\xff\xd9"), at)
            break
        at += length
    kept = frame[start:at] + b"\xff\xd9"
    return kept + b"\0" * (len(kept) % 2)


def clean_icc(profile: bytes) -> bytes:
    """A color profile with its numbers, but without its texts, and without the names of devices in its header.

    Raises:
        ValueError: when it is damaged.
    """
    if len(profile) < _ICC_HEADER + 4 or profile[36:40] != b"acsp":
        raise ValueError("this is not an ICC profile")
    (count,) = struct.unpack_from(">I", profile, _ICC_HEADER)
    if _ICC_HEADER + 4 + count * _ICC_ENTRY > len(profile):
        raise ValueError("the ICC profile is cut off")
    kept: list[tuple[bytes, bytes]] = [(b"desc", _ICC_TEXT), (b"cprt", _ICC_COPYRIGHT)]
    for number in range(count):
        name, start, size = struct.unpack_from(">4sII", profile, _ICC_HEADER + 4 + number * _ICC_ENTRY)
        content = profile[start : start + size]
        if content[:4] in _NUMERIC:
            kept.append((name, content))
    return _icc(profile, kept)


def _icc(profile: bytes, parts: list[tuple[bytes, bytes]]) -> bytes:
    at = _ICC_HEADER + 4 + len(parts) * _ICC_ENTRY
    entries, contents = b"", b""
    for name, content in parts:
        entries += struct.pack(">4sII", name, at + len(contents), len(content))
        contents += content + bytes(-len(content) % 4)
    header = bytearray(profile[:_ICC_HEADER])
    header[24:36] = bytes(12)  # when it was made
    header[_ICC_NAMES] = bytes(8)
    header[80:_ICC_HEADER] = bytes(_ICC_HEADER - 80)  # creator, identifier, reserved
    made = bytes(header) + struct.pack(">I", len(parts)) + entries + contents
    return struct.pack(">I", len(made)) + made[4:]
