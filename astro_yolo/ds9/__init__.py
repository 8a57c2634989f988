"""A bridge to SAOImage DS9: overlays in an open DS9, and edits back."""

from astro_yolo.ds9.bridge import DS9Bridge
from astro_yolo.ds9.diff import diff_regions
from astro_yolo.ds9.launcher import launch
from astro_yolo.ds9.menu import install_menu, uninstall_menu

__all__ = ["DS9Bridge", "diff_regions", "install_menu", "launch", "uninstall_menu"]
