"""Tables: rows with named columns, from files of several formats, and what their cells hold."""
