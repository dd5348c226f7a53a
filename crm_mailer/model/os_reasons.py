"""Why an operating system cannot do something, as sentences of which a catalogue has the usual."""

from __future__ import annotations

from crm_mailer.model.sentence import Sentence, sentence

#: What systems say most often. Others are shown as the system says them.
USUAL = (
    Sentence("No such file or directory"),
    Sentence("Permission denied"),
    Sentence("Operation not permitted"),
    Sentence("Is a directory"),
    Sentence("Not a directory"),
    Sentence("File exists"),
    Sentence("Directory not empty"),
    Sentence("File name too long"),
    Sentence("File too large"),
    Sentence("Too many open files"),
    Sentence("Too many levels of symbolic links"),
    Sentence("No space left on device"),
    Sentence("Disk quota exceeded"),
    Sentence("Read-only file system"),
    Sentence("Input/output error"),
    Sentence("Device or resource busy"),
    Sentence("Connection refused"),
    Sentence("Connection reset by peer"),
    Sentence("Connection timed out"),
    Sentence("Network is unreachable"),
    Sentence("No route to host"),
    Sentence("Broken pipe"),
    Sentence("Address already in use"),
)


def reason(error: OSError) -> Sentence:
    """Why, in the system's own words."""
    return sentence(error.strerror or str(error))
