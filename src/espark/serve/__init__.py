"""The workbench: see a case in the browser, correct its regions, and run it again."""
