"""Reports as self-contained HTML pages.

``content`` says what a report holds, ``words`` how it says it, ``patient`` and ``study`` render it.
"""
