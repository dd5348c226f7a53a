"""What the operating system and the database say of a file or a connection, in their own words."""

from __future__ import annotations

#: Texts of `os.strerror`, of name look-ups and of SQLite that people meet; each is a text of the
#: catalogues.
SYSTEM_TEXTS = frozenset(
    {
        "Address already in use",
        "Bad file descriptor",
        "Broken pipe",
        "Cannot assign requested address",
        "Connection refused",
        "Connection reset by peer",
        "Connection timed out",
        "Could not parse SQLAlchemy URL from given URL string",
        "Device or resource busy",
        "Directory not empty",
        "Disk quota exceeded",
        "Exec format error",
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
        "attempt to write a readonly database",
        "database disk image is malformed",
        "database or disk is full",
        "disk I/O error",
        "file is not a database",
        "timed out",
        "unable to open database file",
    }
)
