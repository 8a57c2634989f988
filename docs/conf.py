"""How the documentation is built."""

import os
from importlib.metadata import version as installed_version

from sphinx_astropy.conf.v2 import *  # noqa: F403

project = "astro-yolo"
author = "astro-yolo developers"
project_copyright = f"2026, {author}"
release = installed_version("astro-yolo")
version = ".".join(release.split(".")[:2])

exclude_patterns = ["_build"]

# Links into other projects' documentation need the network: set ASTRO_YOLO_DOCS_ONLINE to have
# them, and to have every unknown reference reported.
online = bool(os.environ.get("ASTRO_YOLO_DOCS_ONLINE"))
if online:
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "astropy": ("https://docs.astropy.org/en/stable/", None),
        "regions": ("https://astropy-regions.readthedocs.io/en/stable/", None),
        "photutils": ("https://photutils.readthedocs.io/en/stable/", None),
    }
    nitpicky = True
else:
    intersphinx_mapping = {}

html_theme_options = {"navigation_with_keys": False, "header_links_before_dropdown": 4}
html_sidebars = {"*": []}  # only the reference is deep enough for a section menu
html_title = project
html_static_path = ["_static"]
html_show_sourcelink = False

automodapi_inheritance_diagram = False
automodsumm_inherited_members = False
numpydoc_show_class_members = False
