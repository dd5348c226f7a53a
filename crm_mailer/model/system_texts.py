"""What the operating system says of a file or a connection, in its own English words."""

from __future__ import annotations

#: Texts of `os.strerror` and of name look-ups that people meet; each is a text of the catalogues.
SYSTEM_TEXTS = frozenset(
    {
        "Address already in use",
        "Bad file descriptor",
        "Broken pipe",
        "Cannot assign requested address",
        "Connection refused",
        "Connection reset by peer",
        "Connection timed out",
        "Device or resource busy",
        "Directory not empty",
        "Disk quota exceeded",
        "File exists",
        "File name too long",
        "File too large",
        "Input/output error",
        "Invalid argument",
        "Invalid cross-device link",
        "Is a directory",
        "Name or service not known",
        "Network is unreachable",
        "No address associated with hostname",
        "No route to host",
        "No space left on device",
        "No such device or address",
        "No such file or directory",
        "Not a directory",
        "Operation not permitted",
        "Permission denied",
        "Read-only file system",
        "Resource temporarily unavailable",
        "Stale file handle",
        "Temporary failure in name resolution",
        "Text file busy",
        "Too many levels of symbolic links",
        "Too many open files",
    }
)
