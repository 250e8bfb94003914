"""Files: download, archives, checksums, pickles that cannot execute."""
