"""The live page: a small server on this machine, and one HTML, one CSS and one JavaScript file."""
