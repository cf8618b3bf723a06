"""From the files of a project to its assets: import, read the declarations, build values, remember them."""
