"""Stored frames to pictures: the display pipeline of PS3.4 N.2 and the image types of PS3.18 8.7.4.

The server side needs request.py (what is asked for), display.py (what of the metadata a frame's picture
needs) and annotation_lines.py. The rest runs in the workers as the jobs "render" and "animate".
"""
