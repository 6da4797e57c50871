"""DICOM files: parsed strictly, judged, stripped of identity, decoded and rendered.

Pure functions over bytes and data sets; nothing here reads the database. Only
:mod:`~radiology.dicom.decode`, :mod:`~radiology.dicom.render` and
:mod:`~radiology.dicom.depth` touch pixels; the web process does not import them, and the worker
has the pixels of a received file decoded by :mod:`~radiology.dicom.limited`.

=================  =====================================================================
module             does
=================  =====================================================================
``syntaxes``       which SOP classes and transfer syntaxes are accepted
``structure``      walks a hostile file's elements in bounded time and memory
``attributes``     reads typed values out of the elements that are wanted
``tables``         look-up tables out of the header
``acceptance``     the one rule of what is a frontal chest radiograph
``streams``        facts of a compressed stream without decoding it
``pixels``         whether the pixels exist and fit their header
``header``         all of the above: a file in, a ``Header`` or a coded error out
``guard``          whose fault an exception is
``deidentify``     the file that is stored
``decode``         stored values (worker and commands only)
``grey``           formulas between a stored value and what the eye sees
``render``         the 8-bit image that pages and models see (worker and commands only)
``depth``          all grey values, for the viewer (worker and commands only)
``limited``        ``render`` and ``depth`` in a process with limits (worker and commands only)
=================  =====================================================================
"""

# Raise one when the same file is rendered, kept in full depth, or written without identity, in
# another way: the ETags of what is served hold them.
RENDER_VERSION = "1"
DEPTH_VERSION = "1"
DEIDENTIFICATION_VERSION = "2"
