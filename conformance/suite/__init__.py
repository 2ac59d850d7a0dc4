"""The suite: its own DICOM writer and reader, its own multipart, its checks. It imports no server's code."""
