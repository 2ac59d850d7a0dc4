"""Readable and drawn forms of objects that are not pictures: reports, waveforms, contours, icons. Pure."""
