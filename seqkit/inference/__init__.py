"""Text in, text out: a model directory behind two methods, `load` and what it is for."""
