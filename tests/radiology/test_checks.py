"""A worker that lacks a decoder must not start."""

from radiology.checks import every_accepted_syntax_is_decodable
from radiology.dicom import decode


def test_all_decoders_are_here():
    assert every_accepted_syntax_is_decodable() == []


def test_a_missing_decoder_is_named(monkeypatch):
    monkeypatch.setitem(decode.DECODERS, "1.2.840.10008.1.2.5", "no_such_module")
    (error,) = every_accepted_syntax_is_decodable()
    assert error.id == "radiology.E001"
    assert "RLE Lossless" in error.msg
    assert "no_such_module" in error.msg
    assert list(decode.missing_decoders()) == ["1.2.840.10008.1.2.5"]
