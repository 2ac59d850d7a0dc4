"""Frames as a volume and its pictures: MPR, projections, volume rendering (PS3.18 8.3.5.3; R-30 to R-35)."""
