"""The addresses of the workbench: each takes what the browser sends, and hands it to the module that does the work."""
