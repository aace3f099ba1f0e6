"""Planning in motion space for robot arms."""

from xml.etree import ElementTree

from zipmo_ros.contract.share import share_path

__version__ = ElementTree.parse(share_path("package.xml")).findtext("version", "")
