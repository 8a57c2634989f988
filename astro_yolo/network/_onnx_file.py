"""The metadata of an ONNX file, read without any runtime."""

__all__ = ["onnx_properties"]

_METADATA_FIELD = 14  # ModelProto.metadata_props in onnx.proto


def onnx_properties(content):
    """
    Return the metadata properties of an ONNX file.

    Parameters
    ----------
    content : bytes
        The file.

    Returns
    -------
    dict
        Name to text.

    Raises
    ------
    IndexError, TypeError, ValueError
        If it is no such file.
    """
    return dict(
        _key_and_value(value) for field, value in _fields(content) if field == _METADATA_FIELD
    )


def _fields(message):
    """
    Yield (field number, bytes or int) of a Protocol Buffers message.

    The wire format (protobuf.dev/programming-guides/encoding) is a key, ``number << 3 | type``,
    before each value; types 0 (varint), 1 (8 bytes), 2 (length and bytes) and 5 (4 bytes) exist.
    """
    view, at = memoryview(message), 0
    while at < len(view):
        key, at = _varint(view, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(view, at)
        elif kind in {1, 2, 5}:
            length, at = _varint(view, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            if at + length > len(view):
                msg = "a value reaches beyond the end of the file"
                raise ValueError(msg)
            value, at = view[at : at + length], at + length
        else:
            msg = f"unknown wire type {kind}"
            raise ValueError(msg)
        yield key >> 3, value


def _varint(view, at):
    """Return a base-128 number, lowest seven bits first, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = view[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    msg = "a number is longer than 64 bits"
    raise ValueError(msg)


def _key_and_value(message):
    """Return the two strings of a StringStringEntryProto."""
    fields = {number: bytes(value).decode() for number, value in _fields(message)}
    return fields.get(1, ""), fields.get(2, "")
